"""Which deliveries are believed."""

import msgspec
import pytest

from ferrata.sources.errors import Unreadable, Unverified
from ferrata.sources.stripe import SOURCE
from ferrata.sources.stripe.settings import StripeSettings
from tests.sources.stripe.shop import NOW, SECRET, SETTINGS, event, received, session, signed

BODY = msgspec.json.encode(event("checkout.session.completed", session()))
ROLLING = StripeSettings.model_validate({"webhook_secret": "whsec_new", "previous_webhook_secret": SECRET})
RIGHT = signed(BODY, SECRET)
DIGEST = RIGHT.partition("v1=")[2]


class TestADelivery:
    @pytest.mark.parametrize(
        "header",
        [RIGHT, signed(BODY, "whsec_other", SECRET), f"{RIGHT},v0=abc", f"t={NOW}, v1={DIGEST}", f"v1={DIGEST},t={NOW}"],
        ids=["plain", "two secrets", "older scheme beside", "spaces", "order"],
    )
    def test_is_believed_with_any_right_signature(self, header: str) -> None:
        SOURCE.verify(received(BODY, header), SETTINGS)

    @pytest.mark.parametrize(
        "header",
        [
            "",
            "nonsense",
            f"t={NOW}",
            f"v1={DIGEST}",
            f"t={NOW},v0={DIGEST}",
            f"t={NOW},t={NOW},v1={DIGEST}",
            f"t={NOW}.0,v1={DIGEST}",
            f"t=-{NOW},v1={DIGEST}",
            f"t={NOW},v1={DIGEST[:-1]}",
            f"t={NOW},v1={DIGEST.upper()}",
            f"t={NOW},v1=ä{DIGEST[1:]}",
            f"t={NOW + 1},v1={DIGEST}",
            signed(BODY, "whsec_other"),
            signed(BODY + b" ", SECRET),
        ],
    )
    def test_is_refused_with_400_without_one(self, header: str) -> None:
        with pytest.raises(Unverified) as refused:
            SOURCE.verify(received(BODY, header), SETTINGS)
        assert refused.value.status == 400
        assert DIGEST not in str(refused.value)

    @pytest.mark.parametrize(("seconds", "believed"), [(300, True), (-300, True), (301, False), (-301, False), (10**9, False)])
    def test_is_believed_for_five_minutes_before_and_after(self, seconds: int, believed: bool) -> None:
        one = received(BODY, RIGHT, at=NOW + seconds)
        if believed:
            SOURCE.verify(one, SETTINGS)
            return
        with pytest.raises(Unverified, match="300 seconds"):
            SOURCE.verify(one, SETTINGS)

    @pytest.mark.parametrize("secret", ["whsec_new", SECRET])
    def test_may_be_signed_with_either_secret_while_it_is_rolled(self, secret: str) -> None:
        SOURCE.verify(received(BODY, signed(BODY, secret)), ROLLING)

    def test_is_never_believed_without_a_secret(self) -> None:
        with pytest.raises(Unverified, match="No signing secret"):
            SOURCE.verify(received(BODY, RIGHT), StripeSettings())

    @pytest.mark.parametrize(
        "body", [b"", b"{", b"[]", b"1", b"\xff", b'{"object":"charge"}', b'{"object":"event"}', b"[" * 100_000]
    )
    def test_that_is_no_event_is_kept_apart(self, body: bytes) -> None:
        with pytest.raises(Unreadable):
            SOURCE.open(received(body, ""), SETTINGS)

    @pytest.mark.parametrize("envelope", ["detail", "data"])
    def test_is_opened_out_of_the_envelopes_of_clouds(self, envelope: str) -> None:
        body = msgspec.json.encode({"id": "1", "source": "aws.partner/stripe.com", envelope: msgspec.json.decode(BODY)})
        [raw] = SOURCE.open(received(body, ""), SETTINGS)
        assert (raw.message_id, raw.business_key) == ("evt_1", "cs_1")
