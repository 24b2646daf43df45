"""Sizes, names and imports: what keeps the house one."""

import ast
import re
import subprocess
import sys
from pathlib import Path
from statistics import median

import grimp

from tests.house.tree import ROOT, files, named

SOURCE = files(".py", below="src")
LONGEST_FILE, MEDIAN_FILE = 400, 150
VAGUE = re.compile(r"(Manager|Handler|Helper|Processor|Util)s?$")
VAGUE_MODULE = re.compile(r"(manager|handler|helper|processor|util)s?(_|$)|_(manager|handler|helper|processor|util)s?$")
QUIET = re.compile(r"#\s*(?:noqa|type:\s*ignore)(?::\s*[A-Z0-9, ]+\d|\[[a-z, -]+\])?(?P<rest>.*)$")
REASON = re.compile(r"\s*(?:- |# |\()\S+ \S")
SHARED = {"service", "schemas", "errors"}
GUARD = "ferrata.access.http"  # every room's routes declare their rights with it
ROOMS = "access alerts audit carts catalog connections dashboard delivery demo events health profiles"
ROOMS += " readthrough retention sources"


def lines(path: Path) -> int:
    return len(path.read_text().splitlines())


class TestAFile:
    def test_is_short(self) -> None:
        # A migration is as long as what it changes, and nobody edits it again.
        written = [path for path in SOURCE if "/versions/" not in named(path)]
        assert {named(path): lines(path) for path in written if lines(path) > LONGEST_FILE} == {}

    def test_is_short_as_a_rule(self) -> None:
        assert median(lines(path) for path in SOURCE if lines(path)) < MEDIAN_FILE

    def test_says_what_it_is_for(self) -> None:
        silent = [named(path) for path in SOURCE if lines(path) and not ast.get_docstring(ast.parse(path.read_text()))]
        assert [name for name in silent if "/versions/" not in name] == []

    def test_is_named_for_what_it_does(self) -> None:
        assert [named(path) for path in SOURCE if VAGUE_MODULE.search(path.stem)] == []


def test_what_keeps_a_checker_quiet_says_why() -> None:
    written = [*SOURCE, *files(".py", below="bench"), ROOT / "dev.py", ROOT / "hatch_build.py"]
    silent = [
        f"{named(path)}:{number}"
        for path in written
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if (found := QUIET.search(line)) and not REASON.match(found["rest"])
    ]
    assert silent == []


def test_no_class_is_named_for_nothing() -> None:
    vague = []
    for path in SOURCE:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef) and VAGUE.search(node.name):
                vague.append(f"{named(path)}: {node.name}")
    assert vague == []


class TestImports:
    def test_keep_the_floor_plan(self) -> None:
        command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout
        assert "0 broken" in done.stdout

    def test_the_plan_knows_every_room(self) -> None:
        plan = (ROOT / ".importlinter").read_text()
        rooms = [path.parent.name for path in (ROOT / "src/ferrata").glob("*/__init__.py")]
        assert [room for room in rooms if f"ferrata.{room}" not in plan and room != "migrations"] == []

    def test_see_of_another_room_only_what_it_shows(self) -> None:
        graph = grimp.build_graph("ferrata")
        peeking = [
            f"{module} -> {other}"
            for module in graph.modules
            for other in graph.find_modules_directly_imported_by(module)
            if _room(module) in ROOMS.split() and _room(other) in ROOMS.split() and _room(module) != _room(other)
            if other != GUARD and other.split(".")[2:3] != [] and other.split(".")[2] not in SHARED
        ]
        assert peeking == []


def _room(module: str) -> str:
    return [*module.split("."), ""][1]
