"""``ferrata tokens`` and ``ferrata people``; members and explanations are in ``store_commands.py``."""

import secrets
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from getpass import getpass
from typing import Annotated

from cyclopts import App, Parameter

from ferrata.access.http import ChooseStore
from ferrata.access.schemas import ALL_RIGHTS, AT_THE_SERVER, STORE_TOKEN, Right, Role, rights_of
from ferrata.access.service import Access
from ferrata.audit.schemas import COMMAND_LINE
from ferrata.infra.errors import Problem, Rejected
from ferrata.infra.terminal import Terminal


@dataclass(frozen=True, slots=True)
class Desk:
    """What these commands work with."""

    access: Access
    choose_store: ChooseStore
    address: str  # how people reach the pages, for links


MOST_HOURS = 720
Opened = Callable[[], AbstractAsyncContextManager[Desk]]
Json = Annotated[bool, Parameter(name="--json", help="Answer with JSON.")]


def tokens(opened: Opened) -> App:
    app = App(name="tokens", help="Tokens of programs: make, list, revoke.")

    @app.command
    async def create(
        name: str,
        *,
        store: str | None = None,
        right: list[str] | None = None,
        all_rights: bool = False,
        days: int | None = None,
        json: Json = False,
    ) -> None:
        """Make a token and show it, this once.

        Parameters
        ----------
        name
            The program that will use it, such as shop-backend.
        store
            The only store that it is for. Default: every store.
        right
            A right such as events:write; may be given several times. Default: working with events and deliveries.
        all_rights
            Everything, keys, people and tokens included.
        days
            After how many days it expires. Default: never.
        """
        rights = ALL_RIGHTS if all_rights else _rights(right) if right else STORE_TOKEN
        expires_at = datetime.now(UTC) + timedelta(days=days) if days else None
        async with opened() as desk:
            store_id = await desk.choose_store(store) if store else None
            created = await desk.access.tokens.create(
                name, actor=COMMAND_LINE, store_id=store_id, rights=rights, expires_at=expires_at
            )
        fields = {"id": created.token.id, "token": created.secret, "store": store, "rights": rights, "expires_at": expires_at}
        Terminal(as_json=json).answer(fields, said=created.secret)

    @app.command(name="list")
    async def list_tokens(*, store: str | None = None, json: Json = False) -> None:
        """Every token, newest first, by its first characters."""
        async with opened() as desk:
            found = await desk.access.tokens.all(store)
        rows = [
            {
                "id": token.id,
                "name": token.name,
                "starts_with": token.hint,
                "store": token.store_id,
                "last_used": token.used_at,
                "expires": token.expires_at,
                "revoked": token.revoked_at,
            }
            for token in found
        ]
        columns = ["id", "name", "starts_with", "store", "last_used", "expires", "revoked"]
        Terminal(as_json=json).rows(columns, rows, nothing="No token yet. Make one: ferrata tokens create NAME")

    @app.command
    async def rotate(token_id: str, *, keep_old_hours: int = 24, json: Json = False) -> None:
        """Make a new secret with the same scope and show it, this once; the old one stays good for a while.

        Parameters
        ----------
        keep_old_hours
            For how many hours the old secret stays good; 0 ends it at once.
        """
        if not 0 <= keep_old_hours <= MOST_HOURS:
            raise Rejected(f"--keep-old-hours goes from 0 to {MOST_HOURS}.")
        async with opened() as desk:
            created = await desk.access.tokens.rotate(token_id, actor=COMMAND_LINE, keep_old_hours=keep_old_hours)
        Terminal(as_json=json).answer({"id": created.token.id, "token": created.secret}, said=created.secret)

    @app.command
    async def revoke(token_id: str, *, keep_made: bool = False, json: Json = False) -> None:
        """End a token; programs that use it are refused within two seconds.

        Parameters
        ----------
        keep_made
            Leave alone what was made with it. Default: tokens made with it end too, and open invitations are withdrawn.
        """
        async with opened() as desk:
            made = await desk.access.tokens.made_with(token_id)
            token = await desk.access.tokens.revoke(token_id, actor=COMMAND_LINE, keep_made=keep_made)
        said = f"The token {token.name!r} is revoked."
        if made:
            done = "was kept" if keep_made else "has ended too"
            said += f" What was made with it {done}: {', '.join((*made.tokens, *made.invited))}."
        answer = {"id": token.id, "name": token.name, "made_tokens": made.tokens, "invited": made.invited, "kept": keep_made}
        Terminal(as_json=json).answer(answer, said=said)

    return app


def people(opened: Opened) -> App:
    app = App(name="people", help="Who may sign in to the pages.")

    @app.command
    async def create(email: str, *, name: str = "", role: Role = Role.READER, json: Json = False) -> None:
        """Add a person. The password is read from the terminal, or from standard input where there is none."""
        password, made = _password()
        async with opened() as desk:
            person = await desk.access.people.create(email, name, password, role, actor=COMMAND_LINE)
        _tell_person(Terminal(as_json=json), person.email, person.role, made)

    @app.command(name="list")
    async def list_people(*, json: Json = False) -> None:
        """Who is here, with their roles."""
        async with opened() as desk:
            found = await desk.access.people.all()
        rows = [
            {"email": person.email, "name": person.name, "role": person.role, "last_sign_in": person.signed_in_at}
            for person in found
        ]
        nothing = "Nobody yet. Start Ferrata and open /setup, or: ferrata people create EMAIL --role administrator"
        Terminal(as_json=json).rows(["email", "name", "role", "last_sign_in"], rows, nothing=nothing)

    @app.command
    async def reset_password(email: str, *, json: Json = False) -> None:
        """Give a person a new password, sign them out everywhere, and forget wrong guesses."""
        async with opened() as desk:
            person = await desk.access.people.by_email(email)
            password, made = _password()
            await desk.access.people.set_password(person, password, actor=COMMAND_LINE)
        _tell_person(Terminal(as_json=json), person.email, person.role, made)

    _add_changes(app, opened)
    return app


def _add_changes(app: App, opened: Opened) -> None:
    @app.command
    async def change(email: str, role: Role, *, json: Json = False) -> None:
        """Give a person another role in the whole installation; they sign in again."""
        async with opened() as desk:
            person = await desk.access.people.by_email(email)
            await desk.access.people.set_role(person.id, role, by=AT_THE_SERVER)
        Terminal(as_json=json).answer({"email": person.email, "role": role}, said=f"{person.email} is {role} from now on.")

    @app.command
    async def remove(email: str, *, keep_tokens: bool = False, json: Json = False) -> None:
        """Remove a person: sessions end, and tokens that they made are revoked, unless they are to be kept."""
        async with opened() as desk:
            person = await desk.access.people.by_email(email)
            await desk.access.people.remove(person.id, by=AT_THE_SERVER, keep_tokens=keep_tokens)
        Terminal(as_json=json).answer({"email": person.email}, said=f"{person.email} cannot sign in any more.")

    @app.command
    async def sessions(email: str | None = None, *, end: bool = False, json: Json = False) -> None:
        """Where people are signed in now.

        Parameters
        ----------
        email
            Whose sessions. Default: everybody's.
        end
            End them, too.
        """
        async with opened() as desk:
            person = await desk.access.people.by_email(email) if email else None
            found = await desk.access.sessions.all(person.id if person else None)
            for session in found if end else ():
                await desk.access.sessions.end(session.id, actor=COMMAND_LINE)
            names = {each.id: each.email for each in await desk.access.people.all()}
        rows = [
            {"email": names.get(each.person_id), "browser": each.agent, "address": each.address, "last_seen": each.seen_at}
            for each in found
        ]
        Terminal(as_json=json).rows(["email", "browser", "address", "last_seen"], rows, nothing="Nobody is signed in.")


def _rights(names: list[str]) -> frozenset[Right]:
    problems = [Problem("right", f"there is no right {name!r}") for name in names if name not in set(Right)]
    if problems:
        raise Rejected("The rights are: " + ", ".join(sorted(Right)), problems=tuple(problems))
    return rights_of(names)


def _password() -> tuple[str, str | None]:
    """The password, and again if it was made here because an empty one was given."""
    given = getpass("Password (empty: make one): ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
    if given:
        return given, None
    made = "-".join(secrets.token_hex(3) for _ in range(4))
    return made, made


def _tell_person(terminal: Terminal, email: str, role: Role, password: str | None) -> None:
    fields = {"email": email, "role": role} | ({"password": password} if password else {})
    said = f"{email} can sign in as {role}." + (f" The password is: {password}" if password else "")
    terminal.answer(fields, said=said)
