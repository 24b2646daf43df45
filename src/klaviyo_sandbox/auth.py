"""Who is calling: `Klaviyo-API-Key pk_...` or `Bearer ...`, and whether that may do what it asks for."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from klaviyo_sandbox.errors import authentication_failed, not_authenticated, permission_denied
from klaviyo_sandbox.operations import Operation

if TYPE_CHECKING:
    from klaviyo_sandbox.sandbox import Sandbox

KEY_SCHEME = "klaviyo-api-key"
TOKEN_SCHEME = "bearer"  # noqa: S105 - the name of a scheme, not a secret


@dataclass(frozen=True, slots=True)
class Credential:
    """A caller. `quota_owner` is the account, or the OAuth installation, which has windows of its own."""

    kind: str
    account_id: str
    secret: str
    scopes: frozenset[str] | None
    quota_owner: str
    integration: str | None = None
    """Key of the OAuth app whose metrics the caller's events belong to; None for private keys."""


def find(sandbox: "Sandbox", headers: Mapping[str, str]) -> Credential | None:
    """The caller if the header names a living key or token, else None."""
    scheme, _, secret = headers.get("authorization", "").partition(" ")
    if scheme.lower() == KEY_SCHEME:
        key = sandbox.tenants.find_key(secret.strip())
        if key is None or key.revoked:
            return None
        return Credential("key", key.account_id, key.key, key.scopes, f"account:{key.account_id}")
    if scheme.lower() == TOKEN_SCHEME:
        return sandbox.oauth.find_caller(secret.strip(), sandbox.clock.timestamp())
    return None


def require(credential: Credential | None, headers: Mapping[str, str]) -> Credential:
    """The caller, or 401 in the two forms that Klaviyo has."""
    if credential is not None:
        return credential
    scheme, _, secret = headers.get("authorization", "").partition(" ")
    known = scheme.lower() == TOKEN_SCHEME or (scheme.lower() == KEY_SCHEME and secret.strip().startswith("pk_"))
    raise authentication_failed() if known else not_authenticated()


def authorise(credential: Credential, operation: Operation) -> None:
    """403 unless the caller's scopes cover the operation's."""
    if credential.scopes is None:
        return
    lacking = sorted(operation.scopes - credential.scopes)
    if lacking:
        raise permission_denied(f"Missing required scopes: {', '.join(lacking)}.")
