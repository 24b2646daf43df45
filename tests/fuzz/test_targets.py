"""Each target for a moment, what once broke one, and the table of all parsers."""

import ast

import pytest

from tests.fuzz.parsers import CALLS, OURS, targets
from tests.house.tree import ROOT, files

TARGETS = targets()


@pytest.mark.parametrize("name", TARGETS)
def test_holds(name: str) -> None:
    TARGETS[name].try_what_broke()
    TARGETS[name].try_some()


def _parsers() -> set[str]:
    """The modules that take something apart, by what they call."""
    found = set()
    for path in files(".py", below="src/ferrata"):
        names = {ast.unparse(node.func) for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)}
        if any(name.endswith(call) for name in names for call in CALLS):
            found.add(".".join(path.relative_to(ROOT / "src/ferrata").with_suffix("").parts))
    return found


class TestTheTable:
    def test_has_a_target_or_a_reason_for_every_module_that_takes_something_apart(self) -> None:
        driven = {module for target in TARGETS.values() for module in target.reads}
        assert _parsers() - driven - OURS.keys() == set()

    def test_names_modules_that_exist(self) -> None:
        named = {module for target in TARGETS.values() for module in target.reads} | OURS.keys()
        assert {module for module in named if not (ROOT / "src/ferrata" / (module.replace(".", "/") + ".py")).exists()} == set()

    def test_gives_no_reason_where_there_is_a_target(self) -> None:
        driven = {module for target in TARGETS.values() for module in target.reads}
        assert OURS.keys() & driven == set()
