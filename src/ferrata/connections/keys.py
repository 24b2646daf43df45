"""The keys themselves: encrypted for their row, opened when they are needed, told apart by a fingerprint."""

import hashlib
from dataclasses import replace

from ferrata.connections.errors import NotAKey
from ferrata.connections.schemas import Connection, Method, Status, Tested
from ferrata.connections.store import Kept, KeptRetired
from ferrata.infra.crypto import SecretBox
from ferrata.kit.clock import Clock
from ferrata.kit.ids import new_id
from ferrata.klaviyo import Auth, PrivateKey


class Keys:
    def __init__(self, box: SecretBox, clock: Clock) -> None:
        self._box = box
        self._clock = clock

    def open(self, kept: Kept) -> PrivateKey:
        """Raises Undecryptable: another master key, or a ciphertext that was moved or changed."""
        return PrivateKey(self._box.open(kept.sealed_key, row=_row(kept.seen.store_id)))

    def keep(self, store_id: str, key: PrivateKey, tested: Tested | None) -> Kept:
        """A new connection with this key, as the test has shown it; ready to be stored."""
        now = self._clock.now()
        account_id = tested.account_id if tested else None
        seen = Connection(
            store_id=store_id,
            status=Status.CONNECTED,
            hint=key.hint,
            account_id=account_id,
            account_name=tested.account_name if tested else None,
            detail=tested.detail if tested else "Not tested yet.",
            tested_at=now if tested else None,
            created_at=now,
            method=Method.PRIVATE_KEY,
            account=tested.account if tested else {},
            status_since=now,
            connected_at=now,
        )
        # Keys of one account share its quota: two stores on one account must be counted together.
        quota_id = f"account:{account_id}" if account_id else f"key:{fingerprint(key)}"
        return Kept(seen, new_id(now), self._seal(store_id, key), quota_id, fingerprint=fingerprint(key))

    def learned(self, kept: Kept, auth: Auth, tested: Tested) -> Kept:
        """``kept``, with what a new test of its credential has shown."""
        seen = replace(
            kept.seen,
            status=Status.CONNECTED,
            detail=tested.detail,
            tested_at=self._clock.now(),
            account_id=tested.account_id or kept.seen.account_id,
            account_name=tested.account_name or kept.seen.account_name,
            account=tested.account or kept.seen.account,
        )
        if not isinstance(auth, PrivateKey):  # an installation has a quota of its own
            return replace(kept, seen=seen)
        quota_id = f"account:{tested.account_id}" if tested.account_id else kept.quota_id
        former = kept.quota_id if quota_id != kept.quota_id else kept.former_quota_id
        return replace(kept, seen=seen, quota_id=quota_id, former_quota_id=former, fingerprint=fingerprint(auth))

    def resealed(self, kept: Kept) -> str | None:
        """The key encrypted with the current master key; None if it is already."""
        if self._box.key_id_of(kept.sealed_key) == self._box.current_key_id:
            return None
        return self._seal(kept.seen.store_id, self.open(kept))

    def sealed_as_retired(self, kept: Kept) -> str:
        """The key encrypted for its row among the replaced ones."""
        return self._box.seal(self.open(kept).reveal(), row=_retired_row(kept.seen.store_id, kept.version))

    def open_retired(self, kept: KeptRetired) -> PrivateKey:
        """Raises Undecryptable."""
        return PrivateKey(self._box.open(kept.sealed_key, row=_retired_row(kept.seen.store_id, kept.seen.version)))

    def resealed_retired(self, kept: KeptRetired) -> str | None:
        """See ``resealed``."""
        if self._box.key_id_of(kept.sealed_key) == self._box.current_key_id:
            return None
        row = _retired_row(kept.seen.store_id, kept.seen.version)
        return self._box.seal(self.open_retired(kept).reveal(), row=row)

    def _seal(self, store_id: str, key: PrivateKey) -> str:
        return self._box.seal(key.reveal(), row=_row(store_id))


def read_key(text: str) -> PrivateKey:
    """Raises NotAKey, without the text."""
    try:
        return PrivateKey(text.strip())
    except ValueError:
        raise NotAKey from None


def fingerprint(key: PrivateKey) -> str:
    return hashlib.sha256(key.reveal().encode()).hexdigest()[:16]


def _row(store_id: str) -> str:
    return f"connections/{store_id}/private_key"


def _retired_row(store_id: str, version: str) -> str:
    return f"retiring_keys/{store_id}/{version}"
