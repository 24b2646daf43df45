"""Secrets at rest."""

import base64
from pathlib import Path

import pytest

from ferrata.infra.crypto import SecretBox, Undecryptable, generate_key, key_file, parse_keys
from ferrata.infra.errors import Rejected
from ferrata.infra.master_key import MasterKeyMissing, key_path, secret_box
from tests.doors import settings

OLD, NEW = parse_keys(generate_key()), parse_keys(generate_key())


class TestASealedSecret:
    def test_opens_in_its_row_alone(self) -> None:
        box = SecretBox(OLD)
        sealed = box.seal("pk_secret", row="connections/a/private_key")
        assert box.open(sealed, row="connections/a/private_key") == "pk_secret"
        with pytest.raises(Undecryptable):
            box.open(sealed, row="connections/b/private_key")

    def test_differs_each_time(self) -> None:
        box = SecretBox(OLD)
        assert len({box.seal("same", row="r") for _ in range(100)}) == 100

    def test_opens_with_an_older_key_that_is_still_there(self) -> None:
        sealed = SecretBox(OLD).seal("secret", row="r")
        both = SecretBox(NEW + OLD)
        assert both.open(sealed, row="r") == "secret"
        assert both.key_id_of(both.seal("secret", row="r")) != both.key_id_of(sealed)
        with pytest.raises(Undecryptable):
            SecretBox(NEW).open(sealed, row="r")

    @pytest.mark.parametrize("at", [0, 5, -1, -10])
    def test_that_was_changed_does_not_open(self, at: int) -> None:
        box = SecretBox(OLD)
        version, key_id, body = box.seal("secret", row="r").split(".")
        raw = bytearray(base64.urlsafe_b64decode(body))
        raw[at] ^= 1
        with pytest.raises(Undecryptable):
            box.open(f"{version}.{key_id}.{base64.urlsafe_b64encode(raw).decode()}", row="r")

    @pytest.mark.parametrize("text", ["", "v1", "v1..", "v2.x.y", "a.b.c.d", "v1.00000000.AAAA"])
    def test_that_is_none_does_not_open(self, text: str) -> None:
        with pytest.raises(Undecryptable):
            SecretBox(OLD).open(text, row="r")


class TestTheMasterKey:
    def test_is_made_once_for_its_owner_alone(self, tmp_path: Path) -> None:
        path = tmp_path / "data" / "master.key"
        assert key_file(path) == key_file(path)
        assert path.stat().st_mode & 0o077 == 0

    @pytest.mark.parametrize(
        "text",
        ["short", "AAAA", "A" * 43 + "*", generate_key() + ",AAAA"],
        ids=["no base64", "too short", "a foreign letter", "a good one and a short one"],
    )
    def test_that_is_none_is_refused(self, text: str) -> None:
        with pytest.raises(Rejected):
            SecretBox(parse_keys(text))

    def test_of_production_is_never_made_up(self, tmp_path: Path) -> None:
        given = settings("sqlite:///x.db", tmp_path, environment="production", master_key="")
        with pytest.raises(MasterKeyMissing):
            secret_box(given)
        assert not key_path(given).exists()
