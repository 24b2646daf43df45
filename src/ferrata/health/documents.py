"""Health as programs see it. Everybody sees levels and times; sentences are for those with the right, of their stores alone."""

from typing import Any

from ferrata.access.schemas import Principal, Right
from ferrata.health.schemas import Check, Level, Readiness, Report

SERVICES = {"database": "database.", "delivery": "delivery.", "worker": "worker."}
"""Services beside Klaviyo, each with the beginning of its checks' names."""


def report_document(report: Report, who: Principal | None) -> dict[str, Any]:
    """``status``, ``services`` and ``timestamp`` are the seed's; ``checks`` says it check by check."""
    reader = who if who and who.may(Right.HEALTH_READ) else None
    return {
        "status": report.level.value,
        "services": {"klaviyo": _klaviyo(report, reader), **{name: _service(report, name) for name in SERVICES}},
        "timestamp": _instant(report.at),
        "checks": [_check(check, reader) for check in report.checks],
    }


def readiness_document(readiness: Readiness, who: Principal | None) -> dict[str, Any]:
    is_told = who and who.may(Right.HEALTH_READ) and who.store_id is None
    told = {"reasons": list(readiness.reasons)} if is_told else {}
    return {"status": "ready" if readiness.is_ready else "not_ready", **told}


def _klaviyo(report: Report, reader: Principal | None) -> dict[str, Any]:
    klaviyo = report.klaviyo
    document: dict[str, Any] = {"status": klaviyo.level.value, "latencyMs": klaviyo.latency_ms}
    if klaviyo.checked_at:
        document["checkedAt"] = _instant(klaviyo.checked_at)
    if reader:
        accounts, errors = _seen(klaviyo.accounts, reader), _seen(klaviyo.errors, reader)
        document |= {"accountId": next(iter(accounts.values()))} if accounts else {}
        document |= {"error": next(iter(errors.values()))} if errors else {}
    return document


def _service(report: Report, name: str) -> dict[str, Any]:
    checks = [check for check in report.checks if check.name.startswith(SERVICES[name])]
    latency = next((check.latency_ms for check in checks if check.latency_ms is not None), None)
    document: dict[str, Any] = {"status": Level.worst(check.level for check in checks).value}
    return document | ({"latencyMs": latency} if latency is not None else {})


def _check(check: Check, reader: Principal | None) -> dict[str, Any]:
    document: dict[str, Any] = {"name": check.name, "status": check.level.value}
    if check.latency_ms is not None:
        document["latencyMs"] = check.latency_ms
    if reader:
        # A summary counts over every store, or speaks of the machine that they share.
        document |= {"summary": check.summary} if reader.store_id is None else {}
        document["stores"] = _seen(check.stores, reader)
    return document


def _seen(stores: Any, reader: Principal) -> dict[str, str]:
    return {store_id: text for store_id, text in stores.items() if reader.store_id in (None, store_id)}


def _instant(at: Any) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z"
