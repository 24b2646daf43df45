"""``ferrata sources``, ``ferrata backfills`` and ``ferrata explain`` as they are installed."""

import json
from pathlib import Path

from tests.pages.test_delivery_commands import Terminal
from tests.sources.stripe import shop as stripe

SECRET = "whsec_0123456789abcdef0123456789abcdef"


async def test_a_source_is_set_up_looked_at_and_explained(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path / "data")
    settings, message = tmp_path / "stripe.json", tmp_path / "message.json"
    settings.write_text(json.dumps({"settings": {"webhook_secret": SECRET}, "mapping": {"off": ["Ordered Product"]}}))
    message.write_text(json.dumps(stripe.event("checkout.session.completed", stripe.session())))
    draft = await terminal.json("explain", str(message), "--source", "stripe", "--settings", str(settings))
    assert draft["version"] == 0
    assert (await terminal.json("sources", "set", "stripe", "--file", str(settings))) == {"version": 1, "enabled": True}
    shown = await terminal.json("sources", "settings", "stripe")
    assert (shown["mapping"], shown["secrets"]) == ({"off": ["Ordered Product"]}, ["webhook_secret"])
    assert SECRET not in json.dumps(shown)
    out, _ = await terminal.run("explain", str(message), "--source", "stripe")
    assert "POST /api/events" in out
    assert "  <-  /data/object/" in out


async def test_faults_are_told_with_an_exit_code(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path / "data")
    wrong = tmp_path / "wrong.json"
    wrong.write_text(json.dumps({"settings": {"webhook_secret": "x", "colour": "red"}, "other": 1}))
    _, err = await terminal.run("sources", "set", "stripe", "--file", str(wrong), exits=1)
    assert "other should not exist" in err
    _, err = await terminal.run("backfills", "start", "stripe", "events", exits=1)
    assert "not set up" in err
