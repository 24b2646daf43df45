"""The OAuth endpoints over HTTP: the consent page at `/oauth/authorize`, `/oauth/token` and `/oauth/revoke`.

Errors here are RFC 6749 objects, not JSON:API, as at Klaviyo.
"""

import base64
import binascii
from html import escape
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode

from klaviyo_sandbox.exchange import Answer, Arrival
from klaviyo_sandbox.oauth import App, OAuthError

if TYPE_CHECKING:
    from klaviyo_sandbox.sandbox import Sandbox

_JSON = "application/json"
_HTML = "text/html; charset=utf-8"
_CARRIED = ("client_id", "redirect_uri", "scope", "state", "code_challenge", "code_challenge_method", "response_type")


def respond(sandbox: "Sandbox", arrival: Arrival, body: bytes) -> Answer:
    """Answer any request below `/oauth/`; runs in one transaction."""
    form = dict(parse_qsl(body.decode("latin-1"), keep_blank_values=True))
    endpoint = (arrival.method, arrival.raw_path.rstrip("/"))
    try:
        with sandbox.state.transaction():
            match endpoint:
                case ("GET", "/oauth/authorize"):
                    return _consent_page(sandbox, arrival.query)
                case ("POST", "/oauth/authorize"):
                    return _grant(sandbox, form)
                case ("POST", "/oauth/token"):
                    return _token(sandbox, _client(sandbox, arrival), form)
                case ("POST", "/oauth/revoke"):
                    sandbox.oauth.revoke(_client(sandbox, arrival), form.get("token", ""))
                    return Answer(200, {}, media_type=_JSON)
        raise OAuthError("invalid_request", "No such OAuth endpoint.", status=404)
    except OAuthError as error:
        document = {"error": error.code, "error_description": error.description}
        headers = {"retry-after": "60"} if error.status == 429 else {}
        return Answer(error.status, document, headers, media_type=_JSON)


def _client(sandbox: "Sandbox", arrival: Arrival) -> App:
    scheme, _, encoded = arrival.headers.get("authorization", "").partition(" ")
    try:
        client_id, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise OAuthError("invalid_client", "Malformed Basic credentials.", status=401) from error
    app = sandbox.oauth.find_app(client_id) if scheme.lower() == "basic" else None
    if app is None or app.client_secret != secret:
        raise OAuthError("invalid_client", "Unknown client or wrong secret.", status=401)
    return app


def _token(sandbox: "Sandbox", app: App, form: dict[str, str]) -> Answer:
    now = sandbox.clock.timestamp()
    match form.get("grant_type"):
        case "authorization_code":
            tokens = sandbox.oauth.exchange(
                app,
                code=form.get("code", ""),
                verifier=form.get("code_verifier", ""),
                redirect_uri=form.get("redirect_uri", ""),
                now=now,
            )
        case "refresh_token":
            tokens = sandbox.oauth.refresh(app, form.get("refresh_token", ""), now)
        case _:
            raise OAuthError("invalid_grant_type", "grant_type must be authorization_code or refresh_token.")
    return Answer(200, tokens, {"cache-control": "no-store"}, media_type=_JSON)


def _checked_request(sandbox: "Sandbox", asked: dict[str, str]) -> App:
    app = sandbox.oauth.find_app(asked.get("client_id", ""))
    if app is None:
        raise OAuthError("invalid_client", "Unknown client_id.")
    if asked.get("redirect_uri") not in app.redirect_uris:
        raise OAuthError("invalid_request", "redirect_uri is not registered for this app.")
    if asked.get("response_type") != "code":
        raise OAuthError("unsupported_response_type", "response_type must be code.")
    if asked.get("code_challenge_method") != "S256" or not asked.get("code_challenge"):
        raise OAuthError("invalid_request", "PKCE with code_challenge_method S256 is required.")
    foreign = sorted(set(asked.get("scope", "").split()) - set(app.scopes))
    if foreign:
        raise OAuthError("invalid_scope", f"The app does not have: {' '.join(foreign)}.")
    return app


def _consent_page(sandbox: "Sandbox", asked: dict[str, str]) -> Answer:
    app = _checked_request(sandbox, asked)
    hidden = "".join(f'<input type="hidden" name="{n}" value="{escape(asked.get(n, ""))}">' for n in _CARRIED)
    choices = "".join(
        f'<label><input type="radio" name="account" value="{escape(a["id"])}" required> {escape(a["name"])}'
        f" ({escape(a['id'])})</label><br>"
        for a in sandbox.tenants.accounts()
    )
    scopes = "".join(f"<li>{escape(scope)}</li>" for scope in sorted(asked.get("scope", "").split()))
    page = (
        "<!DOCTYPE html><html lang='en'><meta charset='utf-8'><meta name='color-scheme' content='light dark'>"
        f"<title>Authorize {escape(app.name)}</title><body style='font:16px system-ui;max-width:36rem;margin:3rem auto'>"
        f"<h1>{escape(app.name)} asks for access</h1><p>This is the Klaviyo sandbox; nothing here is real.</p>"
        f"<ul>{scopes}</ul><form method='post' action='/oauth/authorize'>{hidden}<fieldset><legend>Account</legend>"
        f"{choices}</fieldset><p><button name='decision' value='allow'>Allow</button> "
        "<button name='decision' value='deny' formnovalidate>Deny</button></p></form></body></html>"
    )
    return Answer(200, page, media_type=_HTML)


def _grant(sandbox: "Sandbox", form: dict[str, str]) -> Answer:
    app = _checked_request(sandbox, form)
    back = {"state": form["state"]} if "state" in form else {}
    account = sandbox.tenants.find_account(form.get("account", ""))
    if form.get("decision") == "deny":
        back = {"error": "access_denied", **back}
    elif account is None:
        raise OAuthError("invalid_request", "Choose an account.")
    else:
        code = sandbox.oauth.issue_code(
            app,
            account["id"],
            redirect_uri=form["redirect_uri"],
            scopes=form.get("scope", "").split(),
            challenge=form["code_challenge"],
            now=sandbox.clock.timestamp(),
        )
        back = {"code": code, **back}
    joint = "&" if "?" in form["redirect_uri"] else "?"
    return Answer(302, None, {"location": f"{form['redirect_uri']}{joint}{urlencode(back)}"})
