"""The settings themselves, the data directory, and the port."""

import os
import socket
from collections.abc import Iterator

import httpx2

from ferrata.health.doctor.findings import Finding, ok, problem, warning
from ferrata.infra.master_key import key_path
from ferrata.infra.settings import Environment, Settings

KLAVIYO = "https://a.klaviyo.com"


def configuration(settings: Settings) -> Iterator[Finding]:
    """Settings that can each be used, but not together or not safely."""
    production = settings.environment is Environment.PRODUCTION
    if production and not settings.master_key:
        yield problem(
            "configuration.master_key",
            "FERRATA_MASTER_KEY is not set.",
            "In production Ferrata does not start without it: it encrypts Klaviyo's keys.",
            "Make one with `ferrata keys generate`, keep it safe, and set FERRATA_MASTER_KEY.",
        )
    if production and not settings.public_address().startswith("https://"):
        yield warning(
            "configuration.public_url",
            f"People are said to reach the pages at {settings.public_address()}.",
            "Cookies are bound to https in production, so nobody can sign in there.",
            "Put a proxy with TLS in front and set FERRATA_PUBLIC_URL=https://...",
        )
    if production and not settings.metrics_token:
        yield warning(
            "configuration.metrics_token",
            "GET /metrics answers everybody.",
            "Figures of the business, without personal data, are open to whoever reaches the port.",
            "Set FERRATA_METRICS_TOKEN and give it to Prometheus.",
        )
    base = str(settings.klaviyo_base_url).rstrip("/")
    if not base.startswith(KLAVIYO):
        yield warning(
            "configuration.klaviyo_base_url",
            f"Events go to {base}.",
            "That is not Klaviyo itself: right for the sandbox, wrong for a shop.",
            "Remove KLAVIYO_BASE_URL to send to Klaviyo.",
        )
    yield ok("configuration", f"The settings can be used; environment {settings.environment}.")


def data_directory(settings: Settings) -> Iterator[Finding]:
    """Whether it can be written, and by nobody else be read."""
    name, folder = "data_directory", settings.data_dir.resolve()
    if not folder.exists():
        parent = next(each for each in folder.parents if each.exists())
        if os.access(parent, os.W_OK):
            yield ok(name, f"{folder} will be made by the first start.")
        else:
            yield problem(
                name,
                f"{folder} cannot be made in {parent}.",
                "Ferrata cannot start.",
                f"chown {parent}, or set FERRATA_DATA_DIR.",
            )
        return
    if not folder.is_dir() or not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        yield problem(
            name, f"{folder} cannot be written by this user.", "Nothing can be kept there.", f"chown -R $(id -u) {folder}"
        )
        return
    exposed = [path for path in (key_path(settings), *folder.glob("*.db")) if path.exists() and path.stat().st_mode & 0o077]
    for path in exposed:
        yield problem(
            name,
            f"{path} may be read by others ({path.stat().st_mode & 0o777:o}).",
            "It holds customers' data or the key to Klaviyo's keys.",
            f"chmod 600 {path}",
        )
    if not exposed:
        yield ok(name, f"{folder} can be written, and its secrets read by its owner alone.")


async def port(settings: Settings) -> Finding:
    """Whether it is free, or it is Ferrata that has it."""
    name, address = "port", f"{settings.host}:{settings.port}"
    if _can_listen(settings.host, settings.port):
        return ok(name, f"{address} is free: no server runs there.")
    try:
        async with httpx2.AsyncClient(timeout=3, trust_env=False) as client:
            answer = await client.get(f"http://{_reachable(settings.host)}:{settings.port}/health/live")
        if answer.status_code == 200 and answer.json() == {"status": "live"}:
            return ok(name, f"Ferrata answers at {address}.")
    except (httpx2.HTTPError, ValueError):
        pass  # somebody else, who does not speak as we do: said below
    return problem(
        name,
        f"{address} is taken, and not by a Ferrata that answers.",
        "The server cannot start there.",
        "Stop what listens there (`ss -ltnp`), or set FERRATA_PORT.",
    )


def _can_listen(host: str, number: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, number))
        except OSError:
            return False
    return True


def _reachable(host: str) -> str:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - nothing listens here
    return f"[{host}]" if ":" in host else host


def has_master_key(settings: Settings) -> bool:
    return bool(settings.master_key) or key_path(settings).exists()
