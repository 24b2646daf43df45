"""Phone numbers as people type them into a shop, as Klaviyo wants them: E.164, or not at all.

A number without a country code is read in the country of its address, which the customer has named: that is no guess. What is
then no number of that country's plan is left out, since Klaviyo refuses a whole request for it.
"""

import phonenumbers

from ferrata.kit.contacts import normal_phone


def e164(text: str | None, country: str | None) -> str | None:
    """The number such as ``+4915112345678``; None if it can be none."""
    if not isinstance(text, str) or not isinstance(country, str | None):
        return None
    region = {"UK": "GB"}.get(country or "", country)
    try:
        parsed = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    return normal_phone(phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164))
