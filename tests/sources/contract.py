"""What every source must do, as tests that each inherits.

class TestMine(SourceContract):
    source = MySource()
    settings = {...}

    def deliveries(self) -> list[Received]: ...   # genuine ones, in the order in which they are sent
    def forged(self) -> Received: ...             # one that must not be believed
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import pytest

from ferrata.audit.schemas import SYSTEM
from ferrata.entry.wiring import build
from ferrata.events.schemas import EventFilter
from ferrata.kit.clock import MovedClock
from ferrata.sources import store
from ferrata.sources.contract import LookedUp, Lookup, Mapped, Message, Received, Source, Unverified
from ferrata.sources.paths import leaves
from ferrata.sources.person_fields import PERSON_FIELDS
from ferrata.sources.receiving import message_of
from ferrata.sources.schemas import LineKey, State, Wanted
from tests.conftest import START
from tests.doors import Doors, open_doors, settings

STORE = "default"


class SourceContract:
    """``lookups`` answers what mapping asks the API for, by ``what/key``; None stands for everything that is not there."""

    source: ClassVar[Source]
    settings: ClassVar[Mapping[str, Any]]
    lookups: ClassVar[Mapping[str, Any]] = {}

    def deliveries(self) -> Sequence[Received]:
        raise NotImplementedError

    def forged(self) -> Received:
        raise NotImplementedError

    def messages(self) -> list[Message]:
        valid = self.source.settings_type.model_validate(self.settings)
        line = LineKey(STORE, self.source.kind)
        return [message_of(line, raw, START) for each in self.deliveries() for raw in self.source.open(each, valid)]

    def looked_up(self, message: Message) -> LookedUp:
        valid = self.source.settings_type.model_validate(self.settings)
        found: dict[Lookup, Any] = {}
        for _ in range(8):
            for each in self.source.lookups(message, found, valid):
                found.setdefault(each, self.lookups.get(f"{each.what}/{each.key}"))
        return found

    def mapped(self, message: Message) -> Mapped | str:
        valid = self.source.settings_type.model_validate(self.settings)
        try:
            return self.source.map(message, self.looked_up(message), valid)
        except Exception as error:  # noqa: BLE001 - what cannot be mapped must be so each time, in the same words
            return f"{type(error).__name__}: {error}"

    def keys(self, message: Message) -> list[str]:
        found = self.mapped(message)
        return [event.key for event in found.events] if isinstance(found, Mapped) else []

    @pytest.fixture
    async def doors(self, database_url: str, tmp_path: Path, clock: MovedClock, anyio_backend: str) -> AsyncIterator[Doors]:
        async with open_doors(database_url, tmp_path, clock, sources={self.source.kind: self._offline()}) as opened:
            save = opened.wiring.sources.configurations.save
            await save(STORE, self.source.kind, settings=self.settings, rules=None, enabled=True, actor=SYSTEM)
            yield opened

    def _offline(self) -> Source:
        return _Offline.around(self.source, self.lookups)

    def test_names_itself_and_describes_its_settings(self) -> None:
        assert self.source.kind.isidentifier()
        assert self.source.title
        undescribed = [name for name, field in self.source.settings_type.model_fields.items() if not field.description]
        assert undescribed == []

    def test_declares_what_of_a_person_flows_where(self) -> None:
        assert self.source.flows
        for flow in self.source.flows:
            assert flow.fields
            assert set(flow.personal) <= PERSON_FIELDS.keys(), flow.target

    def test_maps_the_same_message_to_the_same_things(self) -> None:
        for message in self.messages():
            assert self.mapped(message) == self.mapped(message)
            assert self.source.title_of(message)

    def test_opens_the_same_delivery_into_the_same_messages(self) -> None:
        assert [m.message_id for m in self.messages()] == [m.message_id for m in self.messages()]
        assert all(message.message_id and message.business_key for message in self.messages())

    def test_says_of_every_message_what_it_means(self) -> None:
        for message in self.messages():
            found = self.mapped(message)
            if isinstance(found, Mapped):
                assert found.events or found.profiles or found.catalog or found.skipped or found.learned, message.message_id
                keys = [event.key for event in found.events]
                assert len(set(keys)) == len(keys)

    async def test_gives_a_reason_for_every_field_of_what_it_would_send(self, doors: Doors) -> None:
        sources = doors.wiring.sources
        configuration = await sources.configurations.draft(STORE, self.source.kind, self.settings, {})
        given = {Lookup(*name.partition("/")[::2]): answer for name, answer in self.lookups.items()}
        for delivery in self.deliveries():
            explained = await sources.explainer.explain(configuration, delivery, given=given)
            for request in (each for message in explained.messages for each in message.requests):
                ties = {tie.target: tie for tie in request.ties}
                assert all(tie.source or tie.why for tie in ties.values()), request.title
                for pointer in leaves(json.loads(request.body or "{}")):
                    assert any(pointer == target or pointer.startswith(f"{target}/") for target in ties), (request.title, pointer)

    async def test_says_why_a_message_that_it_had_before_comes_to_no_request(self, doors: Doors) -> None:
        sources = doors.wiring.sources
        await _receive(doors, self.source.kind, self.deliveries())
        configuration = await sources.configurations.draft(STORE, self.source.kind, self.settings, {})
        given = {Lookup(*name.partition("/")[::2]): answer for name, answer in self.lookups.items()}
        for delivery in self.deliveries():
            for message in (await sources.explainer.explain(configuration, delivery, given=given)).messages:
                assert message.requests or message.skipped or message.reason, message.title

    async def test_counts_a_redelivery_once(self, doors: Doors) -> None:
        await _receive(doors, self.source.kind, [*self.deliveries(), *self.deliveries()])
        once = await _kept(doors)
        assert len(once) == len(set(once))
        await _receive(doors, self.source.kind, self.deliveries())
        assert await _kept(doors) == once

    async def test_comes_to_the_same_events_in_any_order(self, doors: Doors) -> None:
        deliveries, kind = self.deliveries(), self.source.kind
        orders = [deliveries, deliveries[::-1], [*deliveries[1:], *deliveries[:1]]]
        kept = []
        for index, order in enumerate(orders):
            store_id = f"store-{index}"
            await doors.wiring.connections.registry.create(store_id, store_id, actor=SYSTEM)
            save = doors.wiring.sources.configurations.save
            await save(store_id, kind, settings=self.settings, rules=None, enabled=True, actor=SYSTEM)
            await _receive(doors, kind, order, store_id)
            kept.append(await _kept(doors, store_id))
        assert kept[0]
        assert kept[1:] == kept[:1] * 2

    async def test_refuses_what_is_forged_and_keeps_it_apart(self, doors: Doors) -> None:
        forged = self.forged()
        with pytest.raises(Unverified):
            await doors.wiring.sources.receive(self.source.kind, STORE, forged)
        [stray] = (await doors.wiring.sources.messages(Wanted(store_id=STORE, kind=self.source.kind))).rows
        assert (stray.envelope, stray.state, stray.message.body) == (True, State.REFUSED, forged.body)

    @pytest.mark.timeout(300)
    @pytest.mark.parametrize("point", ["kept", "mapped"])
    def test_loses_and_doubles_nothing_when_it_is_killed(self, tmp_path: Path, point: str) -> None:
        """``kept``: between keeping and acknowledging; ``mapped``: after handing over, before the message is marked."""
        place = [f"{type(self).__module__}:{type(self).__qualname__}", str(tmp_path)]
        killed = subprocess.run([sys.executable, "-m", "tests.sources.contract", point, *place], check=False)
        assert killed.returncode == -signal.SIGKILL
        told = subprocess.run([sys.executable, "-m", "tests.sources.contract", "finish", *place], check=True, capture_output=True)
        ended = msgspec.json.decode(told.stdout.splitlines()[-1])
        assert ended["events"] == sorted({key for message in self.messages() for key in self.keys(message)})
        assert State.WAITING.value not in ended["states"]
        assert len(ended["states"]) == len({message.message_id for message in self.messages()})


class _Offline:
    """A source whose API answers from a dictionary."""

    @staticmethod
    def around(source: Source, answers: Mapping[str, Any]) -> Source:
        class Reader:
            async def look_up(self, lookups: Sequence[Lookup]) -> LookedUp:
                return {each: answers.get(f"{each.what}/{each.key}") for each in lookups}

            async def close(self) -> None: ...

        offline = object.__new__(type("Offline", (type(source),), {"reader": lambda *_: Reader()}))
        offline.__dict__.update(getattr(source, "__dict__", {}))
        return offline


async def _receive(doors: Doors, kind: str, deliveries: Sequence[Received], store_id: str = STORE) -> None:
    for each in deliveries:
        await doors.wiring.sources.receive(kind, store_id, each)
    await doors.wiring.sources.work_off(store_id, kind)


async def _kept(doors: Doors, store_id: str = STORE) -> list[str]:
    page = await doors.wiring.events.explorer.page(store_id, EventFilter(), None, 1000)
    return sorted(standing.event.event_id or "" for standing in page.rows)


async def _victim(point: str, place: str, folder: Path) -> None:
    module, _, name = place.partition(":")
    contract: SourceContract = getattr(import_module(module), name)()
    kind = contract.source.kind
    wiring = build(settings(f"sqlite:///{folder / 'ferrata.db'}", folder), sources={kind: contract._offline()})
    await wiring.start()
    if await wiring.sources.configurations.find(STORE, kind) is None:
        save = wiring.sources.configurations.save
        await save(STORE, kind, settings=contract.settings, rules=None, enabled=True, actor=SYSTEM)
    for each in contract.deliveries():
        await wiring.sources.receive(kind, STORE, each)
        if point == "kept":
            os.kill(os.getpid(), signal.SIGKILL)
    if point == "mapped":
        store.mark = lambda *_: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore[assignment]  # the very moment is the test
    await wiring.sources.work_off(STORE, kind)
    events = (await wiring.events.explorer.page(STORE, EventFilter(), None, 1000)).rows
    states = [kept.state.value for kept in (await wiring.sources.messages(Wanted(store_id=STORE, kind=kind), None, 1000)).rows]
    keys = sorted(standing.event.event_id or "" for standing in events)
    print(msgspec.json.encode({"events": keys, "states": sorted(states)}).decode())
    await wiring.close()


if __name__ == "__main__":
    asyncio.run(_victim(sys.argv[1], sys.argv[2], Path(sys.argv[3])))
