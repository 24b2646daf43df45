"""What can go wrong with a store's connection."""

from datetime import timedelta

from ferrata.infra.errors import Conflict, FerrataError, NotFound, Recovery, Rejected, Transient


class NotAKey(Rejected):
    """This is not a Klaviyo private key: it starts with pk_ and holds no spaces. It was not kept."""

    code = "not_a_key"


class KeyRefused(Rejected):
    """Klaviyo does not accept this key."""

    code, status = "key_refused", 422


class KeyUntested(Transient):
    """Klaviyo could not be asked about this key."""

    code, status = "key_untested", 502


class KlaviyoBusy(KeyUntested):
    """Klaviyo asks to wait before this account is asked again."""

    code, status = "klaviyo_busy", 429


class TooManyTests(FerrataError):
    """Keys were tested 15 times within a minute, which is all that Klaviyo allows."""

    code, status, recovery = "too_many_key_tests", 429, Recovery.RETRY

    def __init__(self, wait: timedelta) -> None:
        super().__init__()
        self.retry_after_seconds = wait.total_seconds()


class OtherAccount(Conflict):
    """This key, or this access, belongs to another Klaviyo account."""

    code = "other_account"

    def __init__(self, connected: str, offered: str, *, what: str = "key") -> None:
        super().__init__(
            f"This {what} belongs to the Klaviyo account {offered}, and the store is connected to {connected}. Nothing was "
            "changed: what waits would go to the wrong account. To move the store, disconnect it first."
        )


class AccountUnknown(Conflict):
    """Whose these keys are cannot be told: both need the scope accounts:read. Or disconnect, and connect with the new key."""

    code = "account_unknown"


class KeyInUse(Conflict):
    """This is the key that the store is connected with already."""

    code = "key_in_use"


class NoKeyToRotate(Conflict):
    """This store is connected by OAuth: its tokens renew themselves, and there is no key to replace."""

    code = "no_key_to_rotate"


class IntegrationNotFound(NotFound):
    """Klaviyo integration not found: this store is not connected."""

    code = "integration_not_found"


class TicketExpired(Rejected):
    """Too much time has passed since the key was tested. Enter it again; nothing was kept of it."""

    code = "ticket_expired"


class StoreExists(Conflict):
    """There is a store with this id already."""

    code = "store_exists"


class StoreArchived(NotFound):
    """This store is archived: it takes nothing in and reaches nobody. Restore it first: ferrata stores restore"""

    code = "store_archived"


class LastStore(Conflict):
    """This is the last store in use. Add another one first."""

    code = "last_store"


class NotConnected(Conflict):
    """This store is not connected to Klaviyo yet. Connect it under Stores, or with: ferrata connections set-key"""

    code = "not_connected"
