"""Secrets at rest: AES-256-GCM with the key's id in front and the row as associated data.

A ciphertext reads ``v1.<key id>.<nonce and ciphertext, base64url>``. Because the row it belongs to is authenticated with it, a
ciphertext that is copied to another row does not decrypt.
"""

import base64
import hashlib
import os
import secrets
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ferrata.infra.errors import NeedsReconnect, Rejected, StorageUnavailable

KEY_BYTES = 32
NONCE_BYTES = 12


class Undecryptable(NeedsReconnect):
    """A stored secret does not decrypt with this master key."""

    code, status = "undecryptable", 500


class SecretBox:
    def __init__(self, keys: list[bytes]) -> None:
        if not keys or any(len(key) != KEY_BYTES for key in keys):
            raise Rejected("A master key is 32 bytes as base64. Make one with: ferrata keys generate")
        self._ciphers = {hashlib.sha256(b"ferrata key id" + key).hexdigest()[:8]: AESGCM(key) for key in keys}
        self.current_key_id = next(iter(self._ciphers))
        self.key_ids = tuple(self._ciphers)

    def seal(self, secret: str, *, row: str) -> str:
        """Encrypt ``secret`` for the row named ``row`` (such as ``connections/<id>/private_key``), with the first key."""
        nonce = os.urandom(NONCE_BYTES)
        sealed = nonce + self._ciphers[self.current_key_id].encrypt(nonce, secret.encode(), row.encode())
        return f"v1.{self.current_key_id}.{base64.urlsafe_b64encode(sealed).decode()}"

    def open(self, sealed: str, *, row: str) -> str:
        """Decrypt what ``seal`` made for the same row.

        Raises:
            Undecryptable: another master key, another row, or a changed ciphertext.
        """
        try:
            version, key_id, body = sealed.split(".")
            raw = base64.urlsafe_b64decode(body)
            if version != "v1":
                raise Undecryptable
            return self._ciphers[key_id].decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], row.encode()).decode()
        except (ValueError, KeyError, InvalidTag) as error:
            raise Undecryptable from error

    def resealed(self, sealed: str, *, row: str) -> str | None:
        """The same secret encrypted with the current key; None if it is already. Raises Undecryptable."""
        return None if self.key_id_of(sealed) == self.current_key_id else self.seal(self.open(sealed, row=row), row=row)

    def key_id_of(self, sealed: str) -> str:
        return sealed.split(".")[1]


def parse_keys(text: str) -> list[bytes]:
    """Keys from the setting: base64, comma-separated, the current one first."""
    try:
        plain = text.translate(str.maketrans("-_", "+/"))
        return [base64.b64decode(part.strip(), validate=True) for part in plain.split(",") if part.strip()]
    except ValueError as error:
        raise Rejected("FERRATA_MASTER_KEY is not base64. Make one with: ferrata keys generate") from error


def generate_key() -> str:
    return base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()


def key_file(path: Path) -> list[bytes]:
    """The keys in ``path``; the file is made, readable by its owner alone, if there is none.

    Raises:
        StorageUnavailable: it can be neither made nor read.
        Rejected: it holds something else.
    """
    try:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            _write_whole(path, generate_key() + "\n")
        text = path.read_text()
    except OSError as error:
        raise StorageUnavailable(f"The master key {path} cannot be kept or read: {error.strerror}.") from error
    return parse_keys(text)


def _write_whole(path: Path, text: str) -> None:
    """Under its name the file is there whole or not at all, however we end; if another process was quicker, its file stays."""
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(fresh, path)
    except FileExistsError:
        pass
    except OSError:  # a file system without hard links
        fresh.replace(path)
    fresh.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def digest(secret: str) -> str:
    """The keyless hash under which a random token of ours is stored and found. Not for passwords."""
    return hashlib.sha256(secret.encode()).hexdigest()
