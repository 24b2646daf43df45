"""The tokens of an installation as they are kept: both sealed together, bound to their row, always written as one pair."""

import json
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row

from ferrata.infra.crypto import SecretBox
from ferrata.klaviyo import OAuthTokens, Secret


class SealedTokens:
    def __init__(self, box: SecretBox) -> None:
        self._box = box

    def columns(self, installation_id: str, tokens: OAuthTokens) -> dict[str, Any]:
        """What is written of a pair."""
        return {
            "sealed_tokens": self._seal(installation_id, tokens),
            "scopes": " ".join(sorted(tokens.scopes)),
            "issued_at": datetime.fromtimestamp(tokens.issued_at, UTC),
            "expires_at": datetime.fromtimestamp(tokens.expires_at, UTC),
        }

    def open(self, row: Row[Any]) -> OAuthTokens:
        """Raises Undecryptable: another master key, or a ciphertext that was moved or changed."""
        pair = json.loads(self._box.open(row.sealed_tokens, row=_row(row.id)))
        return OAuthTokens(
            Secret(pair["access"]),
            Secret(pair["refresh"]),
            row.expires_at.timestamp(),
            frozenset(row.scopes.split()),
            row.issued_at.timestamp(),
        )

    def resealed(self, row: Row[Any]) -> str | None:
        """The pair sealed with the current master key; None if it is already."""
        if self._box.key_id_of(row.sealed_tokens) == self._box.current_key_id:
            return None
        return self._seal(row.id, self.open(row))

    def seal_verifier(self, state_hash: str, verifier: Secret) -> str:
        return self._box.seal(verifier.reveal(), row=f"oauth_starts/{state_hash}/verifier")

    def open_verifier(self, state_hash: str, sealed: str) -> Secret:
        return Secret(self._box.open(sealed, row=f"oauth_starts/{state_hash}/verifier"))

    def _seal(self, installation_id: str, tokens: OAuthTokens) -> str:
        pair = {"access": tokens.access.reveal(), "refresh": tokens.refresh.reveal()}
        return self._box.seal(json.dumps(pair), row=_row(installation_id))


def _row(installation_id: str) -> str:
    return f"oauth_installations/{installation_id}/tokens"
