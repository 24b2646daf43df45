"""Takes secrets out of settings before they are kept or shown, and puts them back. No I/O."""

from collections.abc import Mapping
from typing import Any

from pydantic import SecretStr

HINT = 4


def take_out(values: Any, at: str = "") -> tuple[Any, dict[str, str]]:
    """Settings (as ``model_dump`` gives them) without their secrets, and the secrets by their place, such as ``keys.0``."""
    if isinstance(values, SecretStr):
        secret = values.get_secret_value()
        return None, {at: secret} if secret else {}
    if isinstance(values, Mapping):
        pairs = {name: take_out(value, f"{at}.{name}" if at else str(name)) for name, value in values.items()}
        return {name: left for name, (left, _) in pairs.items()}, _joined([found for _, found in pairs.values()])
    if isinstance(values, list | tuple | set | frozenset):
        elements = [take_out(value, f"{at}.{index}") for index, value in enumerate(values)]
        return [left for left, _ in elements], _joined([found for _, found in elements])
    return values, {}


def put_back(document: Any, secrets: Mapping[str, str], at: str = "") -> Any:
    """The document with its secrets in their places."""
    if at in secrets:
        return secrets[at]
    if isinstance(document, Mapping):
        return {name: put_back(value, secrets, f"{at}.{name}" if at else name) for name, value in document.items()}
    if isinstance(document, list):
        return [put_back(value, secrets, f"{at}.{index}") for index, value in enumerate(document)]
    return document


def kept_where_unsaid(given: Mapping[str, Any], earlier: Mapping[str, Any], secrets: Mapping[str, str]) -> dict[str, Any]:
    """``given`` with the earlier secrets wherever it says nothing (or null) about something that holds one; "" takes it away."""
    completed = dict(given)
    for name in {path.partition(".")[0] for path in secrets}:
        if completed.get(name) == "" and name in secrets:
            completed[name] = None
        elif completed.get(name) is None:
            completed[name] = put_back(earlier.get(name), secrets, name)
        elif isinstance(completed[name], Mapping) and isinstance(earlier.get(name), Mapping):
            inner = {path.partition(".")[2]: secret for path, secret in secrets.items() if path.startswith(f"{name}.")}
            completed[name] = kept_where_unsaid(completed[name], earlier[name], inner)
    return completed


def hints(secrets: Mapping[str, str]) -> dict[str, str]:
    """What may be shown of secrets: that they are there, and how they end."""
    return {path: f"…{secret[-HINT:]}" if len(secret) >= 4 * HINT else "…" for path, secret in secrets.items()}


def _joined(parts: list[dict[str, str]]) -> dict[str, str]:
    return {place: secret for part in parts for place, secret in part.items()}
