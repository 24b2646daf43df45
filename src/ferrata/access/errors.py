"""What can be wrong with who is asking."""

from datetime import timedelta

from ferrata.infra.errors import Conflict, Forbidden, Rejected, Transient, Unauthenticated


class LacksRight(Forbidden):
    """This token or role does not allow that."""

    code = "lacks_right"


class OtherStore(Forbidden):
    """This token or person belongs to another store."""

    code = "other_store"


class NoStore(Forbidden):
    """You have a role in no store yet. Ask an owner or admin of yours for an invitation."""

    code = "no_store"


class UnknownToken(Unauthenticated):
    """This token is not known, has expired or was revoked."""

    code = "unknown_token"


class NotSignedIn(Rejected):
    """E-mail address and password do not belong together."""

    code, status = "not_signed_in", 401


class TooManyGuesses(Rejected):
    """Too many attempts to sign in. Wait, or have the password reset on the server: ferrata people reset-password"""

    code, status = "too_many_guesses", 429

    def __init__(self, wait: timedelta) -> None:
        minutes = max(1, -(-int(wait.total_seconds()) // 60))
        super().__init__(f"Too many attempts. The next one is possible in {minutes} min; nothing is locked for good.")
        self.retry_after_seconds = wait.total_seconds()


class SetupTokenUnknown(Rejected):
    """This one-time token is wrong, was used or has expired. Every start of Ferrata prints a new one."""

    code, status, is_refusal = "setup_token_unknown", 403, True


class EmailTaken(Conflict):
    """Somebody with this e-mail address is here already."""

    code = "email_taken"


class LastAdministrator(Conflict):
    """This is the last administrator. Make another one first."""

    code = "last_administrator"


class AboveYourself(Forbidden):
    """Nobody gives a role above their own, or changes somebody who stands higher."""

    code = "above_yourself"


class LastOwner(Conflict):
    """This is the last owner of the store. Make somebody else an owner first."""

    code = "last_owner"


class RoleTaken(Conflict):
    """There is a role with this name."""

    code = "role_taken"


class RoleInUse(Conflict):
    """Somebody has this role. Give them another one first."""

    code = "role_in_use"


class AlreadyMember(Conflict):
    """This person is a member of the store already. Change their role instead."""

    code = "already_member"


class LinkUnknown(Rejected):
    """This link was used, withdrawn or has expired. Ask for a new one."""

    code, status, is_refusal = "link_unknown", 404, True


class ForSomebodyElse(Forbidden):
    """This invitation is for another e-mail address than the one you are signed in with."""

    code = "for_somebody_else"


class WrongPassword(Rejected):
    """The old password is another one."""

    code, status, is_refusal = "wrong_password", 403, True


class ProviderRefused(Rejected):
    """The OpenID provider does not vouch for this sign-in."""

    code, status, is_refusal = "provider_refused", 403, True


class NobodyHere(Forbidden):
    """Nobody has this e-mail address here. Ask an administrator, or an owner or admin of your store, for an invitation."""

    code = "nobody_here"


class ProviderUnavailable(Transient):
    """The OpenID provider does not answer as it should. Try again, or sign in with a password."""

    code = "provider_unavailable"
