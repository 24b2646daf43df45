"""Events as shops send and import them, and what is written of them."""

import csv
import gzip
import io
import json
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from ferrata.events import currencies, export, limits
from ferrata.events.freezing import freeze
from ferrata.events.importing.progress import Progress
from ferrata.events.importing.rows import Row, Unusable, opened, read_rows
from ferrata.events.json_text import same_json
from ferrata.events.listing import amount
from ferrata.events.moments import UnfitTime, read_time, write_time
from ferrata.events.quick import read_plain, read_plain_bulk
from ferrata.events.schemas import Incoming, Refusal
from ferrata.events.validation import event_from_fields, read_bulk, read_event
from ferrata.infra.errors import Rejected
from ferrata.kit.contacts import normal_email, normal_phone
from ferrata.profiles.schemas import ProfileAttributes
from tests.conftest import START
from tests.events.test_quick import PLAIN, closely
from tests.fuzz.inputs import TEXT, bodies, tampered, written
from tests.fuzz.target import target

_BULK = {"events": [PLAIN, {"eventName": "Viewed", "phone": "+4915112345678", "value": "1"}, {"eventName": "x", "time": 5}]}
ROWS = [
    written(PLAIN) + b"\n",
    b'{"eventName":"A","email":"a@shop.example.com"}\n',
    b"\n",
    b"not json\n",
    b'{"eventName":"B","a":[1,{"b":2}]}',
]
CSV = (
    b'eventName,email,value,profile.tier,"Or der",eventAttributes\r\n'
    b'Placed Order,a@shop.example.com,19.90,3,"a,b","{""x"":1}"\r\n'
    b'Viewed,,,,,\r\n\r\nshort,row\r\nB,b@shop.example.com,007,true,"open\r\nline",[]\r\n'
)


def _is_whole(event: Incoming) -> None:
    """What was taken can be frozen, and is JSON that means what was written."""
    frozen = freeze(event, "default", "0193-1", "api", START, decide=lambda *_: None)
    if frozen.delivery:
        json.loads(frozen.delivery.subject_json)
        profile = json.loads(frozen.delivery.profile_json)["attributes"]
        assert {"email", "phone_number", "external_id", "anonymous_id", "_kx"} & profile.keys()
    assert event.currency is None or event.currency in currencies.CURRENCIES
    for text in (event.attributes, event.profile_attributes):
        assert text is None or isinstance(json.loads(text), dict)
        assert same_json(text, text)
    about = ProfileAttributes.from_json(event.profile.to_json())
    assert about.merged_with(event.profile).to_json() == event.profile.to_json()
    assert event.occurred_at is None or event.occurred_at.year >= limits.EARLIEST_YEAR


_EVENTS = ("events.validation", "events.quick", "events.fields", "events.json_text", "events.freezing", "profiles.attributes")


@target(*_EVENTS, inputs=bodies(PLAIN, {"eventName": "A"}))
def event(body: bytes) -> None:
    quick, close = read_plain(body, START), closely(body)
    assert quick is None or quick == close
    if close is not None:
        assert read_plain_bulk(b'{"events":[' + body + b"]}", START) in (None, [close])
    try:
        read = read_event(body, START)
    except Rejected as refused:
        assert refused.problems
        assert len(refused.problems) <= limits.PROBLEMS_TOLD
        assert read_plain(body, START) is None
        return
    assert read == read_event(body, START)
    _is_whole(read)


@target("events.validation", inputs=bodies(_BULK, {"events": []}))
def bulk(body: bytes) -> None:
    try:
        read = read_bulk(body, START)
    except Rejected:
        return
    assert len(read) <= limits.BULK_EVENTS
    for each in read:
        if isinstance(each, Refusal):
            assert each.problems
        else:
            _is_whole(each)


def _may_be_sent(rows: list[Row]) -> None:
    for row in rows:
        assert (row.fields is None) == (row.problem is not None)
        if row.fields is not None:
            try:
                _is_whole(event_from_fields(row.fields, START))
            except Rejected as refused:
                assert refused.problems
    assert len({row.event_id for row in rows}) == len(rows)


def _rows(data: bytes, name: str) -> list[Row]:
    try:
        return [*read_rows(io.BytesIO(data), Path(name), {"Or der": "OrderId"})]
    except Unusable:
        return []


@target("events.importing.rows", inputs=st.lists(tampered(*ROWS), max_size=5).map(b"".join))
def import_of_json_lines(data: bytes) -> None:
    rows = _rows(data, "a.ndjson")
    assert rows == _rows(data, "a.ndjson")
    _may_be_sent(rows)


@target(
    "events.importing.cells",
    inputs=tampered(CSV, CSV.replace(b",", b";"), CSV.replace(b",", b"\t")),
    once_broke=(
        b'eventName,eventAttributes\nA,"' + b'{""a"":' + b"[" * 100_000 + b"]" * 100_000 + b'}"\n',
        b"eventName,\x80profile.tier\nA,1\n",
    ),
)
def import_of_csv(data: bytes) -> None:
    rows = _rows(data, "a.csv")
    assert rows == _rows(data, "a.csv")
    _may_be_sent(rows)


@target(
    "events.importing.rows",
    inputs=tampered(gzip.compress(b"".join(ROWS * 20), mtime=0), gzip.compress(b"", mtime=0)),
    once_broke=(gzip.compress(b"".join(ROWS), mtime=0)[:10] + b"\xff" * 20,),
)
def import_of_gzip(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.ndjson.gz")
        path.write_bytes(data)
        try:
            with opened(path) as (file, position):
                list(read_rows(file, path, {}))
                assert position() <= len(data)
        except Unusable:
            return


_KEPT = {"target": "here", "tally": {"rows": 3, "accepted": 2, "repeated": 0, "refused": 1, "report_bytes": 4}}


@target(
    "events.importing.progress",
    inputs=bodies(_KEPT),
    once_broke=(b'{"target":"here","tally":{"rows":"3"}}', b'{"target":"here","tally":{"report_bytes":-1}}', b"[" * 100_000),
)
def progress_of_an_import(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "a.csv")
        Path(folder, "a.csv.import-progress.json").write_bytes(data)
        progress = Progress(file, "here")
        after = progress.tally.plus(rows=1, accepted=1)
        assert after.rows > 0
        progress.save(after)
        progress.close(finished=True)


@target("events.moments", inputs=TEXT)
def time_of_an_event(text: str) -> None:
    try:
        instant = read_time(text, START)
    except UnfitTime:
        return
    assert instant.tzinfo is UTC
    assert datetime(2000, 1, 1, tzinfo=UTC) <= instant <= START + timedelta(days=366)
    assert read_time(write_time(instant), START) == instant


@target("kit.contacts", inputs=TEXT)
def contact(text: str) -> None:
    for normal in (normal_email, normal_phone):
        found = normal(text)
        assert found is None or (normal(found) == found and len(found) <= 100)


_CELLS = st.dictionaries(st.sampled_from(export.COLUMNS), st.one_of(st.none(), st.booleans(), TEXT), max_size=6)


@target("events.export", inputs=_CELLS)
def export_of_events(cells: dict[str, Any]) -> None:
    answer = dict.fromkeys(export.COLUMNS) | cells
    try:
        text = export.FORMATS["csv"].lines([answer]).decode()
        lines = export.FORMATS["ndjson"].lines([answer])
    except UnicodeEncodeError:  # half a surrogate pair, which no event can hold
        return
    [row] = csv.reader(io.StringIO(text, newline=""))
    assert len(row) == len(export.COLUMNS)
    assert not [cell for cell in row if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
    assert lines.count(b"\n") == 1


@target("events.listing", "ui.figures", inputs=st.tuples(TEXT, st.sampled_from([None, "EUR", "JPY"])))
def amount_on_a_page(given: tuple[str, str | None]) -> None:
    body = written({"eventName": "A"})[:-1] + b',"value":' + given[0].encode("utf-8", "surrogatepass") + b"}"
    try:
        read = read_event(body, START)
    except Rejected:
        return
    frozen = freeze(read, "default", "0193-1", "api", START, decide=lambda *_: None)
    assert len(amount(frozen.event, given[1] or "USD")) < 60
