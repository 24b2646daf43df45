"""What a message would do: every request to Klaviyo, byte for byte, with the reason for each field, and what is left out and why.

Nothing is kept and nothing is sent. What profiles and the catalogue would put into the outbox is found by letting them do it, in
a transaction that is then undone: so what is shown is what delivery would send.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection

from ferrata.delivery.schemas import Family, Planned
from ferrata.delivery.service import DeliveryService
from ferrata.infra.errors import Rejected
from ferrata.kit.ids import new_id
from ferrata.profiles.errors import Overtaken
from ferrata.sources import paths
from ferrata.sources.contract import LookedUp, Lookup, Mapped, Message, Reason, Received, Skipped
from ferrata.sources.errors import Later, Refused, Unreadable
from ferrata.sources.handover import Ready
from ferrata.sources.line import Tools, prepared
from ferrata.sources.mapping import outcome_of, told
from ferrata.sources.reading import Answers, look_up_all
from ferrata.sources.receiving import message_of
from ferrata.sources.schemas import Configuration, KeptMessage, LineKey, State

_PROFILE = "/data/attributes/profile/data/attributes"
_EVENT_PLACES = {
    "metric": "/data/attributes/metric/data/attributes/name",
    "occurred_at": "/data/attributes/time",
    "currency": "/data/attributes/value_currency",
    "person/phone": f"{_PROFILE}/phone_number",
}

_TYPES = frozenset({
    "event", "metric", "profile", "profile-bulk-import-job", "catalog-item", "catalog-variant", "catalog-category",
})  # fmt: skip
_ALWAYS = {
    "/data/attributes/backfill": "history starts no flow at Klaviyo",
    "/data/attributes/value_currency": "the currency of the value",
    "/data/attributes/unique_id": "the same for the same thing that happened: Klaviyo counts it once",
    "/data/attributes/time": "when it happened",
    "/data/attributes/metric/data/attributes/name": "the source's name of the event, or yours",
    f"{_PROFILE}/email": "who it is, in the one form that Klaviyo compares",
    f"{_PROFILE}/phone_number": "who it is, in E.164 form",
    f"{_PROFILE}/external_id": "who it is: the shop's own id",
}

_KNOWN = Skipped("profile or catalogue", "nothing of it is new: Klaviyo was told all of it before, or something newer")


class Tie(msgspec.Struct, frozen=True):
    """One field of a request: where it stands in the body, where it comes from, and why."""

    target: str
    source: str
    why: str


class ExplainedRequest(msgspec.Struct, frozen=True):
    """``body`` is the exact text that would be sent."""

    what: str
    title: str
    method: str
    path: str
    body: str | None
    ties: tuple[Tie, ...] = ()


class ExplainedMessage(msgspec.Struct, frozen=True, kw_only=True):
    """``outcome`` as a message's state would be; ``reason`` where it would be refused or have to wait."""

    message_id: str
    business_key: str
    title: str
    outcome: str
    body: str
    reason: str | None = None
    lookups: tuple[str, ...] = ()
    requests: tuple[ExplainedRequest, ...] = ()
    skipped: tuple[Skipped, ...] = ()


class Explanation(msgspec.Struct, frozen=True):
    """``messages`` may be empty: a test notification, a handshake. ``refused`` says why a delivery could not be opened."""

    source: str
    store: str
    version: int
    messages: tuple[ExplainedMessage, ...] = ()
    refused: str | None = None


class _Undo(Exception):
    """Carries what was found out of a transaction that is not to be."""

    def __init__(self, planned: list[Planned]) -> None:
        self.planned = planned


class Explainer:
    def __init__(self, tools: Tools, delivery: DeliveryService) -> None:
        self._tools = tools
        self._delivery = delivery

    async def explain(self, configuration: Configuration, received: Received, *, given: LookedUp | None = None) -> Explanation:
        """``given`` answers lookups instead of the source's API."""
        answers = (configuration.source.kind, configuration.store_id, configuration.version)
        try:
            opened = configuration.source.open(received, configuration.settings)
        except Unreadable as error:
            return Explanation(*answers, refused=error.message)
        key = LineKey(configuration.store_id, configuration.source.kind)
        messages = [message_of(key, raw, received.at) for raw in opened]
        return Explanation(*answers, messages=tuple([await self.message(configuration, each, given) for each in messages]))

    async def message(self, configuration: Configuration, message: Message, given: LookedUp | None = None) -> ExplainedMessage:
        message = msgspec.structs.replace(message, explained=True)
        answers = Answers({**(given or {})}, at_once=True)
        known: dict[str, Any] = {"message_id": message.message_id, "business_key": message.business_key}
        known |= {"title": configuration.source.title_of(message), "body": _pretty(message.body)}
        try:
            looked_up, unanswered = await self._look_up(configuration, message, answers)
        except (Later, Refused) as error:
            lookups = tuple(_named(each) for each in _wanted(configuration, message, answers.known))
            state = "waiting" if isinstance(error, Later) else "refused"
            return ExplainedMessage(**known, outcome=state, reason=error.message, lookups=lookups)
        await self._tools.handover.fresh()
        kept = KeptMessage(id=new_id(self._tools.clock.now()), message=message, title="", state=State.WAITING)
        attempt = prepared(self._tools.handover, kept, outcome_of(configuration, message, looked_up))
        outcome, ready = attempt.outcome, attempt.ready
        requests, reason = await self._requests(message, outcome.mapped, ready) if ready else ((), outcome.reason)
        skipped = ready.skipped if ready else outcome.mapped.skipped
        is_known = ready and not requests and not reason and (ready.profiles or ready.catalog)
        return ExplainedMessage(
            **known,
            outcome=State.REFUSED.value if ready and reason else outcome.state.value,
            reason=" ".join(filter(None, [reason, unanswered])) or None,
            lookups=tuple(_named(each) for each in looked_up),
            requests=requests,
            skipped=(*skipped, _KNOWN) if is_known else skipped,
        )

    async def _look_up(self, configuration: Configuration, message: Message, answers: Answers) -> tuple[LookedUp, str | None]:
        """What mapping has to know; where the API does not answer, as if it had no such thing, which is said.

        Raises:
            Later: not even that helps.
            Refused: the connector never has enough.
        """
        unanswered: dict[str, str] = {}
        while True:
            try:
                found = await look_up_all(configuration, message, self._tools.readers, answers)
            except Later as later:
                wanted = configuration.source.lookups(message, answers.known, configuration.settings)
                missing = [each for each in wanted if each not in answers.known]
                if not missing:
                    raise
                answers.known.update(dict.fromkeys(missing))
                unanswered |= {_named(each): later.message for each in missing}
                continue
            if not unanswered:
                return found, None
            return found, f"Explained as if {', '.join(unanswered)} were not there: {next(iter(unanswered.values()))}"

    async def _requests(self, message: Message, mapped: Mapped, ready: Ready) -> tuple[tuple[ExplainedRequest, ...], str | None]:
        leaves = _leaves(message.body)
        found = []
        for index, frozen in enumerate(ready.events):
            if frozen.delivery:
                planned = self._delivery.planned(frozen.delivery)
                found.append(_explained(planned, f"/events/{index}", mapped.fields, leaves))
        try:
            others = await self._put_by_others(message, ready)
        except Rejected as error:
            return tuple(found), told(error.message, error.problems)
        numbers = {Family.PROFILES: iter(range(len(others))), Family.CATALOG: iter(range(len(others)))}
        for planned in others:
            room = "profiles" if planned.family is Family.PROFILES else "catalog"
            found.append(_explained(planned, f"/{room}/{next(numbers[planned.family])}", mapped.fields, leaves))
        return tuple(found), None

    async def _put_by_others(self, message: Message, ready: Ready) -> list[Planned]:
        """What profiles and the catalogue would put into the outbox. Raises Rejected."""
        if not (ready.profiles or ready.catalog):
            return []
        bare = Ready(profiles=ready.profiles, catalog=ready.catalog, history=ready.history)
        first_id = new_id(self._tools.clock.now())

        def work(connection: Connection) -> None:
            self._tools.handover.write(connection, message.store_id, message.kind, [bare])
            raise _Undo(self._delivery.planned_since(connection, message.store_id, first_id))

        while True:
            try:
                await self._tools.database.write(work)
            except _Undo as undone:
                return undone.planned
            except Overtaken:
                continue


def _wanted(configuration: Configuration, message: Message, known: LookedUp) -> Sequence[Lookup]:
    """What would be looked up; nothing where not even that can be said."""
    try:
        return configuration.source.lookups(message, known, configuration.settings)
    except (Later, Refused):
        return ()


def _explained(planned: Planned, at: str, reasons: Sequence[Reason], leaves: Mapping[str, Any]) -> ExplainedRequest:
    body = planned.body.decode() if planned.body is not None else None
    ties: dict[str, Tie] = {}
    for reason in reasons:
        if reason.target.startswith(at + "/"):
            target = _place(planned.family, reason.target[len(at) + 1 :])
            earlier = ties.get(target)
            source = reason.source or (earlier.source if earlier else "")
            why = "; ".join(filter(None, [earlier.why if earlier else "", reason.why]))
            ties[target] = Tie(target, source, why)
    if body is not None:
        found = paths.leaves(json.loads(body))
        ties = {target: tie for target, tie in ties.items() if _holds(found, target)}
        for pointer, value in found.items():
            if not any(pointer == known or pointer.startswith(f"{known}/") for known in ties):
                ties[pointer] = Tie(pointer, *_otherwise(pointer, value, leaves))
    return ExplainedRequest(planned.family.value, planned.title, planned.method, planned.path, body, tuple(ties.values()))


def _holds(leaves: Mapping[str, Any], target: str) -> bool:
    """Whether the body has something there: a reason for what is not sent explains nothing."""
    return target in leaves or any(pointer.startswith(f"{target}/") for pointer in leaves)


def _place(family: Family, field: str) -> str:
    """Where a field of what was mapped stands in the body of its request."""
    if family is not Family.EVENTS:
        name, _, rest = field.partition("/")
        return f"/data/attributes/{rest}" if name in ("attributes", "person") else f"/data/attributes/{field}"
    if field in _EVENT_PLACES:
        return _EVENT_PLACES[field]
    name, _, rest = field.partition("/")
    return f"{_PROFILE}/{rest}" if name in ("person", "profile") else f"/data/attributes/{field}"


def _otherwise(pointer: str, value: Any, leaves: Mapping[str, Any]) -> tuple[str, str]:
    """What is true of a field for which the source gave no reason; no place of the message is claimed without saying why."""
    if pointer.endswith("/type") and value in _TYPES:
        return "", "the form of Klaviyo's request"
    if pointer in _ALWAYS:
        return "", _ALWAYS[pointer]
    if not isinstance(value, bool) and value not in (None, "", 0, 1):
        places = [place for place, known in leaves.items() if known == value]
        if len(places) == 1:
            return places[0], "this value stands nowhere else in the message; the source names no place itself"
    return "", "set by the source's mapping, or looked up"


def _leaves(body: bytes) -> Mapping[str, Any]:
    try:
        document = json.loads(body)
        return paths.leaves(document) if isinstance(document, dict) else {}
    except (ValueError, RecursionError):
        return {}


def _pretty(body: bytes) -> str:
    return body.decode(errors="replace")


def _named(lookup: Lookup) -> str:
    return f"{lookup.what}/{lookup.key}"
