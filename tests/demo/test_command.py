"""``ferrata demo`` where it must say no, and with a real key."""

import socket
from pathlib import Path

import pytest

from klaviyo_sandbox.sandbox import Sandbox
from klaviyo_sandbox.server import running
from klaviyo_sandbox.tenants import DEFAULT_KEY
from tests.demo.running import demo

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


@pytest.mark.parametrize(
    ("option", "says"), [("--sandbox-port", "Choose another for the sandbox"), ("--port", "Choose another port")]
)
def test_a_taken_port_is_named_with_the_option_to_use(tmp_path: Path, option: str, says: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with pytest.raises(AssertionError) as refused, demo(tmp_path, option, port):
            pass
    assert port in str(refused.value) and says in str(refused.value)


def test_a_second_demo_on_the_same_data_is_refused(tmp_path: Path) -> None:
    with demo(tmp_path) as first:
        with pytest.raises(AssertionError, match="already"), demo(tmp_path):
            pass
        assert first.process.poll() is None


class TestWithARealKey:
    """The sandbox plays the real Klaviyo: the demo must not know the difference, nor send anything of its own."""

    def test_nothing_is_sent_until_the_first_own_event(self, tmp_path: Path) -> None:
        with (
            running(Sandbox()) as klaviyo,
            demo(tmp_path, "--data", "demo-data", KLAVIYO_API_KEY=DEFAULT_KEY, KLAVIYO_BASE_URL=klaviyo.url) as started,
        ):
            assert "YOUR Klaviyo account" in started.said.partition("Send an event")[0]
            assert started.papers["sandbox_url"] is None and started.papers["klaviyo_api_key"] is None
            assert DEFAULT_KEY not in (tmp_path / "demo-data" / "demo.json").read_text() + started.said
            assert started.child_ids() == []
            with started.client() as client:
                [lane] = client.get("/lanes").json()["lanes"]
                assert lane["waiting"] == 0 and klaviyo.sandbox.effects(kind="event_stored") == []
                answer = client.post("/events", json={"eventName": "Own", "email": "me@shop.com"}).json()
            assert answer["sentToKlaviyo"] is True
            assert [effect["metric"] for effect in klaviyo.sandbox.effects(kind="event_stored")] == ["Own"]

    def test_a_refused_key_is_said_at_once(self, tmp_path: Path) -> None:
        with (
            running(Sandbox()) as klaviyo,
            pytest.raises(AssertionError, match="does not accept this key"),
            demo(tmp_path, "--data", "demo-data", KLAVIYO_API_KEY="pk_" + "0" * 34, KLAVIYO_BASE_URL=klaviyo.url),
        ):
            pass
