"""What to do after each answer of Klaviyo: one pure function, and the only place that decides it.

Three rules stand above it. Nothing that is not the payload's own fault makes a dead letter. A batch is resent byte-identical or
divided, never re-cut. After an attempt of unknown outcome, "repeated" for all of it means that it had been executed.
"""

from dataclasses import dataclass, field, replace
from enum import StrEnum

from ferrata.delivery import schedule
from ferrata.delivery.families import EndpointFamily, Part
from ferrata.delivery.request import Job
from ferrata.klaviyo.outcome import Executed, Kind, Outcome, Problem


class Action(StrEnum):
    DELIVERED = "delivered"
    DEAD = "dead"
    SEPARATE = "separate"  # the named items are dead, the others go on as a batch of their own
    HALVE = "halve"
    ALONE = "alone"  # every item goes on as a single send, which Klaviyo's dedupe makes safe
    RETRY = "retry"
    THROTTLE = "throttle"
    PARK = "park"
    RESHAPE = "reshape"  # the same thing in another form, which helps against this refusal
    FOLLOW = "follow"  # Klaviyo carries the batch out as a job: ask how it stands
    SORT = "sort"  # the job is over: some items go once more alone, the others are delivered
    AGAIN = "again"  # at once, with the other key of a store whose key is being replaced


@dataclass(frozen=True, slots=True)
class Reason:
    """Why something died or was parked; ``pointer`` as Klaviyo gave it."""

    code: str
    detail: str
    pointer: str | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """What is known of the request that was answered."""

    item_count: int
    bulk: bool
    one_person: bool = False  # all items are of one person, whose order must be kept
    uncertain: bool = False  # an earlier attempt may have been executed
    failures: int = 0  # transient failures of this very request, before this one
    others_succeed: bool = False  # something else of this account has succeeded since this request first failed
    expired: bool = False  # older than the longest time that Ferrata tries
    part: Part | None = None  # of a single send
    turns: int = 0  # how often its form has changed already
    other_key: bool = False  # the store's key is being replaced, and the other one has not been refused yet


@dataclass(frozen=True, slots=True)
class Verdict:
    action: Action
    decision: str
    reason: Reason | None = None
    dead: dict[int, Reason] = field(default_factory=dict)
    retry_after_seconds: float | None = None
    uncertain: bool = False
    form: str | None = None  # of RESHAPE
    job: Job | None = None  # of FOLLOW
    alone: frozenset[int] = frozenset()  # of SORT, and of SEPARATE: positions that go on as single sends


_PARKS = {
    Kind.CREDENTIAL: "key_refused",
    Kind.SCOPE: "scope_missing",
    Kind.GONE: "endpoint_gone",
    Kind.NOT_FOUND: "endpoint_gone",  # these endpoints name no resource: their 404 is the endpoint's own
    Kind.NOT_UNDERSTOOD: "not_understood",
    Kind.REDIRECTED: "redirected",
    Kind.UNTRUSTED: "untrusted_server",
}
MOST_TURNS = 4
REST_WITHOUT_SCOPE_SECONDS = 3600.0
_REFUSALS = (Kind.REJECTED, Kind.DUPLICATE_PROFILE, Kind.TOO_LARGE)


def judge(outcome: Outcome, case: Case, family: EndpointFamily) -> Verdict:
    if outcome.is_accepted:
        return Verdict(Action.DELIVERED, "Klaviyo took it.")
    if outcome.kind is Kind.NOT_FOUND and family.names_resources:
        return _refused_single(outcome, case, family)
    if outcome.kind is Kind.CREDENTIAL and case.other_key:
        return Verdict(Action.AGAIN, "Klaviyo refuses a key that is being replaced: sent again at once with the other one.")
    if outcome.kind is Kind.SCOPE and case.bulk and family.job_operation:
        why = f"{outcome.sentence} One by one needs less: each sent alone, and no jobs for an hour."
        return Verdict(Action.ALONE, why, retry_after_seconds=REST_WITHOUT_SCOPE_SECONDS)
    if outcome.kind in _PARKS:
        code = _PARKS[outcome.kind]
        return Verdict(Action.PARK, f"Parked the lane: {outcome.sentence}", Reason(code, outcome.sentence))
    if outcome.kind is Kind.THROTTLED:
        return Verdict(
            Action.THROTTLE,
            "Klaviyo asked to wait; this does not count as a failure.",
            retry_after_seconds=outcome.retry_after_seconds,
        )
    if outcome.kind in _REFUSALS:
        return _refused_batch(outcome, case, family) if case.bulk else _refused_single(outcome, case, family)
    return _failed(outcome, case)


def _refused_single(outcome: Outcome, case: Case, family: EndpointFamily) -> Verdict:
    remedy = family.remedy(case.part, outcome) if case.part and case.turns < MOST_TURNS else None
    if remedy:
        return Verdict(Action.RESHAPE if remedy.form else Action.DELIVERED, remedy.why, form=remedy.form)
    return Verdict(Action.DEAD, "Klaviyo refuses this payload: kept as a dead letter.", _reason(outcome, _first(outcome)))


def _refused_batch(outcome: Outcome, case: Case, family: EndpointFamily) -> Verdict:
    if outcome.problems and all(family.says_repeated(problem) for problem in outcome.problems):
        return _repeated(outcome, case, family)
    if outcome.kind is Kind.TOO_LARGE and case.item_count > 1:
        return _divided("Klaviyo finds the batch too large", case)
    if case.item_count == 1:
        return Verdict(Action.ALONE, "Klaviyo refuses it.") if family.job_operation else _refused_single(outcome, case, family)
    at_fault = tuple(problem for problem in outcome.problems if not family.says_repeated(problem))
    named = _named_items(replace(outcome, problems=at_fault), case, family)
    if named and family.job_operation:
        why = f"Klaviyo refuses {len(named)} of {case.item_count}: those go alone, the others are sent again."
        return Verdict(Action.SEPARATE, why, alone=frozenset(named))
    if named:
        rest = case.item_count - len(named)
        return Verdict(
            Action.SEPARATE,
            f"Klaviyo refuses {len(named)} of {case.item_count}: kept as dead letters, the other {rest} sent again.",
            dead=named,
        )
    if any(family.says_repeated(problem) for problem in outcome.problems):
        return Verdict(Action.ALONE, "Klaviyo has some of these and refuses others unnamed: each sent alone.")
    return _divided("Klaviyo refuses the batch without saying which item", case)


def _divided(why: str, case: Case) -> Verdict:
    if case.one_person:  # halves go at the same time, so they may not share a person
        return Verdict(Action.ALONE, f"{why}, and all are one person's: each sent alone, in order.")
    return Verdict(Action.HALVE, f"{why}: sent again in halves.")


def _repeated(outcome: Outcome, case: Case, family: EndpointFamily) -> Verdict:
    named = _named_items(outcome, case, family)
    if case.uncertain and len(named) == case.item_count:
        return Verdict(Action.DELIVERED, "Klaviyo has these already: the earlier attempt had been executed.")
    # Even after a doubtful attempt a single repeat proves nothing about the others: it may have come by another way, such as
    # a sender before us or a restored backup.
    return Verdict(Action.ALONE, "Klaviyo has some of these already: each sent alone, where repeats are dropped.")


def _failed(outcome: Outcome, case: Case) -> Verdict:
    uncertain = outcome.executed is not Executed.NO
    if case.expired and not case.bulk:
        return Verdict(Action.DEAD, "Tried for too long.", Reason("expired", f"Tried until too old. {outcome.sentence}"))
    divides = case.expired or (case.failures + 1 >= schedule.DISSOLVE_AFTER and case.others_succeed)
    if case.bulk and divides:
        return Verdict(Action.ALONE, "This batch keeps failing while others pass: each sent alone.", uncertain=uncertain)
    words = "It may have been executed" if uncertain else "It was not executed"
    return Verdict(
        Action.RETRY,
        f"{words}: the same bytes will be sent again.",
        retry_after_seconds=outcome.retry_after_seconds,
        uncertain=uncertain,
    )


def _named_items(outcome: Outcome, case: Case, family: EndpointFamily) -> dict[int, Reason]:
    named: dict[int, Reason] = {}
    for problem in outcome.problems:
        position = family.position_of(problem.pointer) if problem.pointer else None
        if position is not None and position < case.item_count and position not in named:
            reason = _reason(outcome, problem)
            named[position] = replace(reason, pointer=family.in_single_body(problem.pointer or ""))
    return named


def _first(outcome: Outcome) -> Problem | None:
    return outcome.problems[0] if outcome.problems else None


def _reason(outcome: Outcome, problem: Problem | None) -> Reason:
    if problem is None:
        return Reason(outcome.kind.value, outcome.sentence)
    return Reason(problem.code or outcome.kind.value, problem.detail or problem.title or outcome.sentence, problem.pointer)
