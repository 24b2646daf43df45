"""Endpoint families: which Klaviyo calls a lane may use, and how frozen parts become their bodies."""

from ferrata.delivery.families.catalog import CatalogFamily
from ferrata.delivery.families.contract import Call, EndpointFamily, Part
from ferrata.delivery.families.events import EventsFamily
from ferrata.delivery.families.profiles import ProfilesFamily
from ferrata.delivery.schemas import Family

FAMILIES: dict[Family, EndpointFamily] = {
    Family.EVENTS: EventsFamily(),
    Family.PROFILES: ProfilesFamily(),
    Family.CATALOG: CatalogFamily(),
}

__all__ = ["FAMILIES", "Call", "EndpointFamily", "Part"]
