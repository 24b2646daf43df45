"""The profiles room's own errors."""


class Overtaken(Exception):
    """Another process wrote one of these rows in this very moment: roll back, look again, and decide anew."""
