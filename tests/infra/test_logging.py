"""Logs: one line each, nothing secret, no floods."""

import io
import json
import logging
from collections.abc import Callable, Iterator

import pytest
import structlog

from ferrata.infra.log_masking import mask_text
from ferrata.infra.logging import configure_logging
from ferrata.kit.clock import MovedClock

CANARY = "pk_" + "CANARYcanary0123456789CANARYcanary1"
TOKEN = "frt_CANARY-canary_0123456789"


@pytest.fixture
def written(clock: MovedClock) -> Iterator[Callable[..., list[str]]]:
    """Configures logging to a stream; calling it gives the lines so far."""
    stream = io.StringIO()
    root = logging.getLogger()
    before, level, kept = root.handlers, root.level, structlog.get_config()

    def lines() -> list[str]:
        return stream.getvalue().splitlines()

    def configure(style: str = "json", level_name: str = "debug", most: int = 600) -> Callable[[], list[str]]:
        configure_logging(level_name, style, clock.monotonic, stream=stream, most_each_minute=most)
        return lines

    yield configure
    root.handlers = before
    root.setLevel(level)
    structlog.configure(**kept)


class TestARecord:
    @pytest.mark.parametrize("style", ["json", "text"])
    def test_is_one_line_whatever_is_in_it(self, written: Callable[..., Callable[[], list[str]]], style: str) -> None:
        lines = written(style)
        evil = "a\nb\r\nc\x1b[31m\u2028d\x00\u202ee"
        structlog.get_logger().info("room.thing_happened", name=evil, nested={"a\nb": [evil]})
        logging.getLogger("library").warning("plain %s", evil)
        try:
            raise ValueError(evil)
        except ValueError:
            structlog.get_logger().exception("room.broke")
        assert len(lines()) == 3
        assert not any(character in "".join(lines()) for character in "\r\x1b\u2028\x00\u202e")

    def test_of_a_library_looks_like_one_of_ours(self, written: Callable[..., Callable[[], list[str]]]) -> None:
        lines = written()
        logging.getLogger("library").warning("took %s s", 3)
        record = json.loads(lines()[0])
        assert (record["event"], record["level"], record["logger"]) == ("took 3 s", "warning", "library")
        assert record["timestamp"].endswith("Z")

    def test_below_the_level_is_not_written(self, written: Callable[..., Callable[[], list[str]]]) -> None:
        lines = written(level_name="warning")
        structlog.get_logger().info("room.detail")
        logging.getLogger("httpx2").info("GET https://a.klaviyo.com/?email=a@example.com")
        assert lines() == []


class TestASecret:
    @pytest.mark.parametrize("style", ["json", "text"])
    def test_is_written_by_no_way(self, written: Callable[..., Callable[[], list[str]]], style: str) -> None:
        lines = written(style)
        log = structlog.get_logger()
        log.info(
            "room.tried", key=CANARY, headers={"Authorization": f"Klaviyo-API-Key {CANARY}", "cookie": "ferrata_session=x1y2"}
        )
        log.info(f"said {CANARY} and {TOKEN}", password="granite ledge", token="abc123", nested=[{"private_key": "p q"}])
        log.info("room.url", url="postgresql://app:granite@host/db", header="Bearer abcdefgh12345678")
        logging.getLogger("library").error("failed with %s", CANARY)
        try:
            raise RuntimeError(f"request with {CANARY} failed")
        except RuntimeError:
            log.exception("room.broke")
        text = "\n".join(lines())
        assert len(lines()) == 5
        for secret in (CANARY, CANARY[3:], TOKEN, TOKEN[4:], "granite", "abc123", "p q", "x1y2", "abcdefgh12345678"):
            assert secret not in text

    def test_leaves_names_and_numbers_beside_it(self, written: Callable[..., Callable[[], list[str]]]) -> None:
        lines = written()
        structlog.get_logger().info("room.tried", token_id="0193", attempts=3, token_count=5, api_key=None)
        record = json.loads(lines()[0])
        assert (record["token_id"], record["attempts"], record["token_count"], record["api_key"]) == ("0193", 3, 5, None)


class TestPersonalData:
    @pytest.mark.parametrize(
        ("text", "masked"),
        [
            ("jane.doe@shop.com bought", "j•••@shop.com bought"),
            ("/events/profiles/jane%40shop.com/metrics", "/events/profiles/j•••@shop.com/metrics"),
            ("a+b@x.co,c@y.org", "a•••@x.co,c•••@y.org"),
            ("call +4915112345678 now", "call +49•••78 now"),
            ("at 2026-11-20T09:00:00+00:00", "at 2026-11-20T09:00:00+00:00"),
            ("2 + 2 = 4, id 01a1f849-2022-7006-bcc7-51f6a9c401b0", "2 + 2 = 4, id 01a1f849-2022-7006-bcc7-51f6a9c401b0"),
        ],
    )
    def test_is_masked_and_nothing_else(self, text: str, masked: str) -> None:
        assert mask_text(text) == masked

    def test_of_hostile_length_is_masked_in_no_time(self, clock: MovedClock) -> None:
        for text in ("a" * 100_000, "a@" * 50_000, "a." * 50_000 + "@", "+1" * 50_000, "x@" + "a." * 50_000, "pk_" * 30_000):
            assert len(mask_text(text)) < 10_000


class TestAFlood:
    def test_is_cut_and_counted(self, written: Callable[..., Callable[[], list[str]]], clock: MovedClock) -> None:
        lines = written(most=10)
        log = structlog.get_logger()
        for _ in range(1_000):
            log.warning("room.broke")
        log.warning("room.other")
        assert [json.loads(line)["event"] for line in lines()] == ["room.broke"] * 10 + ["room.other"]
        clock.advance(61)
        log.warning("room.broke")
        assert json.loads(lines()[-1])["dropped_before"] == 990

    def test_of_requests_is_none(self, written: Callable[..., Callable[[], list[str]]]) -> None:
        lines = written(most=10)
        for number in range(100):
            structlog.get_logger().info("http.answered", status=200, number=number)
        assert len(lines()) == 100
