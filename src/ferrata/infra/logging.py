"""Logs: one line for each record, JSON or text, for our own events and for what libraries say, with nothing secret in them."""

import json
import logging
import re
import sys
from collections.abc import Callable, MutableMapping
from typing import Any, TextIO

import structlog
from structlog.typing import Processor

from ferrata.infra.log_floods import MOST_EACH_MINUTE, Floods
from ferrata.infra.log_masking import mask_record

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
# They write whole addresses, or a line for each step, below warning.
_TALKATIVE = ("httpx2", "httpcore2", "httpx", "httpcore", "urllib3", "uvicorn.access", "alembic")


def configure_logging(
    level: str,
    style: str,
    monotonic: Callable[[], float],
    *,
    stream: TextIO | None = None,
    most_each_minute: int = MOST_EACH_MINUTE,
) -> None:
    """Send every record of this process, structlog's and the standard library's, to ``stream`` (default: standard error).

    ``level``: debug, info, warning, error. ``style``: json, text, or auto (text on a terminal).
    """
    stream = stream or sys.stderr
    as_text = style == "text" or (style == "auto" and stream.isatty())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                mask_record,
                _text_line if as_text else _json_line,
            ],
        )
    )
    handler.addFilter(_flood_filter(Floods(monotonic, most_each_minute)))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)


def _flood_filter(floods: Floods) -> Callable[[logging.LogRecord], bool]:
    """Drops before anything is rendered, so that a flood costs next to nothing."""

    def keeps(record: logging.LogRecord) -> bool:
        event = record.msg if isinstance(record.msg, dict) else {"event": f"{record.name}: {record.msg}"}
        try:
            floods(None, record.levelname.lower(), event)
        except structlog.DropEvent:
            return False
        return True

    return keeps


def _json_line(_logger: object, _method: str, record: MutableMapping[str, Any]) -> str:
    return json.dumps(record, default=str)


def _text_line(_logger: object, _method: str, record: MutableMapping[str, Any]) -> str:
    """``09:14:02 warning  connections.key_refused store=default``, with everything that could forge a line escaped."""
    at = str(record.pop("timestamp", ""))[11:19]
    level, event = record.pop("level", ""), record.pop("event", "")
    record.pop("logger", None)
    fields = " ".join(f"{name}={_word(value)}" for name, value in record.items())
    return f"{at} {level:<8} {_escaped(str(event))} {fields}".rstrip()


def _word(value: Any) -> str:
    text = _escaped(value if isinstance(value, str) else json.dumps(value, default=str))
    return json.dumps(text, ensure_ascii=False) if " " in text or '"' in text or not text else text


def _escaped(text: str) -> str:
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)
