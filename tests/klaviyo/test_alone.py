"""The client stands alone: it can be lifted out of the house, and its guide tells the truth."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import ferrata.klaviyo as package
from ferrata.klaviyo import Kind
from ferrata.klaviyo.errors import ERROR_OF_KIND

FOLDER = Path(package.__file__).parent


class TestTheClient:
    def test_works_under_another_name_without_the_house(self, tmp_path: Path) -> None:
        shutil.copytree(FOLDER, tmp_path / "lifted_out", ignore=shutil.ignore_patterns("__pycache__"))
        check = (
            "import sys, lifted_out, lifted_out.resources, lifted_out.oauth, lifted_out.filters\n"
            "assert lifted_out.find_operation('POST /api/events') is not None\n"
            "assert not [name for name in sys.modules if name.split('.')[0] in ('ferrata', 'sqlalchemy', 'fastapi')]\n"
        )
        subprocess.run([sys.executable, "-c", check], cwd=tmp_path, check=True, timeout=60)

    def test_guide_names_every_kind_with_its_error_and_recovery(self) -> None:
        rows = re.findall(r"^\| `(\w+)` \| `(\w+)` \| ([a-z ]+) \|", (FOLDER / "README.md").read_text(), re.MULTILINE)
        told = {kind: (error, recovery.replace(" ", "_")) for kind, error, recovery in rows}
        assert told == {kind.value: (error.__name__, error.recovery.value) for kind, error in ERROR_OF_KIND.items()}
        assert f"| `{Kind.ACCEPTED.value}` |" in (FOLDER / "README.md").read_text()

    def test_guide_names_every_file(self) -> None:
        guide = (FOLDER / "README.md").read_text()
        files = {path.name for path in FOLDER.glob("*.py")} - {"__init__.py"}
        assert {name for name in files if f"`{name}`" not in guide} == set()
