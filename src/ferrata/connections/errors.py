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

    code = "key_untested"


class TooManyTests(FerrataError):
    """Keys were tested 15 times within a minute, which is all that Klaviyo allows."""

    code, status, recovery = "too_many_key_tests", 429, Recovery.RETRY

    def __init__(self, wait: timedelta) -> None:
        super().__init__()
        self.retry_after_seconds = wait.total_seconds()


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
    """This store has no Klaviyo key yet. Add one under Settings, or with: ferrata connections set-key"""

    code = "not_connected"
