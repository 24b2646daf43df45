"""Faults on purpose: rules that say which requests are mistreated, when, how often and in which way.

A rule matches requests and carries one `Effect`. The first rule that strikes decides the answer; `late_drop` and
`poison` rules act on what is executed and add up. `fault_presets` names the usual effects.
"""

import fnmatch
import random
from dataclasses import dataclass, field
from typing import Any

import msgspec

from klaviyo_sandbox.exchange import Arrival
from klaviyo_sandbox.fault_presets import PRESETS, Effect, Poison


class Conditions(msgspec.Struct, forbid_unknown_fields=True):
    """Which requests a rule is about; absent conditions match all. Path and operation may hold `*` wildcards."""

    method: str | None = None
    path: str | None = None
    operation: str | None = None
    account: str | None = None
    key: str | None = None
    body_contains: str | None = None

    def head_fits(self, arrival: Arrival) -> bool:
        """Whether the request line and the caller fit."""
        caller, operation = arrival.credential, arrival.operation
        return (
            (self.method is None or self.method.upper() == arrival.method)
            and (self.path is None or fnmatch.fnmatchcase(arrival.raw_path.rstrip("/"), self.path.rstrip("/")))
            and (self.operation is None or (operation is not None and fnmatch.fnmatchcase(operation.id, self.operation)))
            and (self.account is None or (caller is not None and caller.account_id == self.account))
            and (self.key is None or (caller is not None and caller.secret == self.key))
        )


class Rule(msgspec.Struct, forbid_unknown_fields=True):
    """One rule. Of the requests that fit, the first `skip` pass, only the `nth` (from 1) is hit if given, each further
    one with `probability`, until it has struck `times` times."""

    effect: str | Effect
    name: str = ""
    match: Conditions = msgspec.field(default_factory=Conditions)
    skip: int = 0
    nth: int | None = None
    times: int | None = None
    probability: float = 1.0
    seed: int | None = None


class UnusableRule(ValueError):
    """A rule that makes no sense; the text says why."""


@dataclass(slots=True)
class ActiveRule:
    """A rule at work: how many requests fitted and how many were struck."""

    id: int
    rule: Rule
    effect: Effect
    random: random.Random
    seen: int = 0
    hits: int = 0

    @property
    def spent(self) -> bool:
        """Whether the rule has struck as often as it may."""
        return self.rule.times is not None and self.hits >= self.rule.times

    def strikes(self) -> bool:
        """Count one fitting request and say whether it is hit."""
        self.seen += 1
        if self.spent or self.seen <= self.rule.skip or (self.rule.nth is not None and self.seen != self.rule.nth):
            return False
        if self.rule.probability < 1 and self.random.random() >= self.rule.probability:
            return False
        self.hits += 1
        return True

    def summary(self) -> dict[str, Any]:
        """The rule and its counters, for the control API."""
        return {"id": self.id, "seen": self.seen, "hits": self.hits, "spent": self.spent, **msgspec.to_builtins(self.rule)}


@dataclass(slots=True)
class Plan:
    """What is done to one request: at most one effect on its answer, any number on its execution."""

    names: list[str] = field(default_factory=list)
    effect: Effect | None = None
    poisons: list[Poison] = field(default_factory=list)
    late_drop: bool = False

    def add(self, active: ActiveRule) -> None:
        self.names.append(active.rule.name)
        self.late_drop |= active.effect.late_drop
        if active.effect.poison is not None:
            self.poisons.append(active.effect.poison)
        elif not active.effect.late_drop:
            self.effect = active.effect


NO_PLAN = Plan()


class Faults:
    """The active rules of a sandbox, in the order in which they were added."""

    def __init__(self) -> None:
        self._rules: list[ActiveRule] = []
        self._last_id = 0

    def add(self, rule: Rule, *, seed: int | None = None) -> ActiveRule:
        """Activate a rule. `seed` makes its dice repeatable when the rule has none of its own."""
        effect = _resolve(rule)
        self._last_id += 1
        own = rule.seed if rule.seed is not None else (None if seed is None else seed * 1_000 + self._last_id)
        rule.name = rule.name or (rule.effect if isinstance(rule.effect, str) else f"rule-{self._last_id}")
        active = ActiveRule(self._last_id, rule, effect, random.Random(own))
        self._rules.append(active)
        return active

    def remove(self, rule_id: int) -> bool:
        """Deactivate one rule; False when there is none with that id."""
        before = len(self._rules)
        self._rules = [active for active in self._rules if active.id != rule_id]
        return len(self._rules) < before

    def clear(self) -> None:
        """Deactivate all rules."""
        self._rules = []

    def summaries(self) -> list[dict[str, Any]]:
        """All rules with their counters."""
        return [active.summary() for active in self._rules]

    def plan_before_reading(self, arrival: Arrival) -> Plan:
        """What happens to a request whose body has not been read."""
        if not self._rules:
            return NO_PLAN
        return self._plan(arrival, [a for a in self._rules if a.effect.when == "before_read"], b"")

    def plan(self, arrival: Arrival, body: bytes) -> Plan:
        """What happens to a request that is known in full."""
        if not self._rules:
            return NO_PLAN
        return self._plan(arrival, [a for a in self._rules if a.effect.when != "before_read"], body)

    def _plan(self, arrival: Arrival, rules: list[ActiveRule], body: bytes) -> Plan:
        plan = Plan()
        for active in rules:
            changes_answer = not active.effect.late_drop and active.effect.poison is None
            if changes_answer and plan.effect is not None:
                continue
            wanted = active.rule.match.body_contains
            fits = active.rule.match.head_fits(arrival) and (wanted is None or wanted.encode() in body)
            if fits and active.strikes():
                plan.add(active)
        return plan


def _resolve(rule: Rule) -> Effect:
    effect = PRESETS.get(rule.effect) if isinstance(rule.effect, str) else rule.effect
    if effect is None:
        raise UnusableRule(f"no preset is called {rule.effect!r}; there are {', '.join(sorted(PRESETS))}")
    if effect.when == "before_read" and rule.match.body_contains is not None:
        raise UnusableRule("a rule that strikes before the body is read cannot look into the body")
    if not 0 <= rule.probability <= 1:
        raise UnusableRule("probability must lie between 0 and 1")
    return effect
