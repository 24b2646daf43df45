"""Power cuts: the data lies on an ext4 image of its own, which is photographed while everybody is suspended.

What the file system has not synced by then is not in the photograph: just what a power cut would leave.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SIZE = 96_000_000


def power_can_be_cut(folder: Path) -> str | None:
    """Why it can't be done here; None if it can."""
    if os.geteuid() != 0:
        return "only root may mount an image"
    if shutil.which("mkfs.ext4") is None:
        return "mkfs.ext4 is not installed"
    try:
        with disk(folder, "probe"):
            return None
    except subprocess.CalledProcessError as error:
        return f"an image cannot be mounted here: {error.stderr[:200]!r}"


def _run(*command: str | Path) -> None:
    subprocess.run(command, check=True, capture_output=True)


@contextmanager
def mounted(image: Path, point: Path) -> Iterator[Path]:
    point.mkdir(exist_ok=True)
    _run("mount", "-o", "loop", image, point)
    try:
        yield point
    finally:
        _run("umount", point)


@contextmanager
def disk(folder: Path, name: str) -> Iterator[tuple[Path, Path]]:
    """A new image and where it is mounted."""
    image = folder / f"{name}.img"
    with image.open("wb") as file:
        file.truncate(SIZE)
    _run("mkfs.ext4", "-q", "-F", image)
    with mounted(image, folder / name) as point:
        yield image, point


def photograph(image: Path, copy: Path) -> None:
    shutil.copyfile(image, copy)
