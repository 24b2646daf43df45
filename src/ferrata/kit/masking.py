"""How personal data and secrets look where they must not be readable: in logs and on pages until asked for."""


def mask_email(email: str) -> str:
    """``jane.doe@shop.com`` becomes ``j•••@shop.com``: enough to recognise, not enough to write to."""
    name, at, domain = email.partition("@")
    return f"{name[:1]}•••{at}{domain}" if at else "•••"


def mask_phone(phone: str) -> str:
    """``+4915112345678`` becomes ``+49•••78``."""
    return f"{phone[:3]}•••{phone[-2:]}" if len(phone) > 6 else "•••"


def mask_person(identifier: str) -> str:
    """Mask whichever kind of identifier this is: an e-mail, a phone number or an external id."""
    if "@" in identifier:
        return mask_email(identifier)
    if identifier.startswith("+"):
        return mask_phone(identifier)
    return f"{identifier[:2]}•••" if identifier else ""
