"""The sources' own errors. The first four are for connectors to raise; see ``contract.py``."""

from ferrata.infra.errors import Conflict, FerrataError, NotFound, Recovery, Rejected, Transient


class Unverified(Rejected):
    """This message does not prove that it comes from where it says. It was not taken."""

    code = "source_unverified"


class Unreadable(Rejected):
    """This is no message of this source."""

    code = "source_unreadable"


class Refused(Rejected):
    """This message can never be mapped."""

    code = "source_message_refused"


class Later(Transient):
    """This message cannot be mapped yet."""

    code = "source_message_waits"

    def __init__(self, message: str = "", *, seconds: float | None = None) -> None:
        super().__init__(message)
        self.seconds = seconds


class NotAsked(Later):
    """The source's API does not answer at the moment. This goes on as soon as it does."""

    code = "source_away"


class NoSuchSource(NotFound):
    """There is no such source. `ferrata sources list` shows those there are."""

    code = "source_unknown"


class NotSetUp(NotFound):
    """This source is not set up for this store."""

    code = "source_not_set_up"


class NoReader(Rejected):
    """The settings of this source give no access to its API, which this needs."""

    code = "source_without_api"


class AlreadyRunning(Conflict):
    """This history is being read already. Pause, resume or cancel that run."""

    code = "backfill_running"


class MapperFailed(FerrataError):
    """The mapper of your own has failed."""

    code, status, recovery = "mapper_failed", 500, Recovery.RETRY
