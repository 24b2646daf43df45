"""What the connect API takes and gives, in the words of its documentation: names as they stand there, in both cases."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec
from starlette.requests import Request

from ferrata.connections.key_trials import Trial
from ferrata.connections.metrics import MetricChoice
from ferrata.connections.schemas import Connection, Held, Retiring, Status
from ferrata.connections.scopes import missing, what_is_missing
from ferrata.infra.errors import Problem, Rejected

UNKNOWN_ACCOUNT = "Unknown Account"
_TEXT = {"type": ["string", "null"]}
KEY = {"type": "string", "description": "A private key, pk_... It goes in once and is shown by nothing.", "writeOnly": True}
CONNECT_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "apiKey": KEY,
                        "action": {"type": "string", "enum": ["test", "connect"]},
                        "conversionMetricId": {"type": "string", "description": "From the answer to `action: test`."},
                    },
                },
                "examples": {
                    "test": {"value": {"apiKey": "pk_...", "action": "test"}},
                    "connect": {"value": {"apiKey": "pk_...", "conversionMetricId": "VxYzQ1"}},
                },
            }
        },
    }
}
KEY_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"type": "object", "properties": {"apiKey": KEY}}}},
    }
}


async def read_fields(request: Request, *, required: bool = True) -> Mapping[str, Any]:
    """The members of a JSON object. Raises Rejected."""
    body = await request.body()
    if not body and not required:
        return {}
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise Rejected('The body must be a JSON object, such as {"apiKey": "pk_...", "action": "test"}.')
    return found


def text_of(fields: Mapping[str, Any], *names: str, needed: str | None = None) -> str | None:
    """The first of these members that is there; ``needed`` is what to say if none is. Raises Rejected."""
    value = next((fields[name] for name in names if fields.get(name) not in (None, "")), None)
    if value is None and needed:
        raise Rejected(needed, problems=(Problem(names[0], needed),))
    if value is not None and not isinstance(value, str):
        raise Rejected(problems=(Problem(names[0], f"{names[0]} must be a string"),))
    return value


def integration(connection: Connection) -> dict[str, Any]:
    """How a store is connected, for the status."""
    seen = connection
    return {
        "status": seen.status,
        "public_id": seen.account_id,
        "connected_at": instant(seen.connected_at),
        "last_sync": None,  # nothing is read from Klaviyo yet
        "sync_status": None,
        "method": seen.method,
        "account": account(seen) if seen.status is not Status.NOT_CONFIGURED else None,
        "conversion_type": "value",
        "conversion_metric_id": seen.conversion_metric_id,
        "do_not_order_sync": seen.do_not_order_sync if seen.conversion_metric_id else None,
        "detail": seen.detail,
    }


def completed(connection: Connection) -> dict[str, Any]:
    """How a store is connected, for whoever has just connected it: with the account whole, and the key masked."""
    full = {"id": connection.account_id, "name": connection.account_name or UNKNOWN_ACCOUNT, **connection.account}
    return integration(connection) | {
        "account": full,
        "apiKey": f"pk_{connection.hint}" if connection.hint else None,
        "is_updating_dashboard": False,
        "campaign_values_last_update": None,
        "segment_series_last_update": None,
        "flow_series_last_update": None,
        "form_series_last_update": None,
    }


def account(connection: Connection) -> dict[str, Any]:
    return {"id": connection.account_id, "name": connection.account_name or UNKNOWN_ACCOUNT}


def looked_at(trial: Trial) -> dict[str, Any]:
    tested = trial.tested
    return {
        "success": True,
        "action": "test",
        "account": {"id": tested.account_id, "name": tested.account_name or UNKNOWN_ACCOUNT},
        "metrics": [metric(choice) for choice in trial.metrics.all],
        "scopes": scopes(trial.scopes),
        "warnings": [*trial.metrics.warnings, *warnings(trial.scopes)],
    }


def warnings(held: Mapping[str, Held]) -> list[str]:
    """What does not work with these scopes."""
    lacking = what_is_missing(held)
    return [lacking] if lacking else []


def metric(choice: MetricChoice) -> dict[str, Any]:
    return {
        "id": choice.id,
        "name": choice.name,
        "integration": choice.integration,
        "category": choice.category,
        "isShopifyPlacedOrder": choice.is_shopify_placed_order,
    }


def scopes(held: Mapping[str, Held]) -> dict[str, list[str]]:
    return {
        "present": [scope for scope, how in held.items() if how is Held.PRESENT],
        "missing": missing(held),
        "unknown": [scope for scope, how in held.items() if how is Held.UNKNOWN],
    }


def retiring(keys: list[Retiring]) -> list[dict[str, Any]]:
    """Replaced keys that may still be in use."""
    return [{"hint": key.hint, "retired_at": instant(key.retired_at), "forget_at": instant(key.forget_at)} for key in keys]


def instant(moment: datetime | None) -> str | None:
    return moment.isoformat().replace("+00:00", "Z") if moment else None
