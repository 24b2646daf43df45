"""Amazon SNS over HTTP: notifications that are signed, and a subscription that wants to be confirmed."""

import base64
import binascii
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from httpx2 import URL, InvalidURL

from ferrata.sources.contract import Unverified

Fetch = Callable[[str], Awaitable[bytes]]

CONFIRMATIONS: Final = frozenset({"SubscriptionConfirmation", "UnsubscribeConfirmation"})
_HOST: Final = re.compile(r"sns\.[a-z0-9-]+\.amazonaws\.com(\.cn)?")
_CERTIFICATE: Final = re.compile(rb"/SimpleNotificationService-[A-Za-z0-9]{1,64}\.pem")
"""Amazon's files of certificates alone: other answers of that host may repeat what somebody has put into the address."""
_HASHES: Final[Mapping[str, hashes.HashAlgorithm]] = {"1": hashes.SHA1(), "2": hashes.SHA256()}  # noqa: S303 - as SNS signs
_NOTIFICATION: Final = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
_CONFIRMATION: Final = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
_CERTIFICATES_KEPT: Final = 16


def is_sns(found: Any) -> bool:
    return isinstance(found, dict) and isinstance(found.get("TopicArn"), str) and isinstance(found.get("Type"), str)


def is_confirmation(found: Any) -> bool:
    return is_sns(found) and found["Type"] in CONFIRMATIONS


class Sns:
    """Remembers certificates by their address: Amazon gives each new one a new address."""

    def __init__(self) -> None:
        self._certificates: dict[str, rsa.RSAPublicKey] = {}

    async def verify(self, found: Mapping[str, Any], topics: tuple[str, ...], fetch: Fetch) -> None:
        """
        Raises:
            Unverified: it is not signed by Amazon, or of a topic that the settings do not name.
            Unavailable: Amazon's certificate cannot be fetched.
        """
        if found.get("TopicArn") not in topics:
            raise Unverified("This topic is none of push.snsTopicArns.")
        address, algorithm = str(found.get("SigningCertURL") or ""), _HASHES.get(str(found.get("SignatureVersion")))
        if not is_amazons(address) or not _CERTIFICATE.fullmatch(URL(address).raw_path) or algorithm is None:
            raise Unverified("This notification is not signed as Amazon SNS signs.")
        try:
            signature = base64.b64decode(str(found.get("Signature") or ""), validate=True)
        except (binascii.Error, ValueError) as error:
            raise Unverified("The signature of this notification is no base64.") from error
        key = await self._key(address, fetch)
        try:
            key.verify(signature, signed_text(found).encode(), padding.PKCS1v15(), algorithm)
        except InvalidSignature as error:
            raise Unverified("The signature of this notification is wrong.") from error

    async def _key(self, address: str, fetch: Fetch) -> rsa.RSAPublicKey:
        if address not in self._certificates:
            try:
                key = x509.load_pem_x509_certificate(await fetch(address)).public_key()
            except ValueError as error:
                raise Unverified("There is no certificate at the address that this notification names.") from error
            if not isinstance(key, rsa.RSAPublicKey):
                raise Unverified("The certificate that this notification names is none of Amazon SNS.")
            if len(self._certificates) >= _CERTIFICATES_KEPT:
                self._certificates.clear()
            self._certificates[address] = key
        return self._certificates[address]


async def confirm(found: Mapping[str, Any], fetch: Fetch) -> None:
    """Tell Amazon that we want what it will send: only after its signature was verified, and only at Amazon's own address."""
    if found.get("Type") != "SubscriptionConfirmation":
        return
    address = str(found.get("SubscribeURL") or "")
    if not is_amazons(address):
        raise Unverified("The address for confirming this subscription is none of Amazon SNS.")
    await fetch(address)


def is_amazons(address: str) -> bool:
    """Whether it is an address of Amazon SNS, by HTTPS and its usual port."""
    try:
        url = URL(address)
    except InvalidURL:
        return False
    return url.scheme == "https" and url.port in (None, 443) and not url.userinfo and bool(_HOST.fullmatch(url.host))


def signed_text(found: Mapping[str, Any]) -> str:
    """What Amazon signs: names and values of certain fields, one in a line, in the order of their names."""
    names = _NOTIFICATION if found.get("Type") == "Notification" else _CONFIRMATION
    return "".join(f"{name}\n{found[name]}\n" for name in names if isinstance(found.get(name), str))
