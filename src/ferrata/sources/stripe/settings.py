"""What a store says about its Stripe account."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, AnyHttpUrl, Field, SecretStr

from ferrata.commerce.metrics import Lifecycle, Metric
from ferrata.commerce.terms import Terms
from ferrata.sources.contract import SourceSettings

_NAMES = {metric.value for metric in (*Metric, *Lifecycle)}


class TestMode(StrEnum):
    """What becomes of messages with ``livemode`` false."""

    __test__ = False

    REFUSE = "refuse"
    MARK = "mark"


class Purchases(StrEnum):
    """By which of Stripe's objects a purchase is known."""

    BOTH = "both"
    CHECKOUT = "checkout"
    PAYMENT_INTENTS = "payment_intents"


class CustomerDeleted(StrEnum):
    """What becomes of somebody whose customer was deleted in Stripe."""

    KEEP = "keep"
    ERASE = "erase"


def _endpoint_secret(secret: SecretStr) -> SecretStr:
    if not secret.get_secret_value().startswith("whsec_"):
        raise ValueError("a signing secret of Stripe begins with whsec_")
    return secret


def _known_metrics(names: Mapping[str, str]) -> Mapping[str, str]:
    unknown = sorted(set(names) - _NAMES)
    if unknown:
        raise ValueError(f"there is no event {', '.join(unknown)}; there are {', '.join(sorted(_NAMES))}")
    if any(not 0 < len(name) < 128 for name in names.values()):
        raise ValueError("a metric's name has 1 to 127 characters")
    return names


EndpointSecret = Annotated[SecretStr, AfterValidator(_endpoint_secret)]


class StripeSettings(SourceSettings):
    webhook_secret: EndpointSecret | None = Field(
        None, description="The signing secret of the endpoint in Stripe's dashboard: whsec_..."
    )
    previous_webhook_secret: EndpointSecret | None = Field(
        None, description="While a secret is rolled: the old one, accepted beside the new one. Remove it afterwards."
    )
    api_key: SecretStr | None = Field(
        None,
        description="A restricted key with read access (rk_live_...): reads line items, e-mail addresses, missed events and "
        "history. Without one, events without an e-mail wait until another tells it.",
    )
    api_url: AnyHttpUrl = Field(AnyHttpUrl("https://api.stripe.com"), description="Where Stripe's API is.")
    test_mode: TestMode = Field(
        TestMode.MARK,
        description="Messages with livemode false: mark sends them with environment = test, refuse keeps them apart.",
    )
    accounts: tuple[str, ...] = Field((), description="With Connect: the accounts whose events are taken. Empty: all.")
    purchases: Purchases = Field(
        Purchases.BOTH,
        description="What makes a Placed Order: checkout (Checkout sessions), payment_intents, or both, each purchase once.",
    )
    checkout_wait_seconds: int = Field(
        20,
        ge=0,
        le=3600,
        description="How long a payment intent waits for its Checkout session, which knows the products, where no API key lets "
        "Ferrata ask for it. 0: not at all.",
    )
    customer_deleted: CustomerDeleted = Field(
        CustomerDeleted.KEEP,
        description="What customer.deleted means: keep changes nothing, erase forgets all that is kept here of that person.",
    )
    metrics: Annotated[Mapping[str, str], AfterValidator(_known_metrics)] = Field(
        {}, description="Your own names for events, by their default names."
    )
    tiers: Mapping[str, str] = Field({}, description="Your names for plans, by the id of the price or of the product.")
    metadata: tuple[str, ...] = Field((), description="Names of Stripe metadata that may go into events as properties.")
    external_id_metadata: str | None = Field(
        None, description="The metadata field that holds your own id of the person, if one does."
    )

    def terms(self, *, backfill: bool) -> Terms:
        return Terms(names=self.metrics, backfill=backfill)
