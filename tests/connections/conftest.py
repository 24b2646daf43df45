"""The application behind its doors, in front of a Klaviyo that answers what a test tells it to."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from ferrata.kit.clock import MovedClock
from tests.doors import Doors, open_doors

KEY, OTHER_KEY = "pk_" + "a1B2" * 8 + "c3", "pk_" + "d4E5" * 8 + "f6"
ACCOUNT = {
    "data": [
        {
            "type": "account",
            "id": "AbC123",
            "attributes": {
                "contact_information": {"organization_name": "Grat & Gipfel"},
                "timezone": "Europe/Berlin",
                "preferred_currency": "EUR",
            },
        }
    ]
}


def refusal(status: int, code: str, detail: str) -> httpx2.Response:
    problem = {"id": "1", "status": status, "code": code, "title": detail, "detail": detail, "source": {"pointer": "/data/"}}
    return httpx2.Response(status, json={"errors": [problem]})


NOT_AUTHENTICATED = refusal(401, "not_authenticated", "Missing or invalid authorization scheme.")
NO_PERMISSION = refusal(403, "permission_denied", "You do not have permission to perform this action.")


class Klaviyo:
    """``answers`` maps a path to what it gives; ``seen`` are the requests."""

    def __init__(self) -> None:
        empty = httpx2.Response(200, json={"data": []})
        self.answers: dict[str, Any] = {"/api/accounts": httpx2.Response(200, json=ACCOUNT)}
        self.answers |= dict.fromkeys(("/api/metrics", "/api/custom-metrics", "/api/events", "/api/profiles"), empty)
        self.answers |= dict.fromkeys(("/api/catalog-items", "/api/profile-import", "/api/lists"), empty)
        self.seen: list[httpx2.Request] = []

    async def answer(self, request: httpx2.Request) -> httpx2.Response:
        self.seen.append(request)
        found = self.answers[request.url.path]
        if callable(found):
            found = found(request)
        if isinstance(found, Exception):
            raise found
        return httpx2.Response(found.status_code, headers=found.headers, content=found.content)


@pytest.fixture
def klaviyo() -> Klaviyo:
    return Klaviyo()


@pytest.fixture
async def doors(
    database_url: str, tmp_path: Path, clock: MovedClock, klaviyo: Klaviyo, anyio_backend: str
) -> AsyncIterator[Doors]:
    async with open_doors(database_url, tmp_path, clock, transport=httpx2.MockTransport(klaviyo.answer)) as opened:
        yield opened
