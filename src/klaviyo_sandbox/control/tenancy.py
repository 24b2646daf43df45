"""Control of who may call: accounts, private keys, OAuth apps and their installations."""

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from klaviyo_sandbox.control.answers import answer, body, problem
from klaviyo_sandbox.oauth import App
from klaviyo_sandbox.sandbox import Sandbox


class NewAccount(msgspec.Struct, forbid_unknown_fields=True):
    """An account; without `key` it gets a new private key."""

    id: str | None = None
    key: str | None = None
    name: str = "Sandbox Shop"
    scopes: list[str] | None = None
    timezone: str = "UTC"
    currency: str = "USD"


class NewKey(msgspec.Struct, forbid_unknown_fields=True):
    """A private key; `scopes` null means full access."""

    account_id: str
    key: str | None = None
    scopes: list[str] | None = None


class KeyChange(msgspec.Struct, forbid_unknown_fields=True):
    """Revoke a key, revive it, or change its scopes (null = full access)."""

    revoked: bool | None = None
    scopes: list[str] | msgspec.UnsetType | None = msgspec.UNSET


class NewApp(msgspec.Struct, forbid_unknown_fields=True):
    """An OAuth app. `key` names its integration in metrics; ids and secret are made up unless given."""

    name: str
    redirect_uris: list[str]
    scopes: list[str]
    key: str = "sandbox-app"
    client_id: str | None = None
    client_secret: str | None = None


class NewInstallation(msgspec.Struct, forbid_unknown_fields=True):
    """An installation without a browser; `scopes` default to the app's."""

    client_id: str
    account_id: str
    scopes: list[str] | None = None


def routes(sandbox: Sandbox) -> list[Route]:
    """Routes of this part."""
    return [*_account_routes(sandbox), *_oauth_routes(sandbox)]


def _account_routes(sandbox: Sandbox) -> list[Route]:
    async def accounts(_request: Request) -> Response:
        return answer({"accounts": sandbox.tenants.accounts(), "keys": sandbox.tenants.api_keys()})

    async def add_account(request: Request) -> Response:
        asked = await body(request, NewAccount)
        account_id, key = asked.id or sandbox.ids.short(), asked.key or f"pk_{sandbox.ids.token(34)}"
        sandbox.tenants.add_account(
            account_id, name=asked.name, now=sandbox.clock.timestamp(), timezone=asked.timezone, currency=asked.currency
        )
        sandbox.tenants.add_key(key, account_id, asked.scopes)
        return answer({"id": account_id, "key": key}, 201)

    async def add_key(request: Request) -> Response:
        asked = await body(request, NewKey)
        if sandbox.tenants.find_account(asked.account_id) is None:
            return problem(404, f"There is no account {asked.account_id}.")
        key = asked.key or f"pk_{sandbox.ids.token(34)}"
        sandbox.tenants.add_key(key, asked.account_id, asked.scopes)
        return answer(sandbox.tenants.find_key(key), 201)

    async def change_key(request: Request) -> Response:
        key, asked = request.path_params["key"], await body(request, KeyChange)
        known = sandbox.tenants.find_key(key)
        if known is None:
            return problem(404, "There is no such key.")
        if asked.scopes is not msgspec.UNSET:
            sandbox.tenants.rescope_key(key, asked.scopes)
        if asked.revoked is not None:
            sandbox.tenants.revoke_key(key, revoked=asked.revoked)
        return answer(sandbox.tenants.find_key(key))

    return [
        Route("/accounts", accounts, methods=["GET"]),
        Route("/accounts", add_account, methods=["POST"]),
        Route("/keys", add_key, methods=["POST"]),
        Route("/keys/{key}", change_key, methods=["PATCH"]),
    ]


def _oauth_routes(sandbox: Sandbox) -> list[Route]:
    async def apps(_request: Request) -> Response:
        return answer({"apps": sandbox.oauth.apps()})

    async def add_app(request: Request) -> Response:
        asked = await body(request, NewApp)
        client_id, secret = asked.client_id or sandbox.ids.error(), asked.client_secret or sandbox.ids.token()
        app = App(client_id, secret, asked.name, asked.key, asked.redirect_uris, asked.scopes)
        return answer(sandbox.oauth.register(app), 201)

    async def installations(_request: Request) -> Response:
        return answer({"installations": sandbox.oauth.installations()})

    async def install(request: Request) -> Response:
        asked = await body(request, NewInstallation)
        app = sandbox.oauth.find_app(asked.client_id)
        if app is None or sandbox.tenants.find_account(asked.account_id) is None:
            return problem(404, "There is no such app or account.")
        scopes = app.scopes if asked.scopes is None else asked.scopes
        return answer(sandbox.oauth.install(app, asked.account_id, scopes, sandbox.clock.timestamp()), 201)

    async def uninstall(request: Request) -> Response:
        installation_id = request.path_params["installation_id"]
        if not sandbox.oauth.uninstall(installation_id):
            return problem(404, f"There is no installation {installation_id}.")
        return answer({"uninstalled": installation_id})

    return [
        Route("/apps", apps, methods=["GET"]),
        Route("/apps", add_app, methods=["POST"]),
        Route("/installations", installations, methods=["GET"]),
        Route("/installations", install, methods=["POST"]),
        Route("/installations/{installation_id}", uninstall, methods=["DELETE"]),
    ]
