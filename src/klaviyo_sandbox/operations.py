"""The table of all stable operations: which path and method, which rate windows, which scopes (`operations.tsv`)."""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from urllib.parse import unquote


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation as Klaviyo's OpenAPI description states it. Quotas are requests per window."""

    id: str
    method: str
    path: str
    burst: int
    steady: int
    daily: int | None
    scopes: frozenset[str]


@dataclass(frozen=True, slots=True)
class Match:
    """What a path and method lead to; `operation` is None when only other methods (`allowed`) exist there."""

    operation: Operation | None
    path: dict[str, str]
    allowed: tuple[str, ...]


class Operations:
    """Finds operations by id and by request line. Paths match with and without a trailing slash."""

    def __init__(self, operations: list[Operation]) -> None:
        self.by_id = {operation.id: operation for operation in operations}
        self._fixed: dict[str, dict[str, Operation]] = {}
        self._templates: dict[int, list[tuple[list[str], dict[str, Operation]]]] = {}
        for operation in operations:
            self._methods_of(operation.path)[operation.method] = operation

    def _methods_of(self, path: str) -> dict[str, Operation]:
        if "{" not in path:
            return self._fixed.setdefault(path, {})
        segments = path.split("/")
        known = self._templates.setdefault(len(segments), [])
        for template, methods in known:
            if _shape(template) == _shape(segments):
                return methods
        known.append((segments, {}))
        return known[-1][1]

    def match(self, method: str, raw_path: str) -> Match | None:
        """Look up a percent-encoded path; None when no operation lives there."""
        path = raw_path.rstrip("/")
        methods = self._fixed.get(path)
        if methods is not None:
            return Match(methods.get(method), {}, tuple(methods))
        segments = path.split("/")
        for template, candidates in self._templates.get(len(segments), ()):
            if all(want == have or (want[:1] == "{" and have) for want, have in zip(template, segments, strict=True)):
                operation = candidates.get(method)
                names = operation.path.split("/") if operation else template
                values = {n[1:-1]: unquote(v) for n, v in zip(names, segments, strict=True) if n[:1] == "{"}
                return Match(operation, values, tuple(candidates))
        return None


def _shape(segments: list[str]) -> list[str]:
    return ["{}" if segment[:1] == "{" else segment for segment in segments]


@cache
def load() -> Operations:
    """Read the data file once per process."""
    text = files("klaviyo_sandbox").joinpath("operations.tsv").read_text("utf-8")
    rows = (line.split("\t") for line in text.splitlines() if line and not line.startswith("#"))
    return Operations([_operation(row) for row in rows])


def _operation(row: list[str]) -> Operation:
    id_, method, path, burst, steady, daily, scopes = row
    wanted = frozenset(() if scopes == "-" else scopes.split())
    return Operation(id_, method, path, int(burst), int(steady), None if daily == "-" else int(daily), wanted)
