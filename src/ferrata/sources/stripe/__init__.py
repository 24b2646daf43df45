"""Stripe: signed webhooks in every shape of its API, missed events, and history."""

from ferrata.sources.stripe.source import Stripe

SOURCE = Stripe()
