"""A setting that cannot be used is named in a sentence, without what stood there."""

import pytest
from pydantic import ValidationError

from ferrata.infra.settings import Settings
from ferrata.infra.settings_errors import sentences


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("FERRATA_PORT", "many", "FERRATA_PORT must be a whole number."),
        ("FERRATA_PORT", "70000", "FERRATA_PORT must be 65535 or less."),
        ("FERRATA_ENVIRONMENT", "prod", "FERRATA_ENVIRONMENT must be 'development', 'staging' or 'production'."),
        ("FERRATA_PUBLIC_URL", "nowhere", "FERRATA_PUBLIC_URL must be an address such as https://example.com."),
        ("FERRATA_PUBLIC_URL", "ftp://x.example", "FERRATA_PUBLIC_URL must be an address that begins with https:// or http://."),
        ("FERRATA_LOG_LEVEL", "loud", "FERRATA_LOG_LEVEL must be debug, info, warning or error."),
        ("FERRATA_ALLOW_UNSAFE_DATABASE", "perhaps", "FERRATA_ALLOW_UNSAFE_DATABASE must be true or false."),
        ("FERRATA_KLAVIYO_CA_FILE", "/nowhere/ca.pem", "FERRATA_KLAVIYO_CA_FILE must name a file that is there and can be read."),
    ],
)
def test_is_said_in_a_sentence(monkeypatch: pytest.MonkeyPatch, name: str, value: str, says: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError) as refused:
        Settings(_env_file=None)
    assert sentences(refused.value) == [says]
