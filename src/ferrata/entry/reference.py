"""Writes the reference pages out of the code that they describe: ``python -m ferrata.entry.reference [--check]``.

``--check`` writes nothing; it shows what is out of date, and fails if anything is.
"""

import difflib
import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

from pydantic import AliasChoices
from pydantic.fields import FieldInfo

from ferrata.entry.cli import app as command_line
from ferrata.entry.http import create_app
from ferrata.entry.wiring import build
from ferrata.health.metrics import Snapshot, figures
from ferrata.health.schemas import Level, Report
from ferrata.health.service import NOT_ASKED
from ferrata.infra.settings import Settings
from ferrata.infra.telemetry import Telemetry
from ferrata.kit.clock import SystemClock
from ferrata.sources import data_flow
from ferrata.sources.installed import installed

ROOT = Path(__file__).parents[3]
_ENDINGS = {"counter": "_total"}
_GENERATED = "Generated from the code with `python3 dev.py docs`; edit the code instead."


def pages() -> dict[str, str]:
    """Every generated file by its path below the root."""
    return {
        "docs/reference/settings.md": settings_page(),
        "docs/reference/cli.md": commands_page(),
        "docs/reference/metrics.md": metrics_page(),
        "docs/reference/data-flow.md": data_flow.page(installed(), _GENERATED),
        "docs/reference/openapi.json": openapi_document(),
        ".env.example": example_environment(),
    }


def settings_page() -> str:
    rows = [
        f"| {_code(*names[:1])} | {_code(*names[1:])} | {_code(_plain(field.default))} | {_cell(field.description or '')} |"
        for names, field in _settings()
    ]
    return "\n".join(
        [
            "# Settings",
            "",
            _GENERATED,
            "",
            "Each is an environment variable, or a line of a file `.env` in the working directory; the environment wins.",
            "Where two names stand, either works. All faults are told at once, at the start.",
            "",
            "| Name | Also accepted | Default | Meaning |",
            "|---|---|---|---|",
            *rows,
            "",
        ]
    )


def example_environment() -> str:
    lines = ["# Every setting with its default. Copy to .env, and remove the # of what you change.", f"# {_GENERATED}", ""]
    for names, field in _settings():
        default = _plain(field.default)
        lines += [f"# {sentence}" for sentence in _wrapped(field.description or "")]
        lines += [f"#{names[0]}={default}", ""]
    return "\n".join(lines)


def commands_page() -> str:
    with _started_as("ferrata"):
        written = command_line.generate_docs(output_format="markdown")
    head, _, rest = written.partition("\n")
    text = "\n".join(line.rstrip() for line in rest.splitlines()).replace("``", "`")
    return f"{head.replace('ferrata', 'Commands')}\n\n{_GENERATED}\n{text}\n"


@contextmanager
def _started_as(name: str) -> Iterator[None]:
    """The usage lines name the program that runs; here that would be this one."""
    before, sys.argv = sys.argv, [name]
    try:
        yield
    finally:
        sys.argv = before


def metrics_page() -> str:
    clock = SystemClock()
    nothing = Snapshot(clock.now(), {}, Report(Level.HEALTHY, clock.now(), (), NOT_ASKED))
    measured = chain(Telemetry(clock).registry.collect(), figures(nothing))
    rows = [
        f"| `{metric.name}{_ENDINGS.get(metric.type, '')}` | {metric.type} | {_cell(metric.documentation)} |"
        for metric in measured
    ]
    return "\n".join(
        [
            "# Metrics",
            "",
            _GENERATED,
            "",
            "`GET /metrics` gives them in the format of Prometheus; with `FERRATA_METRICS_TOKEN` set it asks for that token.",
            "Figures of stores come from the database and are the same in every process: take their maximum over the",
            "instances, not the sum.",
            "",
            "| Name | Kind | Meaning |",
            "|---|---|---|",
            *sorted(rows),
            "",
        ]
    )


def openapi_document() -> str:
    with tempfile.TemporaryDirectory() as folder:
        # Constructed, not read: neither the environment nor a .env decides what is written here.
        settings = Settings.model_construct(data_dir=Path(folder))
        wiring = build(settings, clock=SystemClock())
        document = create_app(wiring).openapi()
        wiring.database.engine.dispose()
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def main(arguments: list[str]) -> int:
    check = arguments == ["--check"]
    if arguments and not check:
        print("usage: python -m ferrata.entry.reference [--check]", file=sys.stderr)  # noqa: T201 - a command's answer
        return 2
    drifted = False
    for path, text in pages().items():
        file = ROOT / path
        present = file.read_text() if file.exists() else ""
        if present == text:
            continue
        drifted = True
        if check:
            sys.stdout.writelines(_difference(path, present, text))
        else:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
            print(f"wrote {path}")  # noqa: T201 - a command's answer
    if check and drifted:
        print("The reference is out of date. Write it again: python3 dev.py docs", file=sys.stderr)  # noqa: T201 - a command's answer
    return 1 if check and drifted else 0


def _settings() -> Iterator[tuple[list[str], FieldInfo]]:
    """Each setting with its names, our own first."""
    for field in Settings.model_fields.values():
        alias = field.validation_alias
        yield [str(name) for name in alias.choices] if isinstance(alias, AliasChoices) else [str(alias)], field


def _plain(default: Any) -> str:
    if default is None:
        return ""
    return str(default).lower() if isinstance(default, bool) else str(getattr(default, "value", default))


def _code(*words: str) -> str:
    return ", ".join(f"`{word}`" for word in words if word) or "–"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _wrapped(text: str, width: int = 118) -> list[str]:
    lines = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > width:
            lines.append(word)
        else:
            lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def _difference(path: str, present: str, wanted: str) -> Iterator[str]:
    return difflib.unified_diff(present.splitlines(keepends=True), wanted.splitlines(keepends=True), path, f"{path} (generated)")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
