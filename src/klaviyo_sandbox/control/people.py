"""Control of what people do outside of the API: confirm a double opt-in, bounce, complain."""

from typing import Literal

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from klaviyo_sandbox import consents, profile_store, subscribing
from klaviyo_sandbox.control.answers import answer, body, problem
from klaviyo_sandbox.deferred import Turn
from klaviyo_sandbox.sandbox import Sandbox


class Confirmation(msgspec.Struct, forbid_unknown_fields=True):
    """The person behind an e-mail address or phone number confirms every pending opt-in."""

    account_id: str
    address: str


class Suppression(msgspec.Struct, forbid_unknown_fields=True):
    """Something happened to a message that makes Klaviyo suppress its address."""

    account_id: str
    email: str
    reason: Literal["HARD_BOUNCE", "INVALID_EMAIL", "SPAM_COMPLAINT"]


def routes(sandbox: Sandbox) -> list[Route]:
    """Routes of this part."""

    async def confirm(request: Request) -> Response:
        asked = await body(request, Confirmation)
        with sandbox.state.transaction():
            return answer({"confirmed": subscribing.confirm(_turn(sandbox, asked.account_id), asked.address)})

    async def suppress(request: Request) -> Response:
        asked = await body(request, Suppression)
        profile_id = profile_store.owner_of(sandbox.state, asked.account_id, "email", asked.email)
        if profile_id is None:
            return problem(404, f"No profile of {asked.account_id} has the address {asked.email}.")
        turn = _turn(sandbox, asked.account_id)
        with sandbox.state.transaction():
            if consents.suppress(sandbox.state, profile_id, asked.reason, turn.timestamp):
                sandbox.journal.effect(turn, "suppressed", subject=asked.reason, profile_id=profile_id)
        return answer({"profile_id": profile_id})

    return [
        Route("/people/confirm", confirm, methods=["POST"]),
        Route("/people/suppress", suppress, methods=["POST"]),
    ]


def _turn(sandbox: Sandbox, account_id: str) -> Turn:
    """What happens outside of the API is caused by no request, so by number 0."""
    return Turn(sandbox, account_id, 0, sandbox.clock.timestamp())
