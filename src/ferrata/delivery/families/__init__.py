"""Endpoint families: which Klaviyo calls a lane may use, and how frozen parts become their bodies."""

from ferrata.delivery.families.contract import EndpointFamily, Part
from ferrata.delivery.families.events import EventsFamily
from ferrata.delivery.schemas import Family

FAMILIES: dict[Family, EndpointFamily] = {Family.EVENTS: EventsFamily()}

__all__ = ["FAMILIES", "EndpointFamily", "Part"]
