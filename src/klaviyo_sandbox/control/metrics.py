"""Control of metrics: make one of an integration, as the integration would with its first event."""

from typing import Annotated

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from klaviyo_sandbox import metric_store
from klaviyo_sandbox.control.answers import answer, body, problem
from klaviyo_sandbox.sandbox import Sandbox

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=127)]


class NewMetric(msgspec.Struct, forbid_unknown_fields=True):
    """A metric of an integration, such as Placed Order of ``shopify``."""

    account_id: str
    name: Text
    integration: Text


def routes(sandbox: Sandbox) -> list[Route]:
    """Routes of this part."""

    async def make(request: Request) -> Response:
        asked = await body(request, NewMetric)
        if sandbox.tenants.find_account(asked.account_id) is None:
            return problem(404, f"There is no account {asked.account_id}.")
        now = sandbox.clock.timestamp()
        with sandbox.state.transaction():
            metric_id = metric_store.get_or_create(
                sandbox.state, sandbox.ids, asked.account_id, asked.name, now=now, integration=asked.integration
            )
        return answer({"metric_id": metric_id}, 201)

    return [Route("/metrics", make, methods=["POST"])]
