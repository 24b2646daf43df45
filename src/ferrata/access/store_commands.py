"""``ferrata members`` and ``ferrata access``: who is what in a store, and why somebody may or may not."""

from cyclopts import App

from ferrata.access.commands import Json, Opened
from ferrata.access.documents import rights_named
from ferrata.access.roles import left_out
from ferrata.access.schemas import AT_THE_SERVER
from ferrata.infra.terminal import Terminal

_MARKS = {True: "yes", False: "no ", None: "   "}


def members(opened: Opened) -> App:
    app = App(name="members", help="Who has which role in a store: invite, list, change, remove.")

    @app.command
    async def invite(
        email: str, *, role: str = "viewer", store: str | None = None, mail: bool = False, json: Json = False
    ) -> None:
        """Print a link with which somebody joins the store, or mail it to them; it is good for one use and seven days.

        Parameters
        ----------
        email
            Whom it is for: nobody else can use it.
        role
            owner, admin, manager, analyst, viewer, or a role that the store made.
        store
            Default: the first store.
        mail
            Mail it instead of printing it; what cannot be mailed is printed.
        """
        async with opened() as desk:
            store_id = await desk.choose_store(store)
            made = await desk.access.invitations.invite(store_id, email, role, by=AT_THE_SERVER)
            handed = await desk.access.letters.hand(made, by_mail=mail)
        fields: dict[str, object] = {"id": made.link.id, "url": handed.url, "store": store_id, "role": made.link.role}
        fields |= {"expires_at": made.link.expires_at, "not_mailed": handed.why}
        said = "\n".join(filter(None, [handed.why, handed.url])) or f"The invitation was mailed to {made.link.email}."
        Terminal(as_json=json).answer(fields, said=said)

    @app.command
    async def add(email: str, *, role: str = "viewer", store: str | None = None, json: Json = False) -> None:
        """Give somebody who is here already a role in a store."""
        async with opened() as desk:
            store_id = await desk.choose_store(store)
            person = await desk.access.people.by_email(email)
            await desk.access.members.add(store_id, person, role, by=AT_THE_SERVER)
        fields = {"email": person.email, "store": store_id, "role": role}
        Terminal(as_json=json).answer(fields, said=f"{person.email} is {role} of the store {store_id} now.")

    @app.command(name="list")
    async def list_members(*, store: str | None = None, json: Json = False) -> None:
        """Who has a role in a store."""
        async with opened() as desk:
            found = await desk.access.members.all(await desk.choose_store(store))
        rows = [
            {
                "email": each.email,
                "name": each.name,
                "role": each.role,
                "since": each.created_at,
                "last_sign_in": each.signed_in_at,
            }
            for each in found
        ]
        nothing = "Nobody has a role in this store yet. Administrators work in every store without one."
        Terminal(as_json=json).rows(["email", "name", "role", "since", "last_sign_in"], rows, nothing=nothing)

    @app.command
    async def change(email: str, role: str, *, store: str | None = None, keep_tokens: bool = False, json: Json = False) -> None:
        """Give a member another role. Tokens that they made and that may do more are revoked, unless they are to be kept."""
        async with opened() as desk:
            store_id = await desk.choose_store(store)
            person = await desk.access.people.by_email(email)
            await desk.access.members.change_role(store_id, person.id, role, by=AT_THE_SERVER, keep_tokens=keep_tokens)
        fields = {"email": person.email, "store": store_id, "role": role}
        Terminal(as_json=json).answer(fields, said=f"{person.email} is {role} of the store {store_id} now.")

    @app.command
    async def remove(email: str, *, store: str | None = None, keep_tokens: bool = False, json: Json = False) -> None:
        """Remove somebody from a store. Tokens that they made for it are revoked, unless they are to be kept."""
        async with opened() as desk:
            store_id = await desk.choose_store(store)
            person = await desk.access.people.by_email(email)
            await desk.access.members.remove(store_id, person.id, by=AT_THE_SERVER, keep_tokens=keep_tokens)
        fields = {"email": person.email, "store": store_id}
        Terminal(as_json=json).answer(fields, said=f"{person.email} has no role in the store {store_id} any more.")

    _add_roles(app, opened)
    return app


def _add_roles(app: App, opened: Opened) -> None:
    @app.command(name="roles")
    async def list_roles(*, store: str | None = None, json: Json = False) -> None:
        """The roles of a store, with what each may do: those that every store has, and its own."""
        async with opened() as desk:
            found = await desk.access.roles.all(await desk.choose_store(store))
        rows = [
            {"name": each.name, "level": each.level, "own": each.id is not None, "rights": " ".join(sorted(each.effective))}
            for each in found
        ]
        Terminal(as_json=json).rows(["name", "level", "own", "rights"], rows, nothing="There are no roles.")

    @app.command
    async def make_role(
        name: str, *, right: list[str], level: int | None = None, store: str | None = None, json: Json = False
    ) -> None:
        """Make a role of a store.

        Parameters
        ----------
        name
            Small letters, digits and underscores, such as key_keeper.
        right
            A right such as events:read, or a permission such as manage_integrations; may be given several times.
        level
            From 1 to 99. Default: 50.
        """
        async with opened() as desk:
            store_id = await desk.choose_store(store)
            made = await desk.access.roles.create(store_id, name, rights_named(right), level, by=AT_THE_SERVER)
        fields = {"name": made.name, "level": made.level, "rights": sorted(made.effective), "store": store_id}
        said = " ".join([f"The store {store_id} has the role {made.name}, level {made.level}, now.", *left_out(made)])
        Terminal(as_json=json).answer(fields | {"warnings": left_out(made)}, said=said)

    @app.command
    async def remove_role(name: str, *, store: str | None = None, json: Json = False) -> None:
        """Remove a role that a store made and nobody has."""
        async with opened() as desk:
            store_id = await desk.choose_store(store)
            await desk.access.roles.remove(store_id, name, by=AT_THE_SERVER)
        Terminal(as_json=json).answer({"name": name, "store": store_id}, said=f"The role {name} is removed.")


def access(opened: Opened) -> App:
    app = App(name="access", help="Who may do what, and why.")

    @app.command
    async def explain(who: str, right: str, *, store: str | None = None, json: Json = False) -> None:
        """Say why a person or a token may or may not do something, with every step of the decision.

        Parameters
        ----------
        who
            A person's e-mail address, or a token's id, name or first characters.
        right
            A right such as connections:manage, or a permission such as manage_integrations.
        store
            The store that is asked about.
        """
        async with opened() as desk:
            found = await desk.access.explain(who, right, await desk.choose_store(store) if store else None)
        steps = [{"what": step.what, "holds": step.holds} for step in found.steps]
        fields = {"who": found.who, "right": found.right, "store": found.store_id, "allowed": found.allowed, "steps": steps}
        lines = [found.verdict, *(f"  {_MARKS[step.holds]}  {step.what}" for step in found.steps)]
        Terminal(as_json=json).answer(fields, said="\n".join(lines))

    return app
