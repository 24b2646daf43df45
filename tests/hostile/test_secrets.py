"""Secrets and personal data in places where they must not be: answers, pages, logs, files, the list of processes."""

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import httpx2
import pytest

from ferrata.access.http import STORE_COOKIE
from ferrata.connections.oauth_app import CALLBACK
from klaviyo_sandbox.fault_presets import PRESETS
from klaviyo_sandbox.faults import Rule
from klaviyo_sandbox.oauth import App
from klaviyo_sandbox.sandbox import Sandbox
from klaviyo_sandbox.server import running
from klaviyo_sandbox.tenants import DEFAULT_KEY
from tests.connections.oauth import CLIENT_ID, SCOPES
from tests.entry.test_serve import run, serving
from tests.hostile.echoing import echoing

MASTER_KEY = base64.b64encode(b"a canary that is thirty-two long").decode()
PASSWORD = "granite canary copper rope"
SMTP_PASSWORD, OIDC_SECRET, OAUTH_SECRET = "smtp-canary-4711-quartz", "oidc-canary-0815-feldspar", "oauth-canary-1213-gneiss"
HOOK_PATH = "hook-canary-2718-basalt"
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
    "/ui/settings/tokens",
    "/ui/settings/members",
    "/ui/stores",
    "/ui/stores/second/connection",
    "/ui/alerts",
    "/ui/alerts/channels",
    "/ui/audit",
    "/ui/profile",
    "/alerts",
    "/alert-channels",
    "/api/tokens",
    "/api/people",
    "/api/sessions",
    "/api/store/second/klaviyo-connect",
    "/api/store/second/klaviyo-oauth",
    "/api/audit?limit=200",
    "/api/audit/export?format=csv",
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


def settings(klaviyo: str, mail: int, web: int) -> dict[str, str]:
    return {
        "KLAVIYO_API_KEY": DEFAULT_KEY,
        "KLAVIYO_BASE_URL": klaviyo,
        "FERRATA_MASTER_KEY": MASTER_KEY,
        "LOG_LEVEL": "debug",
        "FERRATA_OAUTH_CLIENT_ID": CLIENT_ID,
        "FERRATA_OAUTH_CLIENT_SECRET": OAUTH_SECRET,
        "FERRATA_SMTP_HOST": "127.0.0.1",
        "FERRATA_SMTP_PORT": str(mail),
        "FERRATA_SMTP_SECURITY": "none",
        "FERRATA_SMTP_USER": "ferrata",
        "FERRATA_SMTP_PASSWORD": SMTP_PASSWORD,
        "FERRATA_SMTP_FROM": "ferrata@shop.test",
        "FERRATA_OIDC_ISSUER": f"http://127.0.0.1:{web}",
        "FERRATA_OIDC_CLIENT_ID": "ferrata",
        "FERRATA_OIDC_CLIENT_SECRET": OIDC_SECRET,
        "FERRATA_PRIVATE_NETWORKS": "127.0.0.0/8",
    }


def connected_by_oauth(klaviyo: Sandbox, browser: httpx2.Client, url: str, told: dict[str, str]) -> list[str]:
    """Connect the store ``second``; the secrets that took part in it."""
    app = App(CLIENT_ID, OAUTH_SECRET, "Ferrata", "ferrata", [str(browser.base_url).rstrip("/") + CALLBACK], SCOPES.split())
    klaviyo.oauth.register(app)
    made = browser.post("/stores", json={"id": "second", "name": "Second"}, headers={"accept": "application/json"})
    assert made.status_code == 201, made.text
    begun = browser.post("/ui/stores/second/connect/oauth")
    asked = dict(parse_qsl(urlsplit(begun.headers["refresh"].removeprefix("0; url=")).query))
    consent = httpx2.post(f"{url}/oauth/authorize", data={**asked, "account": "SANDBX", "decision": "allow"}, timeout=30)
    back = consent.headers["location"]
    for _ in range(2):  # the second time it was used already
        told[f"callback {len(told)}"] = (answer := browser.get(back)).text
    assert answer.status_code == 400
    [installed] = klaviyo.oauth.installations()
    rows = klaviyo.state.all("SELECT * FROM oauth_access_tokens")
    code = dict(parse_qsl(urlsplit(back).query))["code"]
    return [code, str(installed["refresh_token"]), *(str(row["token"]) for row in rows)]


def alerted(client: httpx2.Client, web: int, told: dict[str, str]) -> list[str]:
    """Add a webhook and an address, and test both, which are refused; the webhook's secrets."""
    hook = {"way": "webhook", "name": "on call", "target": f"http://127.0.0.1:{web}/{HOOK_PATH}?key={HOOK_PATH[::-1]}x"}
    secrets, ids = [HOOK_PATH], []
    for asked in (hook, {"way": "email", "name": "team", "target": "team@shop.test"}):
        made = client.post("/alert-channels", json=asked)
        assert made.status_code == 201, made.text
        document: dict[str, Any] = made.json()
        ids.append(document["channel"]["id"])
        secrets += [document["secret"]] if document["secret"] else []
    secrets.append(client.post(f"/alert-channels/{ids[0]}/rotate").json()["secret"])
    for id_ in ids:
        for method, what in (("POST", "test"), ("GET", "deliveries")):
            told[f"channel {id_} {what}"] = client.request(method, f"/alert-channels/{id_}/{what}").text
        told[f"page of channel {id_}"] = client.get(f"/ui/alerts/channels/{id_}", headers={"accept": "text/html"}).text
    assert "refuse" in told[f"channel {ids[1]} test"]
    return secrets


def refused_by_the_provider(address: str, told: dict[str, str]) -> None:
    stranger = httpx2.Client(base_url=address, headers={"accept": "text/html", "sec-fetch-site": "same-origin"}, timeout=30)
    begun = stranger.get("/sign-in/oidc")
    asked = dict(parse_qsl(urlsplit(begun.headers["location"]).query))
    answer = stranger.get("/sign-in/oidc/callback", params={"state": asked["state"], "code": "oidc-code"})
    assert answer.status_code == 403
    told["provider"] = answer.text


def test_nothing_secret_is_told_logged_or_kept_in_the_clear(tmp_path: Path, sandbox: tuple[Sandbox, str]) -> None:
    klaviyo, url = sandbox
    told: dict[str, str] = {}
    with echoing() as (mail, web), serving(tmp_path, **(values := settings(url, mail, web))) as (process, address):
        made = run(tmp_path, "tokens", "create", "all", "--all-rights", "--json", **values)
        token = str(json.loads(made.stdout)["token"])
        browser = signed_in(address, (tmp_path / "out").read_text())
        client = httpx2.Client(base_url=address, headers={"authorization": f"Bearer {token}"}, timeout=30)
        planted = connected_by_oauth(klaviyo, browser, url, told) + alerted(client, web, told)
        refused_by_the_provider(address, told)
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
        doctor = run(tmp_path, "doctor", **values)
        told["doctor"] = doctor.stdout + doctor.stderr
        files = {path.name: path.read_bytes() for path in (tmp_path / "data").iterdir()}
    logged = (tmp_path / "err").read_text()
    assert len(told) > 80
    assert '"http.answered"' in logged
    places = {name: text.encode() for name, text in told.items()} | files | {"log": logged.encode()}
    cookies = [value for name, value in browser.cookies.items() if name != STORE_COOKIE]  # that one holds a public id
    planted += [SMTP_PASSWORD, OIDC_SECRET, OAUTH_SECRET, DEFAULT_KEY, token, PASSWORD, MASTER_KEY, *cookies]
    for secret in planted:
        for form in forms(secret):
            assert [name for name, text in places.items() if form.encode() in text] == [], form[:6]
    assert [word for word in PERSONAL if word in logged] == []
