"""Ferrata: commerce events in, kept, and delivered to Klaviyo exactly once in effect."""

__version__ = "0.1.0"
