"""A route that is described like any other and runs like a plain one.

FastAPI's own handling of a body and its dependencies costs as much as accepting the event. Such a route stands in the OpenAPI
document through its declaration; when called, it checks the right that it declares and hands over the bare request.
"""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi.routing import APIRoute, APIRouter
from starlette.requests import Request
from starlette.responses import Response

from ferrata.access.http import Needs, authorized


class HotRoute(APIRoute):
    """Its endpoint takes the request alone; of its dependencies exactly one is ``needs(right)``, and none does anything else."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        rights = [dependency.call.right for dependency in self.dependant.dependencies if isinstance(dependency.call, Needs)]
        if len(rights) != 1 or len(self.dependant.dependencies) != 1:
            raise TypeError(f"{self.path} must depend on needs(right) and on nothing else")
        [right] = rights
        endpoint = self.endpoint

        async def checked(request: Request) -> Response:
            await authorized(request, right)
            response: Response = await endpoint(request)
            return response

        return checked


def hot_endpoints(routes: APIRouter) -> dict[str, Callable[[Request], Coroutine[Any, Any, Response]]]:
    """By path, what the hot routes of a router do: for a door that does without the framework's routing."""
    return {route.path: route.get_route_handler() for route in routes.routes if isinstance(route, HotRoute)}
