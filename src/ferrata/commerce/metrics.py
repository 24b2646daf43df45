"""The fifteen events of commerce and the names under which Klaviyo's flows, reports and segments know them.

The eight of Klaviyo's guide for platforms without a built-in integration, and seven that its largest integrations send besides.
Every name can be changed per store.
"""

from enum import StrEnum


class Metric(StrEnum):
    """Which event; the value is its name unless the store chose another."""

    VIEWED_PRODUCT = "Viewed Product"
    VIEWED_CATEGORY = "Viewed Category"
    SEARCHED_SITE = "Searched Site"
    ADDED_TO_CART = "Added to Cart"
    REMOVED_FROM_CART = "Removed from Cart"
    UPDATED_CART = "Updated Cart"
    APPLIED_COUPON = "Applied Coupon"
    STARTED_CHECKOUT = "Started Checkout"
    ABANDONED_CHECKOUT = "Abandoned Checkout"
    PLACED_ORDER = "Placed Order"
    ORDERED_PRODUCT = "Ordered Product"
    FULFILLED_ORDER = "Fulfilled Order"
    FULFILLED_PARTIAL_ORDER = "Fulfilled Partial Order"
    CANCELLED_ORDER = "Cancelled Order"
    REFUNDED_ORDER = "Refunded Order"


class Lifecycle(StrEnum):
    """Events of subscriptions and payments. Klaviyo has no names of its own for them, and none of them carries revenue twice."""

    SUBSCRIPTION_STARTED = "Subscription Started"
    SUBSCRIPTION_RENEWED = "Subscription Renewed"
    SUBSCRIPTION_UPDATED = "Subscription Updated"
    SUBSCRIPTION_UPGRADED = "Subscription Upgraded"
    SUBSCRIPTION_DOWNGRADED = "Subscription Downgraded"
    SUBSCRIPTION_CANCEL_SCHEDULED = "Subscription Cancel Scheduled"
    SUBSCRIPTION_RESUMED = "Subscription Resumed"
    SUBSCRIPTION_CANCELLED = "Subscription Cancelled"
    SUBSCRIPTION_PAYMENT_FAILED = "Subscription Payment Failed"
    TRIAL_ENDING = "Trial Ending"
    PAYMENT_FAILED = "Payment Failed"
    INVOICE_PAID = "Invoice Paid"
