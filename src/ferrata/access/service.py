"""Who may do what: the people, sessions and tokens of one installation, and the two questions every door asks."""

from ferrata.access.first_administrator import FirstAdministrator
from ferrata.access.passwords import Passwords
from ferrata.access.people import People
from ferrata.access.schemas import Browser, Principal, SignedIn
from ferrata.access.sessions import Sessions
from ferrata.access.tokens import Tokens
from ferrata.audit.service import Audit
from ferrata.infra.database import Database
from ferrata.kit.clock import Clock


class Access:
    def __init__(self, database: Database, clock: Clock, audit: Audit, passwords: Passwords | None = None) -> None:
        passwords = passwords or Passwords()
        self.tokens = Tokens(database, clock, audit)
        self.people = People(database, clock, audit, passwords)
        self.sessions = Sessions(database, clock, audit, passwords)
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
