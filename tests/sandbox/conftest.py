"""What the sandbox's tests share: a sandbox at a frozen noon, served on a free port, and a caller that judges answers."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from klaviyo_sandbox.clock import Clock
from klaviyo_sandbox.sandbox import Sandbox
from klaviyo_sandbox.server import Running, running
from klaviyo_sandbox.switches import Switches

from . import driving
from .contract import Contract, find_description, load_beside, load_description
from .driving import Caller
from .judged import JudgedCaller

NOON = 1_790_000_000.25
"""A moment in 2026 that is not a whole second."""


@pytest.fixture(scope="session")
def openapi() -> dict[str, Any]:
    """Klaviyo's API description; tests that need it skip where it is not at hand."""
    return load_description()


@pytest.fixture(scope="session")
def rate_limits() -> dict[str, Any]:
    """Rate limits and scopes of all operations as data; tests that need them skip where they are not at hand."""
    return load_beside("klaviyo-rate-limits.json")


@pytest.fixture(scope="session")
def contract() -> Contract | None:
    """The judge of answers; None where the description is not at hand (`test_contract.py` says so by skipping)."""
    return Contract(load_description()) if find_description() else None


@pytest.fixture(scope="session")
def standing() -> Iterator[Running]:
    """A served sandbox that all tests use one after another: serving one for each takes a tenth of a second."""
    sandbox = Sandbox(clock=Clock(start=NOON, scale=0))
    with running(sandbox) as served_sandbox:
        yield served_sandbox
    sandbox.close()


@pytest.fixture
def served(standing: Running) -> Running:
    """The standing sandbox as new: rate limits on, its clock standing still at a whole noon."""
    sandbox = standing.sandbox
    sandbox.clock = Clock(start=driving.NOON, scale=0)
    sandbox.switch(**msgspec.to_builtins(Switches()))
    sandbox.limits.scale, sandbox.limits.owner_scales, sandbox.limits.neighbour_share = 1.0, {}, 0.0
    sandbox.reset()
    return standing


@pytest.fixture
def sandbox(served: Running) -> Sandbox:
    """Empty, without rate limits, at a moment that is not a whole second."""
    served.sandbox.clock.set(NOON)
    served.sandbox.switch(limits=False)
    return served.sandbox


@pytest.fixture
def url(sandbox: Sandbox, standing: Running) -> str:
    """Where the sandbox listens."""
    return standing.url


@pytest.fixture
def klaviyo(url: str, contract: Contract | None) -> JudgedCaller:
    """A caller with full access."""
    return JudgedCaller(url, contract)


@pytest.fixture
def caller(served: Running) -> Caller:
    """A caller with full access to `served`, for answers that are meant to be strange."""
    return Caller(served.url)
