"""The page at `/_sandbox/` for people: accounts, faults, the latest requests and effects, and a few buttons."""

from collections.abc import Callable, Iterable
from html import escape
from http import HTTPStatus
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from klaviyo_sandbox.control.answers import problem
from klaviyo_sandbox.fault_presets import PRESETS
from klaviyo_sandbox.faults import Rule
from klaviyo_sandbox.sandbox import Sandbox

COOKIE = "klaviyo_sandbox_token"
LATEST = 25
_STYLE = """
:root{color-scheme:light dark}
body{font:15px/1.45 system-ui,sans-serif;max-width:76rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem}h2{font-size:1.1rem;margin-top:2rem}
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #8886}
td{font-variant-numeric:tabular-nums;overflow-wrap:anywhere}code{font-size:.9em}
form{display:inline}button,select,input{font:inherit;padding:.2rem .6rem}
.bad{color:light-dark(#b00020,#ff8a80)}.muted{opacity:.7}.scroll{overflow-x:auto}
"""
_FOLLOW = """<script>
setInterval(async () => {
  const answer = await fetch(location.href)
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html")
  for (const section of document.querySelectorAll("section")) {
    const successor = fresh.getElementById(section.id)
    if (successor && !section.contains(document.activeElement)) section.replaceWith(successor)
  }
}, 2000)
</script>"""


def routes(sandbox: Sandbox) -> list[Route]:
    """Routes of this part."""

    async def show(request: Request) -> Response:
        live = request.query_params.get("live") != "0"
        response = HTMLResponse(_page(sandbox, live=live))
        token = request.query_params.get("token")
        if token and token == sandbox.control_token:
            response.set_cookie(COOKIE, token, httponly=True, samesite="strict", path="/_sandbox")
        return response

    async def press(request: Request) -> Response:
        form = await request.form()
        act = _BUTTONS.get(request.path_params["button"])
        if act is None:
            return problem(HTTPStatus.NOT_FOUND, "There is no such button.")
        act(sandbox, str(form.get("value", "")))
        return RedirectResponse("/_sandbox/", HTTPStatus.SEE_OTHER)

    return [Route("/", show, methods=["GET"]), Route("/press/{button}", press, methods=["POST"])]


def _toggle_limits(sandbox: Sandbox, _value: str) -> None:
    sandbox.switch(limits=not sandbox.switches.limits)


def _toggle_key(sandbox: Sandbox, value: str) -> None:
    key = sandbox.tenants.find_key(value)
    if key is not None:
        sandbox.tenants.revoke_key(value, revoked=not key.revoked)


_BUTTONS: dict[str, Callable[[Sandbox, str], Any]] = {
    "add-fault": lambda sandbox, value: sandbox.faults.add(Rule(effect=value)),
    "remove-fault": lambda sandbox, value: sandbox.faults.remove(int(value)),
    "clear-faults": lambda sandbox, _: sandbox.faults.clear(),
    "outage": lambda sandbox, value: sandbox.outage.begin("reset", float(value)),
    "end-outage": lambda sandbox, _: sandbox.outage.end(),
    "advance": lambda sandbox, value: sandbox.clock.advance(float(value)),
    "halve": lambda sandbox, _: setattr(sandbox.limits, "scale", 0.5 if sandbox.limits.scale == 1 else 1.0),
    "toggle-limits": _toggle_limits,
    "toggle-key": _toggle_key,
    "reset": lambda sandbox, _: sandbox.reset(),
}


def _page(sandbox: Sandbox, *, live: bool) -> str:
    follow = _FOLLOW if live else ""
    other = "<a href='?live=0'>pause</a>" if live else "<a href='?live=1'>follow</a>"
    sections = (_accounts, _faults, _requests, _effects)
    return (
        "<!DOCTYPE html><html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width'><link rel='icon' href='data:,'><title>Klaviyo sandbox</title>"
        f"<style>{_STYLE}</style></head><body><h1>Klaviyo sandbox</h1>"
        f"<p>{sandbox.clock.now():%Y-%m-%d %H:%M:%S} UTC on its own clock, {other}. Nothing here is real.</p>"
        f"<p>{_controls(sandbox)}</p>{''.join(section(sandbox) for section in sections)}{follow}</body></html>"
    )


def _controls(sandbox: Sandbox) -> str:
    limits = "Switch limits off" if sandbox.switches.limits else "Switch limits on"
    halve = "Halve quotas" if sandbox.limits.scale == 1 else "Restore quotas"
    away = ("end-outage", "End outage") if sandbox.outage.resets_connections else ("outage", "Be away for 30 s")
    return " ".join(
        (
            _button(away[0], away[1], "30"),
            _button("toggle-limits", limits),
            _button("halve", halve),
            _button("advance", "Clock +1 min", "60"),
            _button("reset", "Reset everything"),
        )
    )


def _button(name: str, label: str, value: str = "") -> str:
    return (
        f"<form method='post' action='/_sandbox/press/{name}'><input type='hidden' name='value' value='{escape(value)}'>"
        f"<button>{escape(label)}</button></form>"
    )


def _accounts(sandbox: Sandbox) -> str:
    names = {account["id"]: account["name"] for account in sandbox.tenants.accounts()}
    rows = (
        (
            f"{escape(names.get(key.account_id, ''))} <code>{escape(key.account_id)}</code>",
            f"<code>{escape(key.key)}</code>",
            "revoked" if key.revoked else _scopes(key.scopes),
            _button("toggle-key", "Revive" if key.revoked else "Revoke", key.key),
        )
        for key in sandbox.tenants.api_keys()
    )
    return _table("Accounts and keys", ("Account", "Private key", "Scopes", ""), rows)


def _scopes(scopes: frozenset[str] | None) -> str:
    return "full access" if scopes is None else escape(", ".join(sorted(scopes)))


def _faults(sandbox: Sandbox) -> str:
    options = "".join(f"<option>{escape(name)}</option>" for name in sorted(PRESETS))
    add = (
        "<form method='post' action='/_sandbox/press/add-fault'><label>Mistreat every request: "
        f"<select name='value'>{options}</select></label> <button>Add</button></form> "
    )
    rows = (
        (
            escape(rule["name"]),
            escape(", ".join(f"{name} {value}" for name, value in rule["match"].items() if value)) or "every request",
            f"{rule['hits']} of {rule['seen']}",
            _button("remove-fault", "Remove", str(rule["id"])),
        )
        for rule in sandbox.faults.summaries()
    )
    return _table("Faults", ("Rule", "Matches", "Hits", ""), rows) + add + _button("clear-faults", "Remove all")


def _requests(sandbox: Sandbox) -> str:
    rows = (
        (
            str(record.id),
            f"{record.method} <code>{escape(record.path)}</code>",
            escape(record.account_id or "nobody"),
            f"<span{_bad(record.status)}>{record.status or 'reset'}</span>",
            escape(record.fault or ""),
            f"{record.duration_ms:.1f} ms",
            f"{record.body_bytes:,} B" + (f", seen {record.times_seen} times" if record.times_seen > 1 else ""),
        )
        for record in list(sandbox.journal.requests)[: -LATEST - 1 : -1]
    )
    return _table("Latest requests", ("#", "Request", "Account", "Answer", "Fault", "Took", "Body"), rows)


def _bad(status: int | None) -> str:
    return " class='bad'" if status is None or status >= HTTPStatus.BAD_REQUEST else ""


def _effects(sandbox: Sandbox) -> str:
    counts = ", ".join(f"{row['count']:,} {row['kind']}" for row in sandbox.journal.count_effects({})) or "none yet"
    rows = (
        (str(e["seq"]), escape(e["kind"]), escape(e["metric"] or ""), escape(e["unique_id"] or ""), str(e["request_id"]))
        for e in sandbox.journal.latest_effects(LATEST)
    )
    table = _table("Latest effects", ("#", "Effect", "Metric", "unique_id", "Request"), rows)
    return table + f"<p class='muted'>In all: {escape(counts)}.</p>"


def _table(title: str, heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    head = "".join(f"<th scope='col'>{escape(text)}</th>" for text in heads)
    empty = f"<tr><td colspan='{len(heads)}' class='muted'>none</td></tr>"
    anchor = title.rsplit(maxsplit=1)[-1]
    return (
        f"<section id='{anchor}'><h2>{escape(title)}</h2><div class='scroll'><table><thead><tr>{head}</tr></thead>"
        f"<tbody>{body or empty}</tbody></table></div></section>"
    )
