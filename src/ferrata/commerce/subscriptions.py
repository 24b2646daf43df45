"""Subscriptions as events. None of them carries a value: revenue counts once, through Placed Order or the paid invoice."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from ferrata.commerce.metrics import Lifecycle
from ferrata.commerce.model import Subscription
from ferrata.commerce.terms import Terms, present
from ferrata.commerce.tracked import TrackedEvent


def told(
    metric: Lifecycle,
    subscription: Subscription,
    unique_id: str,
    at: datetime,
    terms: Terms,
    *,
    more: Mapping[str, Any] | None = None,
) -> TrackedEvent:
    """What happened to a subscription, with everything that is known of it as it stands afterwards."""
    properties = {**of_subscription(subscription), **present(more or {})}
    return terms.event(metric, unique_id, at, subscription.person, properties, profile=subscription.profile)


def of_subscription(subscription: Subscription) -> dict[str, Any]:
    """Properties of a subscription. Days are days of UTC; the amount stands beside its currency and is no revenue."""
    billing = subscription.period_end
    return {
        **subscription.extra,
        **present(
            {
                "SubscriptionID": subscription.id,
                "Status": subscription.status,
                "ProductName": subscription.product_name,
                "Tier": subscription.tier,
                "Quantity": subscription.quantity,
                "PlanInterval": subscription.interval,
                "PlanIntervalCount": subscription.interval_count,
                "Amount": subscription.amount.amount if subscription.amount is not None else None,
                "Currency": subscription.amount.currency if subscription.amount is not None else None,
                "StartDate": instant(subscription.started_at),
                "CurrentPeriodStart": instant(subscription.period_start),
                "CurrentPeriodEnd": instant(billing),
                "NextBillingDate": instant(billing) if subscription.cancel_at is None and subscription.ended_at is None else None,
                "MonthlyBillingDay": billing.astimezone(UTC).day if billing and subscription.interval == "month" else None,
                "TrialEnd": instant(subscription.trial_end),
                "CancelAt": instant(subscription.cancel_at),
                "CancelledAt": instant(subscription.cancelled_at),
                "EndedAt": instant(subscription.ended_at),
            }
        ),
    }


def instant(at: datetime | None) -> str | None:
    """An instant as texts show it: to the second, in UTC."""
    return None if at is None else at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
