"""Why somebody may, or may not: the chain from who they are to the answer, each link a sentence. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from ferrata.access.roles import EVERYWHERE
from ferrata.access.schemas import INSTALLATION_RIGHTS, LEAST_LEVEL, Person, Right, Role, Standing, StoreRole, Token


@dataclass(frozen=True, slots=True)
class Step:
    """One link of the chain. ``holds``: it speaks for it; None: it tells a fact that decides nothing."""

    what: str
    holds: bool | None


@dataclass(frozen=True, slots=True)
class Explanation:
    who: str
    right: Right
    store_id: str | None
    allowed: bool
    steps: tuple[Step, ...]

    @property
    def verdict(self) -> str:
        where = f" in the store {self.store_id}" if self.store_id else " in every store"
        return f"{self.who} {'may' if self.allowed else 'may not'} {self.right}{where}."


def explain_person(person: Person, seats: dict[str, StoreRole], right: Right, store_id: str | None) -> Explanation:
    steps = [Step(f"{person.email} can sign in; in the whole installation they are {person.role}.", None)]
    everywhere = right in person.role.rights
    if everywhere:
        steps.append(Step(f"The installation's role {person.role} holds {right}, in every store.", True))
    else:
        reading = " It holds what reads, and nothing else." if person.role is Role.READER else ""
        decides = False if right in INSTALLATION_RIGHTS or store_id is None else None  # else the store's role does
        steps.append(Step(f"The installation's role {person.role} does not hold {right}.{reading}", decides))
        if right in INSTALLATION_RIGHTS:
            steps.append(Step(f"{right} concerns every store at once, so no role in a store can hold it.", False))
        elif store_id is None:
            steps.append(Step("No store was named, and a role in a store counts in that store alone.", False))
        else:
            steps.extend(_seat_steps(seats.get(store_id), right, store_id))
    allowed = everywhere or steps[-1].holds is True
    return Explanation(person.email, right, store_id, allowed, tuple(steps))


def _seat_steps(seat: StoreRole | None, right: Right, store_id: str) -> Iterator[Step]:
    if seat is None:
        yield Step(f"They have no role in the store {store_id}.", False)
        return
    own = "" if seat.name in EVERYWHERE else ", which this store made"
    yield Step(f"In the store {store_id} they are {seat.name}{own}, level {seat.level}.", None)
    if right not in seat.rights:
        yield Step(f"The role {seat.name} does not hold {right}.", False)
        return
    yield Step(f"The role {seat.name} holds {right}.", True)
    if least := LEAST_LEVEL.get(right):
        reaches = seat.level >= least
        yield Step(f"{right} needs the level {least} as well, and {seat.level} {'is enough' if reaches else 'is not'}.", reaches)


def explain_token(token: Token, held: Standing, right: Right, store_id: str | None, now: datetime) -> Explanation:
    scope = f"for the store {token.store_id}" if token.store_id else "for every store"
    steps = [Step(f"The token {token.name!r} ({token.hint}…) was made {scope}.", None)]
    if token.revoked_at:
        steps.append(Step(f"It was revoked at {token.revoked_at:%Y-%m-%d %H:%M} UTC.", False))
    if token.expires_at and token.expires_at <= now:
        steps.append(Step(f"It expired at {token.expires_at:%Y-%m-%d %H:%M} UTC.", False))
    if token.store_id and store_id != token.store_id:
        asked = f"asked about is {store_id}" if store_id else "no store was named"
        steps.append(Step(f"It counts in the store {token.store_id} alone, and {asked}.", False))
    holds = right in token.rights
    steps.append(Step(f"Its scopes {'hold' if holds else 'do not hold'} {right}.", holds))
    if held.maker:
        may = right in held.rights
        if may or holds:
            steps.append(Step(f"It was made by {held.maker}, who {'may' if may else 'may not'} do that there now.", may))
    allowed = all(step.holds is not False for step in steps)
    return Explanation(f"The token {token.name!r}", right, store_id, allowed, tuple(steps))
