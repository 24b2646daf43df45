"""One Klaviyo account (or OAuth installation) that this worker owns: its lease, its quota, its breaker."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, func, select
from sqlalchemy.dialects import postgresql, sqlite

from ferrata.delivery import schedule
from ferrata.delivery.breaker import Breaker
from ferrata.delivery.models import attempts, lanes, quotas
from ferrata.delivery.schemas import Family, LaneKey
from ferrata.infra.leases import STOP_SENDING_AFTER_SECONDS, Lease, is_held_by_others, leases
from ferrata.kit.clock import Clock
from ferrata.klaviyo.limits import Limiter
from ferrata.klaviyo.outcome import Outcome

EVERY_OPERATION = "*"
LOOK_BACK_SECONDS = 120.0
"""A minute's window, and the longest that a request may have been on its way before it was answered."""


@dataclass(frozen=True, slots=True)
class Block:
    """A stored pause of one operation, or of the whole account (``EVERY_OPERATION``)."""

    operation: str
    blocked_at: datetime
    blocked_until: datetime
    reason: str
    failures: int = 0


class Account:
    def __init__(self, lease: Lease, clock: Clock, chance: schedule.Chance) -> None:
        self.lease = lease
        self.limiter = Limiter(clock.monotonic, clock.now)
        self.breaker = Breaker(chance)
        self.under_way = 0
        self.successes = 0
        self.lost = False
        self._clock = clock
        self._chance = chance
        self._renewed_at = clock.monotonic()
        self._throttled_in_a_row: dict[str, int] = {}

    @property
    def quota_id(self) -> str:
        return self.lease.name

    def renewed(self, asked_at: float) -> None:
        """``asked_at``: the monotonic moment before the database was asked. Its answer may have come much later."""
        self._renewed_at = asked_at

    @property
    def may_send(self) -> bool:
        """False once the lease is lost, or could be by now."""
        return not self.lost and self._clock.monotonic() - self._renewed_at < STOP_SENDING_AFTER_SECONDS

    def wait_seconds(self, operation: str) -> float:
        resting = self.breaker.wait_seconds(self._clock.monotonic(), self.under_way)
        return max(resting, self.limiter.wait_seconds(operation))

    def is_scarce(self, operation: str) -> bool:
        """Whether half of what Klaviyo allows in a minute or longer is used: the rest of it is spread."""
        windows = self.limiter.usage(operation).windows
        return any(window.used * 2 >= window.allowed for window in windows if window.period_seconds > 1)

    def sending(self, operation: str) -> None:
        self.limiter.take(operation)
        self.under_way += 1

    def never_sent(self, operation: str) -> None:
        self.under_way -= 1
        self.limiter.observe(operation, None, sent=False)

    def answered(self, operation: str, outcome: Outcome, *, left: bool) -> None:
        """Feed the limiter. ``left``: whether the request can have reached Klaviyo."""
        self.under_way -= 1
        self.limiter.observe(operation, outcome.status, outcome.rate_headers, sent=left)
        if outcome.is_accepted:
            self.successes += 1
            self._throttled_in_a_row.pop(operation, None)

    def throttled(self, operation: str, asked: float | None) -> Block:
        """Obey a 429, and give what must be remembered over a restart."""
        count = self._throttled_in_a_row.get(operation, 0)
        self._throttled_in_a_row[operation] = count + 1
        seconds = schedule.throttle_delay(asked, count, self._chance)
        self.limiter.block(operation, seconds)
        return self._block(operation, seconds, "Klaviyo asked to wait (429).")

    def delayed(self, operation: str, asked: float, reason: str) -> Block:
        """Obey the Retry-After of a 503."""
        self.limiter.block(operation, asked)
        return self._block(operation, asked, reason)

    def failed(self, reason: str) -> Block | None:
        seconds = self.breaker.failed(self._clock.monotonic(), reason)
        return None if seconds is None else self._block(EVERY_OPERATION, seconds, reason, self.breaker.failures)

    def _block(self, operation: str, seconds: float, reason: str, failures: int = 0) -> Block:
        now = self._clock.now()
        return Block(operation, now, now + timedelta(seconds=seconds), reason[:1000], failures)

    def restore(self, blocks: list[Block], sent: list[tuple[str, float]]) -> None:
        """Take over what the former owner knew: pauses that last, and how many seconds ago each request was answered."""
        now = self._clock.now()
        for block in blocks:
            # The pause is over when its length has passed, even if the wall clock was set back meanwhile.
            length = (block.blocked_until - block.blocked_at).total_seconds()
            left = min((block.blocked_until - now).total_seconds(), length)
            if left <= 0:
                continue
            if block.operation == EVERY_OPERATION:
                self.breaker.failures, self.breaker.reason = block.failures, block.reason
                self.breaker.open_until = self._clock.monotonic() + left
            else:
                self.limiter.block(block.operation, left)
        for operation in {operation for operation, _ in sent}:
            self.limiter.seed(operation, [age for of, age in sent if of == operation])


def store_block(connection: Connection, quota_id: str, block: Block) -> None:
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(quotas).values(
        quota_id=quota_id,
        operation=block.operation,
        blocked_at=block.blocked_at,
        blocked_until=block.blocked_until,
        reason=block.reason,
        failures=block.failures,
    )
    columns = ("blocked_at", "blocked_until", "reason", "failures")
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["quota_id", "operation"], set_={name: statement.excluded[name] for name in columns}
        )
    )


def drop_block(connection: Connection, quota_id: str, operation: str) -> None:
    connection.execute(delete(quotas).where(quotas.c.quota_id == quota_id, quotas.c.operation == operation))


def stored_blocks(connection: Connection, quota_id: str) -> list[Block]:
    rows = connection.execute(
        select(quotas.c.operation, quotas.c.blocked_at, quotas.c.blocked_until, quotas.c.reason, quotas.c.failures).where(
            quotas.c.quota_id == quota_id, quotas.c.blocked_until.is_not(None)
        )
    )
    return [Block(*row) for row in rows]


def lanes_elsewhere(connection: Connection, worker: str, now: datetime) -> set[LaneKey]:
    """The lanes whose account another worker holds, as far as they have run before: reaching for each would be in vain."""
    theirs = is_held_by_others(connection, worker, now)
    query = select(lanes.c.store_id, lanes.c.family).join(leases, leases.c.name == lanes.c.quota_id).where(theirs)
    return {LaneKey(store_id, Family(family)) for store_id, family in connection.execute(query)}


def recent_sends(
    connection: Connection, quota_id: str, now: datetime, former_quota_id: str | None = None
) -> list[tuple[str, float]]:
    """(operation, seconds since its answer) of the requests that still weigh on the minute's window.

    ``former_quota_id``: under which the same key was counted before its account was known.
    """
    counted_as = [quota_id, former_quota_id] if former_quota_id else [quota_id]
    since = now - timedelta(seconds=LOOK_BACK_SECONDS)
    rows = connection.execute(
        select(attempts.c.operation, attempts.c.started_at, attempts.c.duration_ms).where(
            attempts.c.quota_id.in_(counted_as), attempts.c.started_at > since, func.coalesce(attempts.c.status, 0) != 429
        )
    )
    return [(operation, (now - started).total_seconds() - duration / 1000) for operation, started, duration in rows]
