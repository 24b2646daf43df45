"""Decides, for one event, whether it is sent. Pure: the same event and the same flags, the same answer, in every process."""

import hashlib
from collections.abc import Iterable, Mapping

from ferrata.delivery.schemas import Held
from ferrata.flags.defaults import Defaults
from ferrata.flags.schemas import EVERY_METRIC, Mode, Origin, Rule, Share

Key = tuple[str, str]
BUILT_IN = Rule(Mode.ON, origin=Origin.BUILT_IN, source="nothing else is set")
OFF, OUTSIDE, DRY_RUN = "flag_off", "flag_outside_percentage", "flag_dry_run"
CODES = (OFF, OUTSIDE, DRY_RUN)
_STEPS = 10_000


def rule_for(rules: Mapping[Key, Rule], defaults: Defaults, store_id: str, metric: str) -> Rule:
    """What holds: the metric's own flag, else the store's for every metric, else the environment's default, else on."""
    return rules.get((store_id, metric)) or rules.get((store_id, EVERY_METRIC)) or defaults.rule_for(metric) or BUILT_IN


def decide(rule: Rule, store_id: str, metric: str, person: str) -> Held | None:
    """Why an event is held back; None: it is sent."""
    match rule.mode:
        case Mode.ON:
            return None
        case Mode.OFF:
            return Held(OFF, metric, f"The flag of {metric} was off ({_because(rule)})")
        case Mode.DRY_RUN:
            return Held(DRY_RUN, metric, f"{metric} was in a dry run ({_because(rule)})")
        case Mode.PERCENTAGE:
            if is_included(store_id, person, rule.percentage):
                return None
            why = f"Not among the {rule.percentage} % of profiles to whom {metric} was sent ({_because(rule)})"
            return Held(OUTSIDE, metric, why)


def is_included(store_id: str, person: str, percentage: int) -> bool:
    """Whether a profile is in that share of the store's profiles.

    By a hash of store and person alone: whoever is in stays in as the share grows, and is in for every metric alike.
    """
    digest = hashlib.sha256(f"{store_id}\n{person}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8]) % _STEPS < percentage * _STEPS // 100


def share_of(store_id: str, persons: Iterable[str], percentage: int) -> Share:
    """How many of these a percentage takes."""
    total = included = 0
    for person in persons:
        total += 1
        included += is_included(store_id, person, percentage)
    return Share(total, included, percentage)


def _because(rule: Rule) -> str:
    if rule.origin is Origin.ENVIRONMENT:
        return f"by {rule.source}"
    return f"set by {rule.source}"
