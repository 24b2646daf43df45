"""Control of faults: rules one by one, or a whole chaos profile at once."""

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from klaviyo_sandbox.control.answers import answer, body, problem
from klaviyo_sandbox.fault_presets import PRESETS
from klaviyo_sandbox.faults import Rule
from klaviyo_sandbox.sandbox import Sandbox


class ChaosProfile(msgspec.Struct, forbid_unknown_fields=True):
    """Rules with probabilities and one seed for all their dice. Replaces the active rules unless `replace` is false."""

    rules: list[Rule]
    seed: int | None = None
    replace: bool = True


def routes(sandbox: Sandbox) -> list[Route]:
    """Routes of this part."""

    async def listing(_request: Request) -> Response:
        return answer({"faults": sandbox.faults.summaries()})

    async def add(request: Request) -> Response:
        return answer(sandbox.faults.add(await body(request, Rule)).summary(), 201)

    async def clear(_request: Request) -> Response:
        sandbox.faults.clear()
        return answer({"faults": []})

    async def remove(request: Request) -> Response:
        rule_id = request.path_params["rule_id"]
        if not sandbox.faults.remove(rule_id):
            return problem(404, f"There is no rule {rule_id}.")
        return answer({"faults": sandbox.faults.summaries()})

    async def presets(_request: Request) -> Response:
        return answer({name: msgspec.to_builtins(effect) for name, effect in PRESETS.items()})

    async def chaos(request: Request) -> Response:
        profile = await body(request, ChaosProfile)
        sandbox.unleash(profile.rules, seed=profile.seed, replace=profile.replace)
        return answer({"faults": sandbox.faults.summaries()}, 201)

    return [
        Route("/faults", listing, methods=["GET"]),
        Route("/faults", add, methods=["POST"]),
        Route("/faults", clear, methods=["DELETE"]),
        Route("/faults/presets", presets, methods=["GET"]),
        Route("/faults/{rule_id:int}", remove, methods=["DELETE"]),
        Route("/chaos", chaos, methods=["POST"]),
    ]
