"""What commands print, when what they print about was written by somebody else."""

import pytest

from ferrata.infra.terminal import Terminal

HOSTILE = "\x1b]0;owned\x07\x1b[2J\x1b[31mred\u202etxt [/red] [bold]"


def test_nothing_that_is_printed_moves_the_cursor_or_colours_the_screen(capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal()
    terminal.rows(["id", "name"], [{"id": "1", "name": HOSTILE}], nothing="")
    terminal.answer({"name": HOSTILE}, said=f"The token {HOSTILE} is revoked.\nIt was the last.")
    Terminal(as_json=True).rows(["name"], [{"name": HOSTILE}], nothing="")
    said = capsys.readouterr().out
    assert not {"\x1b", "\x07", "\u202e"} & set(said)
    assert said.count("[/red] [bold]") == 3
    assert "revoked.\nIt was the last." in said
