"""What can go wrong with the ways in which people are told."""

from ferrata.infra.errors import Conflict, NotFound, Rejected


class NoChannel(NotFound):
    """There is no such channel; it may have been removed."""

    code = "no_alert_channel"


class TargetRefused(Rejected):
    """Webhooks do not go there."""

    code = "alert_target_refused"


class NoMail(Conflict):
    """No mail server is set up: FERRATA_SMTP_HOST and FERRATA_SMTP_FROM."""

    code = "no_mail_server"


class TooManyChannels(Conflict):
    """There are 50 channels already. Remove one that nobody needs."""

    code = "too_many_alert_channels"
