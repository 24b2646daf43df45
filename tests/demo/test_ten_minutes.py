"""A newcomer's ten minutes, with the commands of the README exactly as they stand there."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.demo.running import STOP_SECONDS, Demo, demo, ended, readme_blocks, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
BLOCKS = readme_blocks()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with demo(tmp_path_factory.mktemp("demo")) as started:
        yield started


def lane(running: Demo) -> dict[str, Any]:
    [only] = running.get("/lanes")["lanes"]
    return only


class TestTheDemo:
    def test_says_how_to_get_in_to_its_owner_alone(self, running: Demo) -> None:
        papers = running.home / "demo-data" / "demo.json"
        assert papers.stat().st_mode & 0o777 == 0o600
        for name in ("app_url", "sandbox_url", "klaviyo_api_key", "api_token", "admin_token", "store_id", "admin_email"):
            assert running.papers[name]
        for name in ("sign_in_url", "admin_email", "admin_password", "klaviyo_api_key", "api_token"):
            assert running.papers[name] in running.said

    def test_opens_on_the_overview_signed_in(self, running: Demo) -> None:
        page = httpx2.get(running.papers["sign_in_url"], follow_redirects=True, headers={"accept": "text/html"})
        assert page.url.path == "/ui"
        assert "Your first five minutes" in page.text

    def test_opens_to_nobody_who_guesses_the_address(self, running: Demo) -> None:
        assert httpx2.get(running.papers["app_url"] + "/demo/guessed").status_code == 404

    def test_lets_the_printed_credentials_in(self, running: Demo) -> None:
        form = {"email": running.papers["admin_email"], "password": running.papers["admin_password"]}
        answer = httpx2.post(running.papers["app_url"] + "/sign-in", data=form)
        assert (answer.status_code, answer.headers["location"]) == (303, "/ui")

    def test_gives_the_admin_token_every_right_and_the_other_its_store(self, running: Demo) -> None:
        with running.client("admin_token") as client:
            assert client.get("/lanes", headers={"Ferrata-Store": running.papers["store_id"]}).status_code == 200
        with running.client() as client:
            assert client.get("/lanes", headers={"Ferrata-Store": "another"}).status_code == 403

    def test_delivers_ninety_days_of_history_and_goes_on_trading(self, running: Demo) -> None:
        until(lambda: running.stored("Viewed Product") > 2000 and running.stored("Placed Order") > 100, 90)
        before = running.get("/cleanup/stats")["totalEvents"]
        until(lambda: running.get("/cleanup/stats")["totalEvents"] > before, 20)

    def test_prints_a_command_that_works_when_pasted(self, running: Demo) -> None:
        shown = running.said.partition("Send an event of your own:\n")[2].strip().partition("\n\n")[0]
        assert "201 Created" in running.shell(shown)


class TestTheReadme:
    def test_first_event_arrives_while_one_looks(self, running: Demo) -> None:
        answer = json.loads(running.shell(BLOCKS["first event"]))
        assert answer["sentToKlaviyo"] is True
        assert answer["klaviyoResponse"] == "Successfully sent to Klaviyo"
        assert running.stored("Purchase") == 1

    def test_bulk_events_arrive(self, running: Demo) -> None:
        assert [event["eventName"] for event in json.loads(running.shell(BLOCKS["bulk"]))] == ["Page View", "Add to Cart"]
        until(lambda: running.stored("Page View") == 1 and running.stored("Add to Cart") == 1)

    def test_connection_is_good(self, running: Demo) -> None:
        assert json.loads(running.shell(BLOCKS["connection"]))["connected"] is True

    def test_broken_key_parks_the_lane_and_mending_it_drains_all(self, running: Demo) -> None:
        running.shell(BLOCKS["break"])
        answer = json.loads(running.shell(BLOCKS["first event"].replace("Purchase", "Kept meanwhile")))
        assert answer["sentToKlaviyo"] is False
        until(lambda: lane(running)["parkedCode"])
        assert json.loads(running.shell(BLOCKS["lanes"]))["lanes"][0]["waiting"] >= 1
        assert running.stored("Kept meanwhile") == 0
        running.shell(BLOCKS["mend"])
        until(lambda: running.stored("Kept meanwhile") == 1 and lane(running)["parkedCode"] is None)

    def test_outage_delays_and_loses_nothing(self, running: Demo) -> None:
        accepted = running.shell(BLOCKS["outage"].replace('"seconds": 20', '"seconds": 3'))
        assert '"sentToKlaviyo":false' in accepted
        until(lambda: running.get("/events?metric=Bought+during+an+outage")["events"][0]["sentToKlaviyo"], 60)
        assert running.stored("Bought during an outage") == 1

    def test_refused_event_becomes_a_dead_letter_and_is_replayed(self, running: Demo) -> None:
        running.shell(BLOCKS["refused"])
        [letter] = until(lambda: json.loads(running.shell(BLOCKS["dead letters"]))["deadLetters"])
        assert letter["reasonDetail"]
        assert '"count":1' in running.shell(BLOCKS["replay"])
        until(lambda: running.stored("Refused") == 1)
        assert running.get("/dead-letters")["deadLetters"] == []


class TestTheGuideOnTheOverview:
    def test_breaks_and_mends_the_key(self, running: Demo) -> None:
        with httpx2.Client(base_url=running.papers["app_url"], follow_redirects=True, timeout=30) as browser:
            browser.get(running.papers["sign_in_url"]).raise_for_status()
            browser.post("/ui/guide/break").raise_for_status()
            until(lambda: lane(running)["parkedCode"])
            browser.post("/ui/guide/mend").raise_for_status()
            running.shell(BLOCKS["mend"])
            until(lambda: lane(running)["parkedCode"] is None)


class TestAKilledDemo:
    def test_takes_the_sandbox_along_and_goes_on_where_it_was(self, tmp_path: Path) -> None:
        with demo(tmp_path) as first:
            [sandbox] = first.child_ids()
            first.shell(BLOCKS["break"])
            kept = [f"own-{number}" for number in range(20)]
            with first.client() as client:
                for event_id in kept:
                    body = {"eventName": "Mine", "email": "jane@example.com", "eventId": event_id}
                    client.post("/events", json=body, headers={"Prefer": "respond-async"}).raise_for_status()
            first.process.send_signal(signal.SIGKILL)
            first.process.wait(STOP_SECONDS)
            until(lambda: ended(sandbox), 10)
        with demo(tmp_path) as second:
            for name in ("api_token", "admin_token", "admin_password", "klaviyo_api_key", "store_id"):
                assert second.papers[name] == first.papers[name]
            assert "on the data of the last time" in second.said
            second.shell(BLOCKS["mend"])
            until(lambda: second.stored("Mine") == len(kept), 60)
            until(lambda: second.stored("Placed Order") > 100, 90)
            stored = second.sandbox("/_sandbox/effects/counts?kind=event_stored&by=profile_id,metric,unique_id&at_least=2")
            assert stored["counts"] == []
            [child] = second.child_ids()
            assert second.stop(signal.SIGINT) == 0
            assert ended(child)


class TestAKilledSandbox:
    def test_is_an_outage_like_any_other_and_is_started_again(self, tmp_path: Path) -> None:
        (tmp_path / "http.py").write_text("raise SystemExit('a file of the working directory was taken for a module')")
        with demo(tmp_path) as running:
            [sandbox] = running.child_ids()
            os.kill(sandbox, signal.SIGKILL)
            with running.client() as client:
                body = {"eventName": "Mine", "email": "jane@example.com"}
                client.post("/events", json=body, headers={"Prefer": "respond-async"}).raise_for_status()
            until(lambda: [child for child in running.child_ids() if child != sandbox and not ended(child)], 20)
            until(lambda: _answers(running), 20)
            until(lambda: running.stored("Mine") == 1, 60)


def _answers(running: Demo) -> bool:
    try:
        return bool(running.sandbox("/_sandbox/state"))
    except httpx2.TransportError:
        return False
