"""What follows from the answers about a bulk job that Klaviyo has taken: the pure rules of following it to its end.

A job is asked about until it is over. Items that it names as failed go once more alone, where the answer says what is wrong
with them; all others are delivered. Whatever is lost on the way - the answer with the job's name, the job itself - all of it goes
again: what jobs do may be done twice.
"""

from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec

from ferrata.delivery.families import EndpointFamily
from ferrata.delivery.request import Job
from ferrata.delivery.verdict import Action, Case, Verdict, judge
from ferrata.klaviyo.outcome import Kind, Outcome

ASK_AFTER_SECONDS = (0.5, 1.0, 2.0, 3.0, 5.0, 8.0, 10.0)
OVER = ("complete", "cancelled")
ASKS_AT_MOST = 2_000
"""Some five hours; then the job is taken for lost."""
_UNREADABLE = (KeyError, TypeError, ValueError, AttributeError, RecursionError, msgspec.MsgspecError)


def taken(outcome: Outcome) -> Verdict:
    """Klaviyo took a batch and will carry it out as a job."""
    try:
        job_id = str(_document(outcome)["data"]["id"])
    except _UNREADABLE:
        words = "Klaviyo took it, but the name of the job could not be read: the same bytes will be sent again."
        return Verdict(Action.RETRY, words, uncertain=True)
    return Verdict(Action.FOLLOW, "Klaviyo took it as a job.", job=Job(job_id), retry_after_seconds=ASK_AFTER_SECONDS[0])


def judge_job(outcome: Outcome, job: Job, case: Case, family: EndpointFamily) -> Verdict:
    """What the answer to a question about ``job`` means."""
    if outcome.kind in (Kind.NOT_FOUND, Kind.REJECTED):
        return Verdict(Action.ALONE, "Klaviyo does not know the job any more: each sent alone.")
    if not outcome.is_accepted:
        verdict = judge(outcome, case, family)
        return verdict if verdict.action in (Action.THROTTLE, Action.PARK, Action.AGAIN) else _ask_again(job)
    try:
        return _status(_document(outcome), job, case) if job.cursor is None else _errors(_document(outcome), job, case, family)
    except _UNREADABLE:
        return _ask_again(job)


def _status(document: Any, job: Job, case: Case) -> Verdict:
    attributes = document["data"]["attributes"]
    if attributes["status"] not in OVER:
        return _ask_again(job)
    if attributes["status"] == "cancelled":
        return Verdict(Action.ALONE, "Klaviyo has cancelled the job: each sent alone.")
    failed = int(attributes.get("failed_count") or 0)
    if not failed:
        return Verdict(Action.DELIVERED, f"Klaviyo's job is complete: all {case.item_count} done.")
    if failed >= case.item_count:
        return Verdict(Action.ALONE, "All of the job failed: each sent alone, to hear why.")
    return Verdict(
        Action.FOLLOW, f"{failed} of the job failed.", job=replace(job, total_failed=failed, cursor=""), retry_after_seconds=0.0
    )


def _errors(document: Any, job: Job, case: Case, family: EndpointFamily) -> Verdict:
    pointers = [(row["attributes"].get("source") or {}).get("pointer") or "" for row in document["data"]]
    found = job.failed | {position for position in map(family.position_of, pointers) if position is not None}
    following = _cursor(document)
    if following:
        return Verdict(Action.FOLLOW, "", job=replace(job, cursor=following, failed=found), retry_after_seconds=0.0)
    named = frozenset(position for position in found if position < case.item_count)
    if len(named) < job.total_failed:
        return Verdict(Action.ALONE, "Klaviyo does not say which items of the job failed: each sent alone.")
    done = case.item_count - len(named)
    return Verdict(Action.SORT, f"{done} of {case.item_count} done; {len(named)} failed and are sent alone.", alone=named)


def _cursor(document: Any) -> str | None:
    link = (document.get("links") or {}).get("next")
    return next(iter(parse_qs(urlsplit(link).query).get("page[cursor]", [])), None) if link else None


def _ask_again(job: Job) -> Verdict:
    if job.asked >= ASKS_AT_MOST:
        return Verdict(Action.ALONE, "Klaviyo does not finish the job: each sent alone.")
    seconds = ASK_AFTER_SECONDS[min(job.asked, len(ASK_AFTER_SECONDS) - 1)]
    again = replace(job, asked=job.asked + 1)
    return Verdict(Action.FOLLOW, "The job is under way.", job=again, retry_after_seconds=seconds)


def _document(outcome: Outcome) -> Any:
    return msgspec.json.decode(outcome.body)
