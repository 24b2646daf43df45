"""What the house tests look at: the files that are committed or would be."""

import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def files(*endings: str, below: str = "") -> list[Path]:
    """Every file that git knows or would add, with one of these endings (or any), below a folder."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", below or "."],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\n")
    paths = [ROOT / name for name in listed if name and name.endswith(endings or ("",))]
    return [path for path in paths if path.is_file()]


def text_of(path: Path) -> str:
    """The text of a file; empty for what is no text."""
    try:
        return path.read_text()
    except UnicodeDecodeError:
        return ""


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))
