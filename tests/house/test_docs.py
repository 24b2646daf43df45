"""The documentation against what it speaks of: links, commands, routes, settings, tests."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from cyclopts import App

from ferrata.entry.cli import app as command_line
from ferrata.infra.settings import Settings
from tests.house.tree import ROOT, files, named

PAGES = files(".md")
HANDWRITTEN = [page for page in PAGES if "/reference/" not in named(page)]
LINK = re.compile(r"(?<!\!)\[[^\]]+\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
FENCE = re.compile(r"^( *)```.*?^\1```", re.MULTILINE | re.DOTALL)
RELIABILITY = ROOT / "docs/reliability.md"
SECURITY = ROOT / "docs/operate/security.md"


def anchors(page: Path) -> set[str]:
    titles = HEADING.findall(FENCE.sub("", page.read_text()))
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


class TestALink:
    @pytest.mark.parametrize("page", PAGES, ids=named)
    def test_leads_somewhere(self, page: Path) -> None:
        dead = []
        for target in LINK.findall(FENCE.sub("", page.read_text())):
            if target.startswith(("http://", "https://", "mailto:")):
                continue
            path, _, anchor = target.partition("#")
            file = (page.parent / path).resolve() if path else page
            if not file.exists() or (anchor and file.suffix == ".md" and anchor not in anchors(file)):
                dead.append(target)
        assert dead == []

    def test_leads_from_the_index_to_every_page(self) -> None:
        reached: set[Path] = set()
        ahead = [ROOT / "README.md", ROOT / "docs/index.md"]
        while ahead:
            page = ahead.pop()
            if page in reached or page.suffix != ".md" or not page.is_file():
                continue
            reached.add(page)
            ahead += [(page.parent / target.partition("#")[0]).resolve() for target in LINK.findall(page.read_text())]
        below_docs = {page for page in PAGES if named(page).startswith("docs/") and "/decisions/" not in named(page)}
        assert {named(page) for page in below_docs - reached} == set()


def _commands(words: str) -> Iterator[tuple[Path, str]]:
    """Every command of the documentation that begins with these words, in a code span or block."""
    for page in HANDWRITTEN:
        text = page.read_text()
        code = [*re.findall(r"`([^`\n]+)`", text), *"\n".join(FENCE_BODY.findall(text)).splitlines()]
        for line in code:
            for found in re.finditer(rf"(?:^|[\s(]|bin/){re.escape(words)} ([^|)#]*)", line):
                yield page, found[1].strip()


FENCE_BODY = re.compile(r"^ *```\w*\n(.*?)^ *```", re.MULTILINE | re.DOTALL)


class TestACommand:
    def test_of_dev_py_exists(self) -> None:
        known = set(re.findall(r'case \["(\w+)"', (ROOT / "dev.py").read_text()))
        asked = {(named(page), rest.split()[0]) for page, rest in _commands("dev.py") if rest}
        assert asked, "the documentation names no command of dev.py"
        assert {pair for pair in asked if pair[1] not in known} == set()

    def test_of_ferrata_exists_with_its_options(self) -> None:
        unknown = {f"{named(page)}: ferrata {rest}" for page, rest in _commands("ferrata") if rest and not _exists(rest)}
        assert unknown == set()


def _exists(rest: str) -> bool:
    """Whether there is such a command, with the options that are shown."""
    words = re.sub(r"[,.;:`\"']+(\s|$)", " ", rest).split()
    command: App = command_line
    taken = []
    for word in words:
        if word.startswith("-") or word not in set(command):
            break
        command = command[word]
        taken.append(word)
    if not taken:
        return not words or not re.match(r"^[a-z-]+$", words[0])  # not a command at all, as in "ferrata = Ferrata(...)"
    left = words[len(taken) :]
    if left and re.match(r"^[a-z][a-z-]+$", left[0]) and not command.default_command:
        return False  # a group of commands, and none of them
    options = [word.partition("=")[0] for word in words if word.startswith("--")]
    page = (ROOT / "docs/reference/cli.md").read_text().partition(f"# ferrata {' '.join(taken)}\n")[2]
    section = re.split(r"^#+ ferrata", page, maxsplit=1, flags=re.MULTILINE)[0]
    return all(re.search(rf"(?<![\w-]){option}(?![\w-])", section) for option in options)


def test_every_variable_of_the_documentation_is_a_setting() -> None:
    names = {str(name) for field in Settings.model_fields.values() for name in field.validation_alias.choices}  # type: ignore[union-attr]
    names |= {"FERRATA_URL", "FERRATA_TOKEN", "FERRATA_KLAVIYO_OPENAPI"}  # of the import command, and of a test
    pattern = re.compile(r"\b(?:FERRATA|KLAVIYO|DATABASE|DATA_RETENTION)_[A-Z_]+\b")
    sources = [*HANDWRITTEN, ROOT / "compose.yaml", ROOT / "Dockerfile"]
    strange = {f"{named(page)}: {name}" for page in sources for name in pattern.findall(page.read_text()) if name not in names}
    assert {entry for entry in strange if "KLAVIYO_SANDBOX_" not in entry} == set()


class TestReliability:
    ROWS = re.findall(r"^\| ([A-Z])(\d+) \| ([^|]+) \| (.+) \|$", RELIABILITY.read_text(), re.MULTILINE)
    NAMED = re.findall(r"`(tests/[\w/]+\.py)((?:::\w+)+)`", RELIABILITY.read_text())

    def test_has_every_row_of_the_fault_matrix_once_and_in_order(self) -> None:
        rows = {"A": 22, "B": 38, "C": 19, "D": 8, "E": 13, "G": 12, "H": 8, "I": 11}
        wanted = [(letter, str(number)) for letter, last in rows.items() for number in range(1, last + 1)]
        assert [(letter, number) for letter, number, _, _ in self.ROWS] == wanted

    def test_has_a_test_or_a_reason_in_every_row(self) -> None:
        shown = re.compile(r"(`tests/[\w/]+\.py(::\w+)+` ?)+|Not shown here: .{30,}")
        assert [letter + number for letter, number, _, by in self.ROWS if not shown.fullmatch(by)] == []

    def test_names_tests(self) -> None:
        assert len(self.NAMED) > 30

    @pytest.mark.parametrize(("path", "rest"), NAMED, ids=[path.rpartition("/")[2] + rest for path, rest in NAMED])
    def test_names_a_test_that_exists(self, path: str, rest: str) -> None:
        body = ast.parse((ROOT / path).read_text()).body
        for name in rest.split("::")[1:]:
            found = [node for node in body if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)]
            [node] = [node for node in found if node.name == name]
            body = node.body


class TestSecurity:
    ROWS = re.findall(r"^\| J(\d+) \| ([^|]+) \| (.+) \|$", SECURITY.read_text(), re.MULTILINE)
    NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)((?:::\w+)+)`", SECURITY.read_text())))

    def test_has_every_attack_once_with_a_test_or_a_reason(self) -> None:
        shown = re.compile(r"(`tests/[\w/]+\.py(::\w+)+` ?)+|(Not shown here|Does not apply): .{30,}")
        assert [int(number) for number, _, _ in self.ROWS] == [*range(1, 51)]
        assert [number for number, _, by in self.ROWS if not shown.fullmatch(by)] == []

    @pytest.mark.parametrize(("path", "rest"), NAMED, ids=[path.rpartition("/")[2] + rest for path, rest in NAMED])
    def test_names_a_test_that_exists(self, path: str, rest: str) -> None:
        TestReliability().test_names_a_test_that_exists(path, rest)
