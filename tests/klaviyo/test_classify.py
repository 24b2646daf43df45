"""What each answer means, row by row; the marks are the rows of the fault matrix."""

from __future__ import annotations

import pickle

import pytest

from ferrata.klaviyo import Answer, Executed, Kind, KlaviyoError, NeedsReconnect, NoAnswer, Rejected, Transient
from ferrata.klaviyo.answer import Flaw
from ferrata.klaviyo.classify import classify
from ferrata.klaviyo.errors import ERROR_OF_KIND, DuplicateProfile, MissingScope, error_for
from ferrata.klaviyo.outcome import Recovery

from .answers import NOW, PAGE, answer, error, errors

SINGLE, BULK, PATCH = "POST /api/events", "POST /api/event-bulk-create-jobs", "PATCH /api/profiles/{id}"
NO, UNKNOWN, YES = Executed.NO, Executed.UNKNOWN, Executed.YES

INVALID = error("invalid", title="Invalid input.", detail="bad", pointer="/data/attributes/time")
NO_SCHEME = error(
    "not_authenticated",
    title="Authentication credentials were not provided.",
    detail="Missing or invalid authorization scheme. Please use Klaviyo-API-Key.",
)
BAD_TOKEN = error("authentication_failed", title="Incorrect authentication credentials.")
FORBIDDEN = error("permission_denied", title="You do not have permission to perform this action.")
TAKEN = error("duplicate_profile", pointer="/data/attributes", meta={"duplicate_profile_id": "01FTAKEN"})
NO_PROFILE = error("not_found", detail="A profile with id NOPE01 does not exist.")
NO_REVISION = error("not_found", detail="No valid revisions found for method")
WORDS = error("invalid", title="Invalid input.", detail="The API key specified is invalid.", pointer="/data/")
ABOUT_A_KEY = error("invalid", detail="'API key made' is too long", pointer="/data/attributes/metric")
THROTTLED = error("throttled", detail="Request was throttled. Expected available in 1 second.", pointer="/data")

ROWS = [
    ("B1 refused payload", SINGLE, answer(400, errors(INVALID)), Kind.REJECTED, NO),
    ("B2 refused rows", BULK, answer(400, errors(INVALID, INVALID)), Kind.REJECTED, NO),
    ("B3 no pointer", BULK, answer(400, errors(error("invalid", pointer=None))), Kind.REJECTED, NO),
    ("B3 empty 400", BULK, answer(400), Kind.REJECTED, NO),
    ("B5 401", SINGLE, answer(401, errors(NO_SCHEME)), Kind.CREDENTIAL, NO),
    ("B5 401 empty", SINGLE, answer(401), Kind.CREDENTIAL, NO),
    ("B5 400 that means 401", SINGLE, answer(400, errors(BAD_TOKEN)), Kind.CREDENTIAL, NO),
    ("B5 400 in words", SINGLE, answer(400, errors(WORDS)), Kind.CREDENTIAL, NO),
    ("B5 words in the payload", SINGLE, answer(400, errors(ABOUT_A_KEY)), Kind.REJECTED, NO),
    ("B5 403 of credentials", SINGLE, answer(403, errors(BAD_TOKEN)), Kind.CREDENTIAL, NO),
    ("B7 403", SINGLE, answer(403, errors(FORBIDDEN)), Kind.SCOPE, NO),
    ("B7 403 empty", SINGLE, answer(403), Kind.SCOPE, NO),
    ("B7 400 that means 403", SINGLE, answer(400, errors(FORBIDDEN)), Kind.SCOPE, NO),
    ("B8 vanished resource", PATCH, answer(404, errors(NO_PROFILE)), Kind.NOT_FOUND, NO),
    ("B8 named in the body", "POST /api/profile-merge", answer(404, errors(NO_PROFILE)), Kind.NOT_FOUND, NO),
    ("B9 404 of the endpoint", SINGLE, answer(404, errors(error("not_found"))), Kind.GONE, NO),
    ("B9 404 of the revision", PATCH, answer(404, errors(NO_REVISION)), Kind.GONE, NO),
    ("B9 404 page", PATCH, answer(404, PAGE), Kind.GONE, NO),
    ("B9 405", SINGLE, answer(405), Kind.GONE, NO),
    ("B9 410", SINGLE, answer(410), Kind.GONE, NO),
    ("B10 taken", PATCH, answer(409, errors(TAKEN)), Kind.DUPLICATE_PROFILE, NO),
    ("B10 other conflict", SINGLE, answer(409, errors(INVALID)), Kind.REJECTED, NO),
    ("B11 413", BULK, answer(413), Kind.TOO_LARGE, NO),
    ("B11 413 page", BULK, answer(413, PAGE), Kind.TOO_LARGE, NO),
    ("B12 415", SINGLE, answer(415), Kind.NOT_UNDERSTOOD, NO),
    ("B12 406", SINGLE, answer(406), Kind.NOT_UNDERSTOOD, NO),
    ("B12 431", SINGLE, answer(431), Kind.NOT_UNDERSTOOD, NO),
    ("B13 429", SINGLE, answer(429, errors(THROTTLED), Retry_After="7"), Kind.THROTTLED, NO),
    ("B14 429 page", SINGLE, answer(429, PAGE), Kind.THROTTLED, NO),
    ("B16 408", SINGLE, answer(408), Kind.UPSTREAM, UNKNOWN),
    ("B16 425", SINGLE, answer(425), Kind.UPSTREAM, NO),
    ("B17 500", SINGLE, answer(500, errors(error("error"))), Kind.UPSTREAM, UNKNOWN),
    *[(f"B18 {n}", SINGLE, answer(n, PAGE), Kind.UPSTREAM, UNKNOWN) for n in (502, 504, *range(520, 528), 530)],
    ("B18 edge 403", SINGLE, answer(403, PAGE, cf_mitigated="challenge"), Kind.UPSTREAM, NO),
    ("B18 edge 403, no page", SINGLE, answer(403, b"", cf_mitigated="challenge"), Kind.UPSTREAM, NO),
    ("B18 edge 400", SINGLE, answer(400, PAGE), Kind.UPSTREAM, NO),
    ("B19 503", SINGLE, answer(503, b"", Retry_After="7"), Kind.UPSTREAM, UNKNOWN),
    *[(f"B21 {n}", SINGLE, answer(n, location="https://evil"), Kind.REDIRECTED, NO) for n in (301, 302, 304, 307, 308)],
    ("B21 303", SINGLE, answer(303), Kind.REDIRECTED, UNKNOWN),
    ("1xx", SINGLE, answer(101), Kind.UPSTREAM, UNKNOWN),
    ("422", SINGLE, answer(422, errors(INVALID)), Kind.REJECTED, NO),
    ("422 page", SINGLE, answer(422, PAGE), Kind.UPSTREAM, NO),
    ("600", SINGLE, answer(600), Kind.UPSTREAM, UNKNOWN),
    *[(f"B28 {n}", SINGLE, answer(n), Kind.ACCEPTED, YES) for n in (200, 201, 202, 204, 299)],
    ("B28 invalid body", SINGLE, answer(202, b"{nonsense"), Kind.ACCEPTED, YES),
    ("B28 page", SINGLE, answer(202, PAGE), Kind.ACCEPTED, YES),
    *[(f"B27 {flaw}", SINGLE, Answer(202, {}, b"{", flaw=flaw), Kind.ACCEPTED, YES) for flaw in Flaw],
    ("B22 refused connection", SINGLE, NoAnswer("refused", sent=False), Kind.TRANSIENT_NOT_SENT, NO),
    ("B24 no answer", SINGLE, NoAnswer("silence", sent=True), Kind.TRANSIENT_UNKNOWN, UNKNOWN),
    ("B30 certificate", SINGLE, NoAnswer("expired", sent=False, untrusted=True), Kind.UNTRUSTED, NO),
]


class TestEveryRow:
    @pytest.mark.parametrize(("operation", "seen", "kind", "executed"), [row[1:] for row in ROWS], ids=[r[0] for r in ROWS])
    def test_has_its_kind(self, operation: str, seen: Answer | NoAnswer, kind: Kind, executed: Executed) -> None:
        outcome = classify(seen, operation, NOW)
        assert (outcome.kind, outcome.executed) == (kind, executed)
        assert outcome.reason

    @pytest.mark.parametrize("flaw", Flaw)
    def test_that_is_read_needs_its_whole_body(self, flaw: Flaw) -> None:
        outcome = classify(Answer(200, {}, b"{", flaw=flaw), "GET /api/events", NOW, reads=True)
        assert outcome.kind is Kind.UNREADABLE

    @pytest.mark.parametrize("status", range(100, 700))
    def test_of_any_status_is_judged(self, status: int) -> None:
        outcome = classify(answer(status), SINGLE, NOW)
        assert outcome.is_accepted == (200 <= status < 300)
        if outcome.kind in {Kind.REJECTED, Kind.TOO_LARGE}:
            assert status in {400, 409, 413, 422}


class TestDetails:
    def test_problems_keep_pointer_code_and_detail(self) -> None:
        outcome = classify(answer(400, errors(INVALID, error("required", pointer="/data/x"))), BULK, NOW)
        assert outcome.pointers == ("/data/attributes/time", "/data/x")
        assert (outcome.problems[0].code, outcome.problems[0].detail) == ("invalid", "bad")

    def test_missing_scope_is_named_from_the_table(self) -> None:
        outcome = classify(answer(403, errors(FORBIDDEN)), SINGLE, NOW)
        assert outcome.scopes == ("events:write",)
        assert "events:write" in outcome.reason

    def test_a_duplicate_names_the_owner(self) -> None:
        raised = error_for(classify(answer(409, errors(TAKEN)), PATCH, NOW))
        assert isinstance(raised, DuplicateProfile)
        assert raised.duplicate_profile_id == "01FTAKEN"

    def test_retry_after_comes_as_seconds(self) -> None:
        assert classify(answer(429, b"", retry_after="67608"), SINGLE, NOW).retry_after_seconds == 67608
        assert classify(answer(503, b"", retry_after="Fri, 20 Nov 2026 07:01:00 GMT"), SINGLE, NOW).retry_after_seconds == 60
        assert classify(answer(429, b"", retry_after="soon"), SINGLE, NOW).retry_after_seconds is None

    def test_the_excerpt_is_short_printable_and_without_credentials(self) -> None:
        body = b"\x1b[31m\r\nauthorization: Klaviyo-API-Key pk_0123456789abcdef \xff Bearer eyJhbGciOi.J9.x" + b"z" * 9000
        outcome = classify(Answer(500, {}, body), SINGLE, NOW)
        assert len(outcome.excerpt.encode()) <= 4096
        assert outcome.excerpt.isprintable()
        assert "0123456789" not in outcome.excerpt
        assert "eyJhbGciOi" not in outcome.excerpt

    def test_headers_cannot_forge_a_log_line(self) -> None:
        seen = Answer(429, {"retry-after": "1\r\nforged: yes" + "9" * 100_000, "x-request-id": "a\nb"}, b"")
        outcome = classify(seen, SINGLE, NOW)
        assert "\n" not in str(outcome.rate_headers) + str(outcome.request_id)
        assert len(outcome.rate_headers["retry-after"]) <= 256

    @pytest.mark.parametrize(
        "body",
        [b"[]", b'{"errors":{}}', b'{"errors":[1,null,"x"]}', b'{"errors":[{"source":[],"meta":7,"code":5}]}', b"[" * 100_000],
    )
    def test_odd_error_bodies_do_no_harm(self, body: bytes) -> None:
        assert classify(answer(400, body), SINGLE, NOW).kind is Kind.REJECTED


class TestErrors:
    def test_every_kind_but_accepted_has_its_own(self) -> None:
        assert set(ERROR_OF_KIND) == set(Kind) - {Kind.ACCEPTED}
        assert len(set(ERROR_OF_KIND.values())) == len(ERROR_OF_KIND)
        assert len({error.code for error in ERROR_OF_KIND.values()}) == len(ERROR_OF_KIND)

    @pytest.mark.parametrize("kind", list(ERROR_OF_KIND))
    def test_recover_as_their_kind_does(self, kind: Kind) -> None:
        base = {
            Recovery.TRANSIENT: Transient,
            Recovery.REJECTED: Rejected,
            Recovery.NEEDS_RECONNECT: NeedsReconnect,
        }
        assert kind.recovery is not None
        assert issubclass(ERROR_OF_KIND[kind], base[kind.recovery])
        assert ERROR_OF_KIND[kind].recovery is kind.recovery

    def test_survive_pickling_and_carry_the_outcome(self) -> None:
        raised = error_for(classify(answer(403, errors(FORBIDDEN)), SINGLE, NOW))
        again = pickle.loads(pickle.dumps(raised))
        assert isinstance(again, MissingScope)
        assert (again.status, again.scopes, again.executed) == (403, ("events:write",), NO)

    def test_accepted_is_no_error(self) -> None:
        with pytest.raises(ValueError, match="accepted"):
            error_for(classify(answer(202), SINGLE, NOW))

    def test_are_all_caught_by_their_base(self) -> None:
        assert all(issubclass(error, KlaviyoError) for error in ERROR_OF_KIND.values())
