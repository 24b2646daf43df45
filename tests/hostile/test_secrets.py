"""Secrets and personal data in places where they must not be: answers, pages, logs, files, the list of processes."""

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import httpx2
import pytest

from klaviyo_sandbox.fault_presets import PRESETS
from klaviyo_sandbox.faults import Rule
from klaviyo_sandbox.sandbox import Sandbox
from klaviyo_sandbox.server import running
from klaviyo_sandbox.tenants import DEFAULT_KEY
from tests.entry.test_serve import run, serving

MASTER_KEY = base64.b64encode(b"a canary that is thirty-two long").decode()
PASSWORD = "granite canary copper rope"
PERSON = {"email": "pii.person@shop.example.com", "phone": "+4915112345678", "profileAttributes": {"firstName": "Wilhelmina"}}
PERSONAL = ("pii.person", "15112345678", "Wilhelmina", "mira.canary")
FAULTS = ("revoked", "html_502", "redirect", "exec_reset", "crlf_header", "truncated")
ASKED = ("/klaviyo/test-connection", "/klaviyo/metrics", "/klaviyo/events", f"/klaviyo/profiles/{PERSON['email']}")
PAGES = (
    "/ui",
    "/ui/events",
    "/ui/lanes",
    "/ui/dead-letters",
    "/ui/stores/default/connection",
    "/ui/settings/people",
    "/health",
    "/metrics",
    "/api/openapi.json",
)


def forms(secret: str) -> Iterator[str]:
    """The secret as it is, encoded, turned around, and each of its halves."""
    half = len(secret) // 2
    yield from (secret, secret[::-1], quote(secret, safe=""), base64.b64encode(secret.encode()).decode()[:-4])
    yield from (secret[: half + 2], secret[half - 2 :])


@pytest.fixture
def sandbox() -> Iterator[tuple[Sandbox, str]]:
    made = Sandbox(seed=1)
    with running(made) as served:
        yield made, served.url
    made.close()


def signed_in(address: str, printed: str) -> httpx2.Client:
    token = re.search(r"one-time token,.*?\n\n +(\S+)", printed, re.DOTALL)
    assert token
    browser = httpx2.Client(base_url=address, headers={"accept": "text/html", "sec-fetch-site": "same-origin"}, timeout=30)
    form = {"token": token[1], "email": "mira.canary@example.com", "name": "M", "password": PASSWORD}
    assert browser.post("/setup", data=form).status_code == 303
    browser.post("/sign-in", data={"email": "mira.canary@example.com", "password": PASSWORD[:-1]})
    return browser


def test_nothing_secret_is_told_logged_or_kept_in_the_clear(tmp_path: Path, sandbox: tuple[Sandbox, str]) -> None:
    klaviyo, url = sandbox
    values = {"KLAVIYO_API_KEY": DEFAULT_KEY, "KLAVIYO_BASE_URL": url, "FERRATA_MASTER_KEY": MASTER_KEY, "LOG_LEVEL": "debug"}
    told: dict[str, str] = {}
    with serving(tmp_path, **values) as (process, address):
        made = run(tmp_path, "tokens", "create", "all", "--all-rights", "--json", **values)
        token = str(json.loads(made.stdout)["token"])
        browser = signed_in(address, (tmp_path / "out").read_text())
        client = httpx2.Client(base_url=address, headers={"authorization": f"Bearer {token}"}, timeout=30)
        for preset in FAULTS:
            klaviyo.unleash([Rule(effect=PRESETS[preset])])
            told |= {f"{path} {preset}": client.get(path).text for path in ASKED}
            told[f"event {preset}"] = client.post("/events", json={"eventName": "A", **PERSON}).text
        klaviyo.unleash([])
        told |= {f"page {path}": browser.get(path).text for path in PAGES}
        told |= {f"page by token {path}": client.get(path).text for path in PAGES}
        told["query"] = client.get("/lanes", params={"apiKey": DEFAULT_KEY}).text
        for path in (f"/x/{DEFAULT_KEY}", f"/events?email={PERSON['email']}", f"/events/profiles/{PERSON['email']}/metrics"):
            client.get(path)
        told["cmdline"] = Path(f"/proc/{process.pid}/cmdline").read_text()
        files = {path.name: path.read_bytes() for path in (tmp_path / "data").iterdir()}
    logged = (tmp_path / "err").read_text()
    assert len(told) > 40
    assert '"http.answered"' in logged
    places = {name: text.encode() for name, text in told.items()} | files | {"log": logged.encode()}
    for secret in (DEFAULT_KEY, token, PASSWORD, MASTER_KEY, *browser.cookies.values()):
        for form in forms(secret):
            assert [name for name, text in places.items() if form.encode() in text] == [], form[:6]
    assert [word for word in PERSONAL if word in logged] == []
