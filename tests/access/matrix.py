"""What the matrix is made of: every route of the application, two stores with something in them, and everybody who may knock.

Nothing here names a route: those that are added later are found, filled with the first store's own ids, and tried.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx2
from sqlalchemy import select

from ferrata.access.http import KNOWN, STORE_IN_PATH, declared_rights
from ferrata.access.schemas import AT_THE_SERVER, STORE_RIGHTS, Browser, Person, Right
from ferrata.audit.schemas import SYSTEM
from ferrata.infra.columns import metadata
from tests.access.people import person, second_store
from tests.doors import PASSWORD, Doors

CANARY = "Q7canary"
OWN, FOREIGN = "default", "second"
SAFE = {"GET", "HEAD", "OPTIONS"}
REFUSALS = {"lacks_right", "other_store", "no_store"}
UNCOUNTED = {"audit_records", "audit_unsealed", "allowances", "sessions", "known_browsers", "leases", "processes"}
"""Tables in which a refused attempt, or a sign-in, may leave a trace."""


@dataclass(frozen=True)
class Door:
    """One route and method. ``right``: what it declares; KNOWN: that one is known; None: public."""

    method: str
    path: str
    right: Right | str | None

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def changes(self) -> bool:
        return self.method not in SAFE


@dataclass(frozen=True)
class Town:
    """Two stores; what is in the first carries the canary, and ``ids`` are what its routes are filled with."""

    doors: Doors
    ids: dict[str, str]

    def path(self, door: Door, store_id: str = OWN) -> str:
        def fill(place: re.Match[str]) -> str:
            name = place[1].partition(":")[0]
            if name in STORE_IN_PATH:
                return store_id
            fitting = next((value for part, value in self.ids.items() if part in name.lower()), None)
            return fitting or self.ids["event"]

        return re.sub(r"\{([^}]+)\}", fill, door.path)

    async def knock(self, door: Door, headers: dict[str, str], store_id: str = OWN, *, named: bool = True) -> httpx2.Response:
        """Try a route with the first store's ids in its path and body, naming the store in the header or not."""
        naming = {"ferrata-store": store_id} if named else {}
        body: dict[str, Any] = {"data": {}} if door.path.startswith("/ui") else {"json": self.body()}
        content = body if door.changes else {}
        client = self.doors.client
        client.cookies.clear()
        query = {"email": self.ids["email"]} if door.method == "GET" else {}
        return await client.request(
            door.method, self.path(door, store_id), headers=headers | naming, params=query, **content, timeout=20
        )

    def body(self) -> dict[str, Any]:
        return {"ids": [self.ids["event"]], "dryRun": False, "role": "viewer", "email": self.ids["email"]}

    async def rows(self) -> dict[str, list[str]]:
        """Everything in the database that is the first store's, or nobody's in particular."""

        def read(connection: Any) -> dict[str, list[str]]:
            found = {}
            for table in metadata.sorted_tables:
                if table.name not in UNCOUNTED:
                    hidden = {"used_at", "seen_at", "signed_in_at"}
                    columns = [column for column in table.columns if column.name not in hidden]
                    mine = select(*columns)
                    if "store_id" in table.columns:
                        mine = mine.where(table.c.store_id != FOREIGN)
                    found[table.name] = sorted(repr(tuple(row)) for row in connection.execute(mine))
            return found

        read_rows: dict[str, list[str]] = await self.doors.wiring.database.read(read)
        return read_rows


def every_door(doors: Doors) -> Iterator[Door]:
    for route, right in declared_rights(doors.app.routes):
        if route.path and "/static/" not in route.path:
            for method in sorted((route.methods or set()) - {"HEAD"}):
                yield Door(method, route.path, right)


def guarded_doors(doors: Doors) -> list[Door]:
    return [door for door in every_door(doors) if door.right is not None and door.right != KNOWN]


async def built(doors: Doors) -> Town:
    """The first store holds an event, a person, a token, a member, an invitation and a role, each with the canary."""
    doors.wiring.stopping.set()  # streams end with their first message
    await second_store(doors)
    access = doors.wiring.access
    member = await person(doors, f"{CANARY}member", default="owner")
    token = await access.tokens.create(f"{CANARY} token", actor=SYSTEM, store_id=OWN, rights=STORE_RIGHTS)
    email = "somebody.known@example.com"  # what is put into a request may be echoed, so it carries no canary
    invited = await access.invitations.invite(OWN, email, "viewer", by=AT_THE_SERVER)
    role = await access.roles.create(OWN, "known_role", frozenset({Right.EVENTS_READ}), by=AT_THE_SERVER)
    body = {"eventName": f"{CANARY} event", "email": email, "eventId": f"{CANARY}-1", "eventAttributes": {"is": CANARY}}
    accepted = await doors.client.post("/events", json=body, headers={"authorization": f"Bearer {token.secret}"})
    assert accepted.status_code in (201, 202), accepted.text
    session = await access.sign_in(member.email, PASSWORD, _somewhere())
    theirs = (await access.sessions.all(session.person.id))[0]
    ids = {
        "email": email,
        "token": token.token.id,
        "person": member.id,
        "session": theirs.id,
        "invitation": invited.link.id,
        "role": role.name,
        "family": "events",
        "secret": "frt_once_nothing",
        "event": accepted.json()["id"],
    }
    return Town(doors, ids)


def _somewhere() -> Browser:
    return Browser("192.0.2.44", "tests")


async def cookie_of(doors: Doors, somebody: Person) -> dict[str, str]:
    signed_in = await doors.wiring.access.sign_in(somebody.email, PASSWORD, _somewhere())
    return {"cookie": f"ferrata_session={signed_in.session_secret}"}


def tells(answer: httpx2.Response) -> bool:
    """Whether what is answered shows anything of the first store."""
    return CANARY.lower() in answer.text.lower() and answer.status_code < 400


def code_of(answer: httpx2.Response) -> str:
    try:
        return str(answer.json().get("code"))
    except (json.JSONDecodeError, AttributeError):
        return ""


def around(answer: httpx2.Response) -> str:
    """What stands around the canary, for whoever reads why a test failed."""
    at = answer.text.lower().find(CANARY.lower())
    return answer.text[max(0, at - 200) : at + 200]
