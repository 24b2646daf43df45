"""Signing in with an OpenID provider: the code flow with PKCE and a nonce, bound to the browser that began it.

Nobody becomes an administrator by it. Whoever is here is recognised by a verified e-mail address, once; afterwards by the
provider's own name for them. Others come in only from the domains that are configured, with no role anywhere.
"""

import base64
import hashlib
import secrets
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlencode

from sqlalchemy import Connection

from ferrata.access import oidc_store, store
from ferrata.access.errors import NobodyHere, ProviderRefused, TooManyGuesses
from ferrata.access.oidc_provider import Identity, Provider, Registration
from ferrata.access.people import People, check_email
from ferrata.access.schemas import Browser, OidcAttempt, Person, Role, SignedIn
from ferrata.access.sessions import Sessions
from ferrata.audit.schemas import Actor
from ferrata.audit.service import Audit
from ferrata.infra.allowance import Allowance
from ferrata.infra.crypto import digest
from ferrata.infra.database import Database
from ferrata.infra.errors import Rejected
from ferrata.infra.settings import Environment, Settings
from ferrata.kit.clock import Clock
from ferrata.kit.ids import new_id
from ferrata.kit.names import is_name

BEGIN, CALLBACK = "/sign-in/oidc", "/sign-in/oidc/callback"
GOOD_FOR = timedelta(minutes=10)
_BEGINNINGS = Allowance(30, timedelta(minutes=15))


@dataclass(frozen=True, slots=True)
class Begun:
    """Where to send the browser, and the secret that it has to bring back in its cookie."""

    url: str
    browser_secret: str


def registration_of(settings: Settings) -> Registration | None:
    """How this Ferrata is known at an OpenID provider; None where none is configured.

    Raises:
        Rejected: the settings name a provider only in part, or one that is reached in clear, in production.
    """
    issuer, secret = settings.oidc_issuer, settings.oidc_client_secret
    given = {
        "FERRATA_OIDC_ISSUER": issuer,
        "FERRATA_OIDC_CLIENT_ID": settings.oidc_client_id,
        "FERRATA_OIDC_CLIENT_SECRET": secret,
    }
    if not any(given.values()):
        return None
    if not issuer or not settings.oidc_client_id or secret is None:
        missing = ", ".join(name for name, value in given.items() if not value)
        raise Rejected(f"To sign in with an OpenID provider, {missing} must be set as well.")
    if settings.environment is Environment.PRODUCTION and not issuer.startswith("https://"):
        raise Rejected("FERRATA_OIDC_ISSUER must begin with https:// in production.")
    domains = frozenset(part.strip().lower().lstrip("@") for part in settings.oidc_domains.split(",") if part.strip())
    redirect_uri = settings.public_address() + CALLBACK
    return Registration(issuer, settings.oidc_client_id, secret.get_secret_value(), settings.oidc_name, domains, redirect_uri)


class Oidc:
    def __init__(
        self, database: Database, clock: Clock, audit: Audit, *, people: People, sessions: Sessions, registration: Registration
    ) -> None:
        self._database = database
        self._clock = clock
        self._audit = audit
        self._people = people
        self._sessions = sessions
        self.registration = registration
        self.provider = Provider(registration, clock)

    async def begin(self, wanted: str, browser: Browser) -> Begun:
        """Begin to sign in; afterwards the person is led to ``wanted``, a path of ours.

        Raises:
            TooManyGuesses: 30 in the last 15 minutes from this address.
            ProviderUnavailable: its discovery document cannot be read.
        """
        authorize = await self.provider.door("authorization_endpoint")
        now, mine = self._clock.now(), self.registration
        state, nonce, verifier, known = (secrets.token_urlsafe(32) for _ in range(4))
        attempt = OidcAttempt(digest(known), nonce, verifier, wanted, now + GOOD_FOR)

        def work(connection: Connection) -> timedelta | None:
            wait = _BEGINNINGS.take(connection, f"guesses/oidc/{browser.address[:64]}", now)
            if wait is None:
                oidc_store.forget_expired_attempts(connection, now)
                oidc_store.add_attempt(connection, digest(state), attempt)
            return wait

        wait = await self._database.write(work)
        if wait is not None:
            raise TooManyGuesses(wait)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        asked = {
            "response_type": "code",
            "client_id": mine.client_id,
            "redirect_uri": mine.redirect_uri,
            "scope": "openid email profile",
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        return Begun(f"{authorize}{'&' if '?' in authorize else '?'}{urlencode(asked)}", known)

    async def complete(self, state: str, code: str, browser_secret: str | None, browser: Browser) -> tuple[SignedIn, str]:
        """End what was begun: who signed in, and where they wanted to go.

        Raises:
            ProviderRefused: it was not begun in this browser, was ended already or too late, or the provider does not vouch.
            NobodyHere: nobody has this address here, and it is of no domain that may come by itself.
            ProviderUnavailable: the provider does not answer. The attempt is used up; it is begun again.
        """
        now = self._clock.now()
        attempt = await self._database.write(lambda connection: oidc_store.take_attempt(connection, digest(state)))
        mine = browser_secret is not None and attempt is not None and digest(browser_secret) == attempt.browser_hash
        if attempt is None or not mine or attempt.expires_at <= now:
            raise ProviderRefused("This sign-in was not begun in this browser, was ended already, or took too long. Begin again.")
        identity = await self.provider.identify(code, attempt.verifier, attempt.nonce)
        person = await self._database.write(lambda connection: self._recognised(connection, identity))
        return await self._sessions.open_for(person, browser, via="oidc"), attempt.wanted

    def _recognised(self, connection: Connection, identity: Identity) -> Person:
        issuer = self.registration.issuer
        person_id = oidc_store.person_id_of(connection, issuer, identity.subject)
        if person_id is not None and (person := store.person_by_id(connection, person_id)) is not None:
            return person
        found = store.find_person(connection, identity.email)
        person = found[0] if found else self._newcomer(connection, identity)
        if oidc_store.is_linked(connection, issuer, person.id):
            # The provider gave an address to somebody else: they are not the one whom we know by it.
            raise NobodyHere("This e-mail address belongs to somebody else here.")
        now = self._clock.now()
        oidc_store.link(connection, issuer, identity.subject, person.id, now)
        actor = Actor("person", person.id, person.name)
        self._audit.record(connection, actor, "access.identity_linked", f"person/{person.id}", after={"issuer": issuer})
        return person

    def _newcomer(self, connection: Connection, identity: Identity) -> Person:
        email = check_email(identity.email)
        if email.rpartition("@")[2] not in self.registration.domains:
            raise NobodyHere
        now = self._clock.now()
        name = identity.name.strip() if is_name(identity.name.strip()) else email.partition("@")[0]
        person = Person(new_id(now), email, name, Role.MEMBER, now, None)
        self._people.add(connection, person, "", Actor("system", "oidc", self.registration.name))
        return person
