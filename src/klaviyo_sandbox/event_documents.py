"""Events as they arrive: what is required, what is too big, and where each fault lies.

The OpenAPI description carries none of these limits in its schemas; the figures are those of its prose and of Klaviyo's
guides. A document is read to its end, so one answer names everything that is wrong with it.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from klaviyo_sandbox.bodies import Document, is_object, missing, typed, unknown_members
from klaviyo_sandbox.currencies import CURRENCIES
from klaviyo_sandbox.errors import Problem

MAX_PROPERTIES: Final = 400
MAX_METRIC_NAME: Final = 127
MAX_UNIQUE_ID: Final = 255
EARLIEST_YEAR: Final = 1990
LATEST_AHEAD_SECONDS: Final = 365 * 86_400
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?", re.IGNORECASE)
_FIELDS = frozenset({"properties", "time", "value", "value_currency", "unique_id", "metric", "backfill"})


@dataclass(slots=True)
class EventWrite:
    """An event that was understood. `properties` is JSON; `timestamp` is cut to the second, as Klaviyo does."""

    metric: str = ""
    timestamp: int = 0
    unique_id: str | None = None
    value: int | float | None = None
    value_currency: str | None = None
    backfill: bool = False
    properties: bytes = b"{}"


class EventReader:
    """Reads the events of one request: `now` is the default time, `max_string` the size of a string in bytes."""

    def __init__(self, now: float, max_string: int) -> None:
        self._now = now
        self._max_string = max_string
        self.problems: list[Problem] = []

    def read(self, document: object, pointer: str, *, backfill: bool = False, extra: frozenset[str] = frozenset()) -> EventWrite:
        """One event resource at `pointer`; what is wrong goes to `problems`. `extra` attributes are read by the caller."""
        event = EventWrite(backfill=backfill)
        if not is_object(document):
            self._refuse("An event must be an object.", pointer)
            return event
        self._check_envelope(document, pointer)
        attributes = document.get("attributes")
        if not is_object(attributes):
            self.problems.append(missing("attributes", "event", pointer))
            return event
        at = f"{pointer}/attributes"
        if not attributes.keys() <= _FIELDS:
            self.problems += unknown_members(attributes, _FIELDS | extra, "event", at)
        event.metric = self._metric(attributes.get("metric"), f"{at}/metric")
        event.properties = self._properties(attributes, at)
        event.timestamp = self._timestamp(attributes.get("time"), at)
        event.unique_id = self._unique_id(attributes.get("unique_id"), at)
        self._value(event, attributes, at)
        if attributes.get("backfill") is not None:
            event.backfill = attributes["backfill"] is True
            self.problems += typed(attributes, "backfill", at, lambda value: isinstance(value, bool), "a boolean")
        return event

    def _refuse(self, detail: str, pointer: str) -> None:
        self.problems.append(Problem(detail, pointer))

    def _check_envelope(self, document: Document, pointer: str) -> None:
        if document.keys() != {"type", "attributes"}:
            self.problems += unknown_members(document, {"type", "id", "attributes", "links"}, "request-data", pointer)
        if "type" not in document:
            self.problems.append(missing("type", "request-data", pointer))
        elif document["type"] != "event":
            self._refuse("Invalid type. The type of this resource must be 'event'.", f"{pointer}/type")

    def _metric(self, metric: object, pointer: str) -> str:
        if metric is None:
            self._refuse("'metric' is a required field for the resource 'event'.", pointer)
            return ""
        data = metric.get("data") if is_object(metric) else None
        attributes = data.get("attributes") if is_object(data) else None
        if not is_object(data) or not is_object(attributes):
            self._refuse("'metric' must hold a resource of type 'metric' with attributes.", f"{pointer}/data")
            return ""
        if data.get("type") != "metric":
            self._refuse("Invalid type. The type of this resource must be 'metric'.", f"{pointer}/data/type")
        at = f"{pointer}/data/attributes"
        self.problems += typed(attributes, "service", at, lambda value: isinstance(value, str), "a string")
        name = attributes.get("name")
        if not isinstance(name, str) or not name.strip():
            self._refuse("'name' is a required field for the resource 'metric'.", f"{at}/name")
            return ""
        if len(name) > MAX_METRIC_NAME:
            self._refuse(f"A metric name must have fewer than {MAX_METRIC_NAME + 1} characters.", f"{at}/name")
        return name

    def _properties(self, attributes: Document, pointer: str) -> bytes:
        properties = attributes.get("properties")
        at = f"{pointer}/properties"
        if properties is None:
            self.problems.append(missing("properties", "event", pointer))
            return b"{}"
        if not is_object(properties):
            self._refuse("'properties' must be an object.", at)
            return b"{}"
        if len(properties) > MAX_PROPERTIES:
            self._refuse(f"An event can have at most {MAX_PROPERTIES} properties, got {len(properties)}.", at)
        text = msgspec.json.encode(properties)
        if len(text) > self._max_string:  # otherwise no string in it can be too long
            self._check_strings(properties, at)
        return text

    def _check_strings(self, value: Any, pointer: str) -> None:
        if isinstance(value, str):
            if len(value.encode()) > self._max_string:
                self._refuse(f"A string can have at most {self._max_string} bytes.", pointer)
        elif isinstance(value, dict):
            for name, entry in value.items():
                self._check_strings(entry, f"{pointer}/{name[:100].replace('~', '~0').replace('/', '~1')}")
        elif isinstance(value, list):
            for index, entry in enumerate(value):
                self._check_strings(entry, f"{pointer}/{index}")

    def _timestamp(self, text: object, pointer: str) -> int:
        if text is None:
            return int(self._now)
        at = f"{pointer}/time"
        moment = parse_moment(text) if isinstance(text, str) else None
        if moment is None:
            self._refuse("'time' must be an ISO 8601 date and time, such as 2026-01-31T12:00:00Z.", at)
            return 0
        timestamp = int(moment.timestamp() // 1)
        if moment.year < EARLIEST_YEAR:
            self._refuse(f"'time' must not lie before the year {EARLIEST_YEAR}.", at)
        elif timestamp > self._now + LATEST_AHEAD_SECONDS:
            self._refuse("'time' must not lie more than one year in the future.", at)
        return timestamp

    def _unique_id(self, unique_id: object, pointer: str) -> str | None:
        if unique_id is None:
            return None
        if not isinstance(unique_id, str) or not 0 < len(unique_id) <= MAX_UNIQUE_ID:
            self._refuse(f"'unique_id' must be a string of 1 to {MAX_UNIQUE_ID} characters.", f"{pointer}/unique_id")
            return None
        return unique_id

    def _value(self, event: EventWrite, attributes: Document, pointer: str) -> None:
        value, currency = attributes.get("value"), attributes.get("value_currency")
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            self._refuse("'value' must be a number.", f"{pointer}/value")
        elif value is not None:
            event.value = value if isinstance(value, float) or abs(value) < 2**63 else float(value)
        if currency is not None and (not isinstance(currency, str) or currency not in CURRENCIES):
            self._refuse("'value_currency' must be an ISO 4217 currency code.", f"{pointer}/value_currency")
        elif currency is not None:
            event.value_currency = currency


def parse_moment(text: str) -> datetime | None:
    """A date with a time; without offset it is UTC (practice of Klaviyo's own plugins). None when it is anything else."""
    if _MOMENT.fullmatch(text) is None:
        return None
    try:
        moment = datetime.fromisoformat(text.upper())
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
