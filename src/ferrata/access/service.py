"""Who may do what: the people, sessions and tokens of one installation, and the two questions every door asks."""

from ferrata.access import member_store
from ferrata.access.explanation import Explanation, explain_person, explain_token
from ferrata.access.first_administrator import FirstAdministrator
from ferrata.access.invitations import Invitations
from ferrata.access.letters import Letters
from ferrata.access.members import Members
from ferrata.access.oidc import Oidc
from ferrata.access.oidc_provider import Registration
from ferrata.access.own_roles import OwnRoles
from ferrata.access.passwords import Passwords
from ferrata.access.people import People
from ferrata.access.resets import Resets
from ferrata.access.roles import right_named
from ferrata.access.schemas import Browser, Principal, Right, SignedIn
from ferrata.access.sessions import Sessions
from ferrata.access.tokens import Tokens
from ferrata.audit.service import Audit
from ferrata.infra.database import Database
from ferrata.infra.errors import NotFound, Problem, Rejected
from ferrata.kit.clock import Clock


class Access:
    def __init__(
        self,
        database: Database,
        clock: Clock,
        audit: Audit,
        passwords: Passwords | None = None,
        *,
        registration: Registration | None = None,
        letters: Letters | None = None,
    ) -> None:
        """``registration``: at an OpenID provider with which people may sign in. ``letters``: how links reach people."""
        passwords = passwords or Passwords()
        self._database = database
        self._clock = clock
        self.letters = letters or Letters(None, "")
        self.tokens = Tokens(database, clock, audit)
        self.people = People(database, clock, audit, passwords)
        self.sessions = Sessions(database, clock, audit, passwords)
        self.members = Members(database, clock, audit)
        self.roles = OwnRoles(database, clock, audit)
        self.invitations = Invitations(database, clock, audit, self.people, self.members)
        self.oidc = (
            Oidc(database, clock, audit, people=self.people, sessions=self.sessions, registration=registration)
            if registration
            else None
        )
        self.resets = Resets(database, clock, audit, self.people, passwords)
        self.first_administrator = FirstAdministrator(database, clock, self.people)

    async def authenticate_token(self, token: str) -> Principal | None:
        """Who holds this token; None if it is unknown, expired or revoked (seen within 2 s)."""
        return await self.tokens.authenticate(token)

    async def authenticate_session(self, secret: str) -> Principal | None:
        """Who is signed in with this cookie; None if nobody is any more."""
        return await self.sessions.authenticate(secret)

    async def sign_in(self, email: str, password: str, browser: Browser) -> SignedIn:
        """See ``Sessions.sign_in``."""
        return await self.sessions.sign_in(email, password, browser)

    async def explain(self, who: str, right: str, store_id: str | None, *, within: str | None = None) -> Explanation:
        """Why a person (by e-mail address or id) or a token (by id, name or first characters) may or may not do something.

        Args:
            within: tell only of members and tokens of this store: whoever asks has no business with others.

        Raises:
            NotFound: there is nobody and no token of that name.
            Rejected: there is no such right.
        """
        wanted = right_named(right)
        if wanted is None:
            raise Rejected(problems=(Problem("right", f"right must be one of {', '.join(sorted(Right))}"),))
        person = await self.people.find(who)
        if person is not None:
            seats = await self._database.read(lambda connection: member_store.seats_of(connection, person.id))
            if within is not None and within not in seats:
                raise NotFound(f"There is no member and no token {who!r} in this store.")
            return explain_person(person, seats, wanted, store_id)
        token = await self.tokens.find(who)
        if token is None or within not in (None, token.store_id):
            raise NotFound(f"There is no person and no token {who!r}.")
        return explain_token(token, await self.tokens.standing_of(token), wanted, store_id, self._clock.now())
