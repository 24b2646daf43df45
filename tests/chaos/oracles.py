"""What must hold when all is over: each oracle returns its complaints, none if it is content."""

import base64
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import create_engine, text

from tests.chaos.klaviyo import HostileKlaviyo
from tests.chaos.ledger import Effect
from tests.chaos.shop import Promise, Shop

Complaints = list[str]


def some(found: Iterable[object], what: str) -> Complaints:
    everything = list(found)
    return [f"{len(everything)} {what}, such as {sorted(map(str, everything))[:4]}"] if everything else []


def effects_complaints(klaviyo: HostileKlaviyo, shop: Shop, account: str) -> Complaints:
    """Lost, doubled, invented, altered, in the wrong account."""
    by_number: dict[int, list[Effect]] = defaultdict(list)
    complaints: Complaints = []
    expected = {promise.unique_id: promise for promise in shop.promises}
    unpromised = shop.posts
    strangers, altered = [], []
    for effect in klaviyo.ledger.effects:
        promise = expected.get(effect.sent.unique_id)
        if promise is None:
            strangers.append(effect.sent)
            continue
        by_number[promise.event.number].append(effect)
        if fault := _difference(effect, promise):
            altered.append(fault)
    # An event without an id of its own, posted again because the answer got lost, may rightly be there once for each post.
    forgiven = {f'"n": {number}' for number, posts in unpromised.items() if posts > 1}
    strangers = [sent for sent in strangers if not any(mark in sent.properties.decode() for mark in forgiven)]
    healthy = {promise.event.number for promise in expected.values() if promise.event.poison is None}
    poisoned = {promise.event.number for promise in expected.values() if promise.event.poison is not None}
    complaints += some(healthy - set(by_number), "accepted events lost")
    complaints += some((number for number, found in by_number.items() if len(found) > 1), "events doubled")
    complaints += some(poisoned & set(by_number), "refused events executed")
    complaints += some((sent.unique_id for sent in strangers), "events that nobody was promised")
    complaints += some(altered, "altered")
    complaints += some((e.sent.unique_id for e in klaviyo.ledger.effects if e.account != account), "in a wrong account")
    forms = klaviyo.ledger.digests
    complaints += some((key for key, digests in forms.items() if len(digests) > 1), "events sent in more than one form")
    complaints += some(set(klaviyo.ledger.recut), "events in batches made anew of what may have been executed")
    return complaints


def _difference(effect: Effect, promise: Promise) -> str | None:
    sent, event = effect.sent, promise.event
    if sent.properties != event.properties.encode():
        return f"{event.number}: properties {sent.properties!r} instead of {event.properties!r}"
    if sent.value != (event.value or "null").encode():
        return f"{event.number}: value {sent.value!r} instead of {event.value!r}"
    if sent.profile != event.person or sent.metric != "Placed Order":
        return f"{event.number}: of {sent.profile} and {sent.metric}"
    if event.time and sent.time.removesuffix("+00:00").rstrip("Z") != event.time.rstrip("Z"):
        return f"{event.number}: time {sent.time} instead of {event.time}"
    return None


def order_complaints(klaviyo: HostileKlaviyo, shop: Shop, replayed: Collection[str] = ()) -> Complaints:
    """Of one person, live events and history each arrive in the order of their acceptance, but for what was replayed."""
    numbers = {promise.unique_id: promise.event for promise in shop.promises if promise.unique_id not in replayed}
    last: dict[tuple[str, bool], int] = {}
    inverted = []
    for effect in klaviyo.ledger.effects:
        event = numbers.get(effect.sent.unique_id)
        if event is None or shop.posts.get(event.number, 0) > 1:
            continue
        lane = (event.person, event.history)
        if last.get(lane, -1) > event.number:
            inverted.append(f"{event.number} after {last[lane]} of {lane}")
        last[lane] = max(last.get(lane, -1), event.number)
    return some(inverted, "overtaken by a later event of the same person")


def quota_complaints(klaviyo: HostileKlaviyo) -> Complaints:
    own = [seen for seen in klaviyo.seen if seen.status == 429 and seen.fault == "own"]
    return some((f"{seen.operation} at {seen.at:.1f}" for seen in own), "rate limits of our own making")


def book_complaints(url: str, shop: Shop, replayed: int = 0) -> Complaints:
    """The product's own books: everything accepted is delivered or lies dead, or was delivered and is past its time; the
    counters say the same. ``replayed`` of the dead were put back, and died or were delivered once more.
    """
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.connect() as connection:
        states = dict(connection.execute(text("SELECT state, count(*) FROM deliveries GROUP BY state")).all())
        counted = connection.execute(text("SELECT sum(delivered), sum(dead) FROM delivery_minutes")).one()
        accepted = connection.execute(text("SELECT count(*), (SELECT sum(accepted) FROM event_minutes) FROM events")).one()
        dead = set(connection.execute(text("SELECT unique_id FROM deliveries WHERE state = 'dead'")).scalars())
        (forgotten,) = connection.execute(text("SELECT coalesce(sum(events), 0) FROM cleanup_runs")).one()
        open_batches = connection.execute(text("SELECT count(*) FROM batches WHERE state = 'open'")).scalar_one()
    engine.dispose()
    complaints: Complaints = []
    poisoned = {promise.unique_id for promise in shop.promises if promise.event.poison}
    promised = {promise.unique_id for promise in shop.promises}
    complaints += some(dead & promised - poisoned, "healthy events lie dead")
    complaints += some(poisoned - dead, "refused events do not lie dead")
    if sum(states.values()) != accepted[0] or set(states) - {"delivered", "dead"}:
        complaints.append(f"books: {accepted[0]} events accepted, deliveries {states}")
    if (states.get("delivered", 0) + forgotten, states.get("dead", 0) + replayed) != (counted[0] or 0, counted[1] or 0):
        told = f"{forgotten} are past their time, {replayed} were replayed"
        complaints.append(f"counters: {tuple(counted)} delivered and dead, but deliveries are {states}, {told}")
    if accepted[0] + forgotten != accepted[1]:
        complaints.append(f"counters: {accepted[1]} accepted, but {accepted[0]} events are kept and {forgotten} forgotten")
    if open_batches:
        complaints.append(f"{open_batches} batches still open")
    return complaints


def sqlite_complaints(path: Path) -> Complaints:
    with sqlite3.connect(path) as connection:
        (integrity,) = connection.execute("PRAGMA integrity_check").fetchone()
        strays = connection.execute("PRAGMA foreign_key_check").fetchall()
    return ([] if integrity == "ok" else [f"integrity_check: {integrity}"]) + some(strays, "broken references")


def secret_complaints(folder: Path, secrets: dict[str, str], url: str) -> Complaints:
    """No log, file or table holds a secret in clear, in pieces or in a usual disguise."""
    found: Complaints = []
    heaps = {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    if url.startswith("postgresql"):
        heaps["the database"] = _dump(url)
    for name, secret in secrets.items():
        raw = secret.encode()
        disguises = {
            raw,
            base64.b64encode(raw),
            quote(secret, safe="").encode(),
            raw[::-1],
            raw[len(raw) // 2 :],
            raw.hex().encode(),
        }
        found += [f"the {name} stands in {heap}" for heap, data in heaps.items() if any(each in data for each in disguises)]
    return found


def _dump(url: str) -> bytes:
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.connect() as connection:
        tables = connection.execute(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")).scalars()
        rows = [connection.execute(text(f'SELECT t::text FROM "{table}" t')).scalars().all() for table in tables.all()]
    engine.dispose()
    return "\n".join(row for table in rows for row in table).encode()


def coverage_complaints(wanted: Iterable[str], exercised: Counter[str]) -> Complaints:
    """A run in which a fault did not happen proves nothing about it."""
    return some((name for name in wanted if not exercised[name]), "faults that never happened")
