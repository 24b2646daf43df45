"""A key that is being replaced: alive beside its successor until no request made with it can be under way, then forgotten.

Every process learns of the new key within a second, and a request to Klaviyo ends within its time-out. So a key that was replaced
is of no use to anybody after both have passed; until then either key may stand in for the other where Klaviyo refuses one.
"""

from datetime import timedelta

from sqlalchemy import Connection as Transaction

from ferrata.audit.schemas import SYSTEM
from ferrata.audit.service import Audit
from ferrata.connections import store as rows
from ferrata.connections.keys import Keys
from ferrata.connections.schemas import Credential, Retiring
from ferrata.infra.database import Database
from ferrata.infra.schedule import Every, Job
from ferrata.kit.clock import Clock

NOTICED_WITHIN = timedelta(seconds=5)
"""More than processes take to see a change, and a worker to send what it has in hand."""
FORGETTING = "connections.forget_replaced_keys"


class Rotation:
    """``longest_request`` is the time-out of one request to Klaviyo."""

    def __init__(self, database: Database, clock: Clock, audit: Audit, keys: Keys, longest_request: timedelta) -> None:
        self._database = database
        self._clock = clock
        self._audit = audit
        self._keys = keys
        self._drains_within = longest_request + NOTICED_WITHIN

    def retire(self, transaction: Transaction, before: rows.Kept, after: rows.Kept) -> bool:
        """Keep the key of ``before`` until it has drained; False where there is nothing to drain.

        Only a key that is known to be of the same account stands beside its successor.
        """
        same_account = before.seen.account_id is not None and before.seen.account_id == after.seen.account_id
        if before.installation_id or after.installation_id or before.version == after.version or not same_account:
            return False
        now = self._clock.now()
        rows.retire_key(transaction, before, self._keys.sealed_as_retired(before), now, now + self._drains_within)
        return True

    async def retiring(self, store_id: str) -> list[Retiring]:
        """Replaced keys of the store that are still alive here, the last one first."""
        now = self._clock.now()
        kept = await self._database.read(lambda transaction: rows.retiring(transaction, store_id))
        return [each.seen for each in kept if each.seen.forget_at > now]

    async def alive(self, store_id: str, quota_id: str) -> Credential | None:
        """The last replaced key of the same account, while it drains."""
        now = self._clock.now()
        for each in await self._database.read(lambda transaction: rows.retiring(transaction, store_id)):
            if each.seen.forget_at > now and each.quota_id == quota_id:
                return Credential(self._keys.open_retired(each), quota_id, each.seen.version)
        return None

    async def forget_drained(self) -> int:
        """Delete the keys whose time is over; how many."""
        now = self._clock.now()

        def work(transaction: Transaction) -> int:
            forgotten = rows.forget_retired(transaction, now)
            for each in forgotten:
                target, store_id = f"connection/{each.store_id}", each.store_id
                action = "connections.replaced_key_forgotten"
                self._audit.record(transaction, SYSTEM, action, target, store_id=store_id, before={"hint": each.hint})
            return len(forgotten)

        return await self._database.write(work)

    def job(self) -> Job:
        """Every five minutes, once among all processes. From ``forget_at`` on nobody uses the key; by this it is gone as well."""
        return Job(FORGETTING, Every(timedelta(minutes=5)), self.forget_drained, keep=timedelta(days=1))
