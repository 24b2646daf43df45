"""The roles that every store has, and the seeds' own names for what they may do.

A higher level may do everything that a lower one may; nobody gives a role above the own level, nor a right they do not have.
"""

from collections.abc import Mapping
from types import MappingProxyType

from ferrata.access.schemas import HIGHEST_LEVEL, LEAST_LEVEL, STORE_RIGHTS, Right, StoreRole

_VIEWER = frozenset(
    {
        Right.EVENTS_READ,
        Right.DELIVERY_READ,
        Right.KLAVIYO_READ,
        Right.CONNECTIONS_READ,
        Right.SOURCES_READ,
        Right.FLAGS_READ,
        Right.RETENTION_READ,
    }
)
_ANALYST = _VIEWER | {Right.PROFILES_READ, Right.ALERTS_READ}
_MANAGER = _ANALYST | {
    Right.EVENTS_WRITE,
    Right.KLAVIYO_WRITE,
    Right.DELIVERY_MANAGE,
    Right.SOURCES_WRITE,
    Right.SOURCES_MANAGE,
    Right.FLAGS_MANAGE,
    Right.ALERTS_MANAGE,
    Right.MEMBERS_READ,
    Right.AUDIT_READ,
}
OWNER = StoreRole("owner", HIGHEST_LEVEL, STORE_RIGHTS)
ADMIN = StoreRole("admin", 80, STORE_RIGHTS)
MANAGER = StoreRole("manager", 60, _MANAGER)
ANALYST = StoreRole("analyst", 40, _ANALYST)
VIEWER = StoreRole("viewer", 10, _VIEWER)
EVERYWHERE: Mapping[str, StoreRole] = MappingProxyType({role.name: role for role in (OWNER, ADMIN, MANAGER, ANALYST, VIEWER)})

SAID: Mapping[str, str] = MappingProxyType(
    {
        "owner": "Everything in this store; only owners make and change owners.",
        "admin": "Everything in this store, keys, members and tokens included.",
        "manager": "Runs it: events, deliveries, sources, flags and alerts; sees members and the audit.",
        "analyst": "Sees everything that is sent, persons included.",
        "viewer": "Sees events and deliveries; persons stay masked.",
    }
)

SEED_PERMISSIONS: Mapping[str, Right] = MappingProxyType(
    {
        "stores.create": Right.STORES_MANAGE,
        "stores.edit": Right.STORES_EDIT,
        "stores.manage_integrations": Right.CONNECTIONS_MANAGE,
        "team.invite_users": Right.MEMBERS_MANAGE,
        "team.remove_users": Right.MEMBERS_MANAGE,
        "team.manage_roles": Right.MEMBERS_MANAGE,
        "team.manage_store_access": Right.MEMBERS_MANAGE,
        "analytics.view_all": Right.EVENTS_READ,
    }
)
"""The permissions of seed 002 that have a meaning here. They are accepted where rights are named, and answered beside them."""


def right_named(name: str) -> Right | None:
    """A right by its own name, or by a seed's (``manage_integrations``, with or without its family)."""
    if name in set(Right):
        return Right(name)
    short = {full.partition(".")[2]: right for full, right in SEED_PERMISSIONS.items()}
    return SEED_PERMISSIONS.get(name) or short.get(name)


def permissions_of(role: StoreRole) -> dict[str, dict[str, bool]]:
    """As seed 002 writes a role: by family, each with yes or no."""
    told: dict[str, dict[str, bool]] = {}
    for name, right in SEED_PERMISSIONS.items():
        family, _, permission = name.partition(".")
        told.setdefault(family, {})[permission] = right in role.effective
    return told


def level_for(right: Right) -> int:
    """The level that a role needs for this right, beside the right itself."""
    return LEAST_LEVEL.get(right, 0)


def left_out(role: StoreRole) -> list[str]:
    """Which of its rights a role does not hold because of its level, a sentence each."""
    lacking = sorted(role.rights - role.effective)
    return [
        f"{right} is left out: it needs the level {level_for(right)} as well, and this role has {role.level}."
        for right in lacking
    ]
