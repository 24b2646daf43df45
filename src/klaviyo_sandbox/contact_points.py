"""E-mail addresses and phone numbers: what Klaviyo accepts as an identifier.

Klaviyo checks phone numbers against the numbering plan of their country, not only for a plus and digits; e-mail
addresses for their form alone, so reserved domains such as `.test` pass.
"""

import re
from functools import lru_cache
from typing import Final

import phonenumbers

INVALID_EMAIL: Final = "Invalid email address"
INVALID_PHONE: Final = "Invalid phone number format (Example of a valid format: +12345678901)"
EMAIL_CHARACTERS: Final = 254

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_EMAIL = re.compile(rf"(?=.{{1,64}}@){_ATOM}(?:\.{_ATOM})*@(?:{_LABEL}\.)+(?:[A-Za-z]{{2,63}}|xn--[A-Za-z0-9-]{{2,59}})")
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")


def is_email(text: str) -> bool:
    """Whether Klaviyo would take the address; surrounding spaces are forgiven."""
    address = text.strip()
    return len(address) <= EMAIL_CHARACTERS and _EMAIL.fullmatch(address) is not None


@lru_cache(maxsize=65_536)
def is_phone(text: str) -> bool:
    """Whether the text is an E.164 number that its country's numbering plan can have."""
    if _E164.fullmatch(text) is None:
        return False
    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(text))
    except phonenumbers.NumberParseException:
        return False


def email_key(text: str) -> str:
    """The form under which addresses are compared: without surrounding spaces and without case."""
    return text.strip().lower()
