"""From a message to what is sent of it: the source's mapping, the merchant's own mapper, the merchant's rules. No I/O."""

import traceback
from collections.abc import Callable, Mapping
from functools import cache
from importlib.metadata import entry_points

import structlog

from ferrata.infra.errors import Problem
from ferrata.sources.applying import apply
from ferrata.sources.contract import Later, LookedUp, Mapped, Message, Refused
from ferrata.sources.errors import MapperFailed
from ferrata.sources.schemas import Configuration, Outcome, State

log = structlog.get_logger()

GROUP = "ferrata.mappers"
Mapper = Callable[[Message, Mapped, LookedUp], Mapped]
"""A merchant's own code: given what the source mapped, it gives what is to be sent instead."""


@cache
def mappers() -> Mapping[str, Mapper]:
    """The mappers that are installed, by name."""
    return {entry.name: entry.load() for entry in entry_points(group=GROUP)}


def map_message(configuration: Configuration, message: Message, looked_up: LookedUp) -> Mapped:
    """What the message means under this configuration.

    Raises:
        Refused: the source cannot understand the message.
        Later: something is not known yet.
        MapperFailed: the merchant's own mapper, or the source's, has a fault.
    """
    source = configuration.source
    try:
        mapped = source.map(message, looked_up, configuration.settings)
    except (Refused, Later):
        raise
    except Exception as error:
        raise MapperFailed(f"{source.title}'s mapping failed: {_last_line(error)}") from error
    mapped = _own_mapper(configuration, message, mapped, looked_up)
    return apply(configuration.rules, mapped, message, configuration.salt)


def outcome_of(configuration: Configuration, message: Message, looked_up: LookedUp) -> Outcome:
    """As ``map_message``, with what was raised as an outcome. A fault in code refuses: the same message would fail again."""
    try:
        mapped = map_message(configuration, message, looked_up)
    except Later as later:
        return Outcome(State.WAITING, code=later.code, reason=later.message, seconds=later.seconds)
    except (Refused, MapperFailed) as refused:
        if isinstance(refused, MapperFailed):
            log.exception("sources.mapper_failed", store=message.store_id, source=message.kind, message=message.message_id)
        return Outcome(State.REFUSED, code=refused.code, reason=told(refused.message, refused.problems))
    return Outcome(State.MAPPED if mapped.events or mapped.profiles or mapped.catalog else State.SKIPPED, mapped)


def told(message: str, problems: tuple[Problem, ...]) -> str:
    """An error's message with its problems, for people."""
    return " ".join([message, *(f"{problem.message}." for problem in problems[:5])])


def _own_mapper(configuration: Configuration, message: Message, mapped: Mapped, looked_up: LookedUp) -> Mapped:
    name = configuration.rules.mapper
    if name is None:
        return mapped
    mapper = mappers().get(name)
    if mapper is None:
        raise MapperFailed(f"The mapper {name!r} is not installed here.")
    try:
        changed = mapper(message, mapped, looked_up)
    except (Refused, Later):
        raise
    except Exception as error:
        raise MapperFailed(f"The mapper {name!r} failed: {_last_line(error)}") from error
    if not isinstance(changed, Mapped):
        raise MapperFailed(f"The mapper {name!r} gave {type(changed).__name__} instead of Mapped.")
    return changed


def _last_line(error: Exception) -> str:
    """The end of a traceback: what was raised, and where."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" (line {frames[-1].lineno} of {frames[-1].filename.rpartition('/')[2]})" if frames else ""
    return traceback.format_exception_only(error)[-1].strip()[:500] + place
