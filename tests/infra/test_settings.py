"""Settings that cannot work are refused at the start, by name."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from ferrata.infra.database.exclusive import ExclusiveFile
from ferrata.infra.errors import StorageUnavailable
from ferrata.infra.settings import Settings


def faults(**given: str) -> list[str]:
    with pytest.raises(ValidationError) as refused:
        Settings(_env_file=None, **given)
    return [str(fault["loc"][0]) for fault in refused.value.errors()]


class TestASetting:
    def test_names_proxies_by_address_or_network(self) -> None:
        assert Settings(_env_file=None, trusted_proxies="10.0.0.0/8, 192.0.2.7,::1").trusted_proxies
        assert faults(trusted_proxies="10.0.0.0/8, proxy.internal") == ["trusted_proxies"]

    def test_names_a_file_of_certificates_that_is_there_and_is_one(self, tmp_path: Path) -> None:
        other = tmp_path / "notes.txt"
        other.write_text("no certificate")
        assert faults(klaviyo_ca_file=str(tmp_path / "nowhere.pem")) == ["klaviyo_ca_file"]
        assert faults(klaviyo_ca_file=str(other)) == ["klaviyo_ca_file"]


class TestADataDirectory:
    def test_that_cannot_be_made_is_told_in_words(self, tmp_path: Path) -> None:
        file = tmp_path / "file"
        file.touch()
        with pytest.raises(StorageUnavailable, match="cannot be made"):
            ExclusiveFile(file / "data" / "ferrata.db")

    def test_in_which_nothing_can_be_written_is_told_in_words(self, tmp_path: Path) -> None:
        (tmp_path / "ferrata.db.lock").mkdir()
        with pytest.raises(StorageUnavailable, match="cannot be written"):
            ExclusiveFile(tmp_path / "ferrata.db")
