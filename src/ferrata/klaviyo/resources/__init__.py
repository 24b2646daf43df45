"""Klaviyo's nouns, one file each. Each class wraps a `Klaviyo` client and adds nothing but names and types."""

from .accounts import Account, Accounts
from .catalogs import CatalogJob, CatalogKind, Catalogs, CatalogThing, JobAct
from .custom_metrics import CustomMetric, CustomMetrics
from .events import Event, Events, NewEvent
from .lists import Lists, ProfileList
from .metrics import Metric, Metrics
from .profiles import ImportJob, Profile, ProfileAttributes, Profiles
from .subscriptions import Subscriptions

__all__ = [
    "Account",
    "Accounts",
    "CatalogJob",
    "CatalogKind",
    "CatalogThing",
    "Catalogs",
    "CustomMetric",
    "CustomMetrics",
    "Event",
    "Events",
    "ImportJob",
    "JobAct",
    "Lists",
    "Metric",
    "Metrics",
    "NewEvent",
    "Profile",
    "ProfileAttributes",
    "ProfileList",
    "Profiles",
    "Subscriptions",
]
