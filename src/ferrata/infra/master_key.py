"""Finds the master key: in the settings, or in a file that is made on the first start of anything but production."""

from pathlib import Path

from ferrata.infra.crypto import SecretBox, key_file, parse_keys
from ferrata.infra.errors import Rejected
from ferrata.infra.settings import Environment, Settings

FILE = "master.key"


class MasterKeyMissing(Rejected):
    """Production needs a master key of its own: set FERRATA_MASTER_KEY. Make one with: ferrata keys generate"""

    code = "master_key_missing"


def key_path(settings: Settings) -> Path:
    return settings.data_dir / FILE


def secret_box(settings: Settings) -> SecretBox:
    """What encrypts and decrypts secrets at rest.

    Raises:
        MasterKeyMissing: production without the setting.
        Rejected: what is there is no key.
    """
    if settings.master_key and (text := settings.master_key.get_secret_value().strip()):
        return SecretBox(parse_keys(text))
    if settings.environment is Environment.PRODUCTION:
        raise MasterKeyMissing
    return SecretBox(key_file(key_path(settings)))
