"""The command `klaviyo-sandbox`: serve a sandbox and say how to use it."""

import sys
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import App, Parameter

from klaviyo_sandbox.sandbox import Sandbox
from klaviyo_sandbox.server import SandboxServer
from klaviyo_sandbox.switches import Dedupe, Switches
from klaviyo_sandbox.tenants import SeedAccount, key_for

app = App(name="klaviyo-sandbox", help="A Klaviyo of your own: API, OAuth, true rate limits, faults on command.", version="0.1.0")


@app.default
def serve(
    *,
    host: str = "127.0.0.1",
    port: int = 8787,
    state: Path | None = None,
    seed_account: list[str] | None = None,
    dedupe: Dedupe = "in_request",
    limits: bool = True,
    visibility_delay: float = 0.0,
    switch: list[str] | None = None,
    control_token: Annotated[str | None, Parameter(env_var="KLAVIYO_SANDBOX_CONTROL_TOKEN")] = None,
    public_url: str | None = None,
) -> None:
    """Serve a sandbox until interrupted.

    Parameters
    ----------
    host
        Address to listen on.
    port
        Port to listen on; 0 finds a free one.
    state
        SQLite file that keeps everything; in memory without it.
    seed_account
        Account to create, as ID or ID:KEY or ID:KEY:SCOPE,SCOPE; may be repeated. Default: one account, a fixed key.
    dedupe
        How bulk jobs treat a repeated unique_id: in_request, strict or silent.
    limits
        Count and enforce Klaviyo's rate windows.
    visibility_delay
        Seconds until a write is seen by reads.
    switch
        Any other switch, as name=value; may be repeated.
    control_token
        Token that the control API at /_sandbox/ asks for.
    public_url
        Base of the URLs in answers, where the sandbox is behind something else.
    """
    options = Switches(dedupe=dedupe, limits=limits, visibility_delay_seconds=visibility_delay)
    try:
        switches = options.with_changes(dict(_setting(text) for text in switch or []))
    except msgspec.ValidationError as error:
        sys.exit(f"--switch: {error}")
    accounts = [seed_from(text) for text in seed_account] if seed_account else None
    sandbox = Sandbox(
        str(state) if state else ":memory:",
        switches=switches,
        accounts=accounts,
        control_token=control_token,
        public_url=public_url,
    )
    server = SandboxServer(sandbox, host, port, on_start=lambda url: _say(introduction(sandbox, url)))
    try:
        server.run()
    finally:
        sandbox.close()


def seed_from(text: str) -> SeedAccount:
    """Read ID[:KEY[:SCOPE,SCOPE]]; scopes hold colons themselves, so only the first two separate."""
    account_id, key, scopes = (*text.split(":", 2), "", "")[:3]
    return SeedAccount(account_id, key or key_for(account_id), scopes=scopes.replace(",", " ").split() or None)


def _setting(text: str) -> tuple[str, object]:
    name, _, value = text.partition("=")
    try:
        return name, msgspec.json.decode(value)
    except msgspec.DecodeError:
        return name, value


def introduction(sandbox: Sandbox, url: str) -> str:
    """What a person who starts the sandbox wants to know."""
    keys = sandbox.tenants.api_keys()
    first = keys[0].key if keys else "<no key yet>"
    listed = "\n".join(f"  account {key.account_id}   key {key.key}" for key in keys)
    return (
        f"Klaviyo sandbox at {url}\n{listed}\n"
        f"  page and control API   {url}/_sandbox/\n\n"
        f'  curl {url}/api/accounts -H "Authorization: Klaviyo-API-Key {first}" -H "revision: 2026-07-15"\n'
        f'  official SDK           KlaviyoAPI("{first}", test_host="{url}")\n'
        f"  Ferrata                KLAVIYO_BASE_URL={url} KLAVIYO_API_KEY={first}"
    )


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> None:
    """Entry point of the command."""
    app()
