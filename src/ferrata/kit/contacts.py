"""E-mail addresses and phone numbers in the one form under which they are kept, sent, compared and erased.

Klaviyo takes addresses that differ in case for one person, checks phone numbers against the numbering plan of their country,
and refuses a whole request for one that is wrong: so both are checked here, before anything is kept.
"""

import re
from functools import lru_cache

import phonenumbers
from email_validator import SPECIAL_USE_DOMAIN_NAMES, EmailNotValidError, validate_email

EMAIL_CHARACTERS = 100  # Klaviyo's guides: an e-mail address has at most 100 characters
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")

# Addresses so plain that the library, which takes 20 microseconds, would surely take them as they are.
_ATOM, _LABEL = r"[a-z0-9_+]+(?:-+[a-z0-9_+]+)*", r"[a-z0-9]+(?:-[a-z0-9]+)*"
_PLAIN_EMAIL = re.compile(rf"(?=[^@]{{1,64}}@){_ATOM}(?:\.{_ATOM})*@(?:(?!xn-)(?=[^.]{{1,63}}\.){_LABEL}\.)+([a-z]{{2,63}})")
_SPECIAL_ENDINGS = frozenset(name.rpartition(".")[2] for name in SPECIAL_USE_DOMAIN_NAMES)


def normal_email(text: str) -> str | None:
    """The address trimmed, in lower case, with an international domain in its ASCII form; None if it is none.

    Nothing is asked of the network. Addresses of test domains such as ``example.com`` pass.
    """
    address = text.strip().lower()
    if len(address) > EMAIL_CHARACTERS:
        return None
    plain = _PLAIN_EMAIL.fullmatch(address)
    if plain and plain[1] not in _SPECIAL_ENDINGS:
        return address
    return _checked_email(address)


@lru_cache(maxsize=4096)
def _checked_email(address: str) -> str | None:
    try:
        found = validate_email(address, check_deliverability=False, test_environment=True, allow_smtputf8=False, strict=True)
    except (EmailNotValidError, UnicodeError):
        return None
    normal = (found.ascii_email or "").lower()
    return normal if 0 < len(normal) <= EMAIL_CHARACTERS and re.search(r"\.[a-z][a-z0-9-]+$", normal) else None


@lru_cache(maxsize=65_536)
def normal_phone(text: str) -> str | None:
    """The number as E.164, such as ``+4915112345678``, if its country's numbering plan can have it; None otherwise.

    Only surrounding spaces are forgiven: to guess a country for a number without one would write to strangers.
    """
    number = text.strip()
    if not _E164.fullmatch(number):
        return None
    try:
        return number if phonenumbers.is_valid_number(phonenumbers.parse(number)) else None
    except phonenumbers.NumberParseException:
        return None
