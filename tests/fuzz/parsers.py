"""The table of all parsers: what counts as one, and which need no target, with the reason."""

from importlib import import_module

from tests.fuzz.target import TARGETS, Target

CALLS = (
    *(
        "json.decode",
        "json.Decoder",
        "json.loads",
        "jsons.loads",
        "fromisoformat",
        "b64decode",
        "urlsplit",
        "csv.reader",
        "strptime",
    ),
    *(
        "parsedate_to_datetime",
        "jwt.decode",
        "decompressobj",
        "gzip.open",
        "load_pem_x509_certificate",
        "msgspec.convert",
        "ip_address",
    ),
    *("model_validate_json", "httpx2.URL", "answer.json"),
)
"""What takes something apart. A module that calls one of these is a parser."""

_OWN = "reads only what this product has written itself"
_SHOWN = "shows what was checked when it was kept"
_DONE_BY = "hands what it reads to a module that has a target"
_OPERATOR = "reads what the operator has written, once, at the start"
OURS = {
    "alerts.letters": _OWN,
    "audit.store": _OWN,
    "carts.sending": _OWN,
    "carts.store": _OWN,
    "catalog.documents": _OWN,
    "catalog.rules": _OWN,
    "catalog.store": _OWN,
    "connections.oauth_app": _OPERATOR,
    "connections.oauth_tokens": _OWN,
    "connections.store": _OWN,
    "delivery.backlog": _OWN,
    "delivery.documents": _SHOWN,
    "delivery.families.catalog": _OWN,
    "delivery.families.events": _OWN,
    "delivery.families.profiles": _OWN,
    "delivery.story_pages": _SHOWN,
    "demo.folder": _OWN,
    "demo.sandbox": _OWN,
    "entry.telling": "tests/hostile/test_addresses.py sends it addresses that are none",
    "events.pages": _SHOWN,
    "events.story_view": _SHOWN,
    "flags.documents": _OWN,
    "health.doctor.surroundings": "asks this machine's own port whether a Ferrata answers there",
    "infra.allowance": _OWN,
    "infra.columns": _OWN,
    "infra.resealing": _OWN,
    "sources.commands": _DONE_BY,
    "sources.commercetools.commands": _DONE_BY,
    "sources.configurations": _OWN,
    "sources.configurations_store": _OWN,
    "sources.differences": _OWN,
    "sources.message_view": _SHOWN,
    "sources.store": _OWN,
}
"""Which need none, and why."""


def targets() -> dict[str, Target]:
    for name in ("of_events", "of_sources", "of_answers", "of_doors", "of_forms"):
        import_module(f"tests.fuzz.{name}")
    return TARGETS
