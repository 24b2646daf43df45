"""What is said: the body of a webhook, and the words of an e-mail. Pure; a repeat says the same."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from ferrata.alerts.schemas import Saying
from ferrata.infra.incidents import Incident

WORDS = {Saying.OPENED: "", Saying.CLOSED: "Over: ", Saying.TEST: "Test: "}


def written(notice_id: str, saying: Saying, incident: Incident, at: datetime, url: str) -> str:
    """The body, as JSON. ``url`` leads to the pages."""
    document: dict[str, Any] = {
        "id": notice_id,
        "type": "alert.test" if saying is Saying.TEST else f"alert.{saying}",
        "createdAt": at.isoformat(),
        "alert": {
            "id": incident.id,
            "kind": incident.kind,
            "severity": incident.severity,
            "storeId": incident.store_id or None,
            "subject": incident.subject or None,
            "summary": incident.summary,
            "detail": incident.detail or None,
            "openedAt": incident.opened_at.isoformat(),
            "closedAt": incident.closed_at.isoformat() if incident.closed_at else None,
            "ending": incident.ending or None,
        },
        "url": url,
    }
    return json.dumps(document, ensure_ascii=False)


def as_mail(body: str) -> tuple[str, str]:
    """(subject, text) of the same message."""
    document = json.loads(body)
    alert, saying = document["alert"], Saying(document["type"].removeprefix("alert."))
    subject = f"[Ferrata] {WORDS[saying]}{alert['summary']}"
    lines = [f"{WORDS[saying]}{alert['summary']}"]
    if saying is Saying.CLOSED and alert["ending"]:
        lines += ["", alert["ending"]]
    elif alert["detail"]:
        lines += ["", alert["detail"]]
    lines += ["", f"Store: {alert['storeId']}"] if alert["storeId"] else [""]
    lines += [f"Since: {alert['openedAt']}"]
    lines += [f"Over since: {alert['closedAt']}"] if alert["closedAt"] else []
    lines += ["", document["url"], "", f"Alert {alert['id']}, message {document['id']}"]
    return subject, "\n".join(lines) + "\n"


def as_one_mail(bodies: Sequence[str]) -> tuple[str, str]:
    """(subject, text) of several messages, the first begun first."""
    mails = [as_mail(body) for body in bodies]
    if len(mails) == 1:
        return mails[0]
    subject, rest = mails[0][0], len(mails) - 1
    return f"{subject} (and {rest} more)", "\n----------\n\n".join(text for _, text in mails)


def sample_incident(now: datetime, store_id: str, notice_id: str) -> Incident:
    """What a test speaks of: nothing that has happened."""
    return Incident(
        id=notice_id,
        kind="alerts.test",
        store_id=store_id,
        subject="",
        severity="warning",
        summary="This is a test; nothing has happened.",
        detail="If you read this, alerts reach you here.",
        ending=None,
        opened_at=now,
        changed_at=now,
        closed_at=None,
    )
