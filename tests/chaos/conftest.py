"""What the hostile tests share."""

from pathlib import Path

import pytest

from tests.chaos import power, tracing


@pytest.fixture
def strace(tmp_path: Path) -> None:
    folder = tmp_path / "strace-probe"
    folder.mkdir()
    if reason := tracing.strace_works(folder):
        pytest.skip(reason)


@pytest.fixture
def power_cuts(tmp_path: Path) -> None:
    folder = tmp_path / "power-probe"
    folder.mkdir()
    if reason := power.power_can_be_cut(folder):
        pytest.skip(reason)


@pytest.fixture
def strace_attaches(tmp_path: Path) -> None:
    folder = tmp_path / "attach-probe"
    folder.mkdir()
    if reason := tracing.strace_attaches(folder):
        pytest.skip(reason)
