"""The official plugin's configuration as Ferrata's settings, for those who come from it."""

import json
from collections.abc import Mapping
from typing import Any

from ferrata.infra.errors import Rejected

_ENVIRONMENT = {
    "PREFERRED_LOCALE": "preferredLocale",
    "PREFERRED_CURRENCY": "preferredCurrency",
    "PRODUCT_URL_TEMPLATE": "productUrlTemplate",
    "CT_PROJECT_ID": "projectKey",
    "CT_API_URL": "apiUrl",
    "CT_AUTH_URL": "authUrl",
}
_OWN = ("order", "customer", "payment", "category", "product", "disabledEvents")


def from_plugin(config: Mapping[str, Any], environment: Mapping[str, str]) -> tuple[dict[str, Any], list[str]]:
    """The settings that say the same, and the names of what was given and is not needed here.

    What the plugin leaves to its defaults is left to ours, which differ in a few: see docs/sources/commercetools.md.

    Raises:
        Rejected: a variable that holds JSON holds none.
    """
    config = _merged(config, _object(environment, "NODE_CONFIG"))
    settings: dict[str, Any] = {name: config[name] for name in _OWN if name in config}
    settings |= {ours: environment[theirs] for theirs, ours in _ENVIRONMENT.items() if environment.get(theirs)}
    if scopes := (environment.get("CT_SCOPES") or environment.get("CT_SCOPE") or "").replace(",", " ").split():
        settings["scopes"] = scopes
    if client := _object(environment, "CT_API_CLIENT"):
        settings |= {"clientId": client.get("clientId", ""), "clientSecret": client.get("secret")}
    used = {*_ENVIRONMENT, "NODE_CONFIG", "CT_SCOPES", "CT_SCOPE", "CT_API_CLIENT"}
    left = [name for name in config if name not in _OWN] + [name for name in environment if name not in used]
    return settings, sorted(left)


def _object(environment: Mapping[str, str], name: str) -> dict[str, Any]:
    try:
        found = json.loads(environment.get(name) or "{}")
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise Rejected(f"{name} must hold a JSON object.")  # without its text, which may hold a secret
    return found


def _merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """The second over the first, object by object, as node-config does it."""
    merged = dict(under)
    for name, value in over.items():
        below = merged.get(name)
        merged[name] = _merged(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return merged
