"""Further known faults, each caught by single tests: those of which a whole hostile run would say no more."""

from tests.chaos.mutants import Mutant

_DELIVERY = "tests/delivery"
_ACCEPT = "tests/events/test_accept.py"

NARROW = (
    Mutant(
        "a lease that is renewed is not written down",
        "infra/leases.py",
        "        if not connection.execute(update(leases).where(*_is(lease)).values(expires_at=expires_at)).rowcount\n",
        "        if not connection.execute(update(leases).where(*_is(lease)).values(owner=lease.owner)).rowcount\n",
        "tests",
        tests=("tests/infra/test_leases.py::TestALease::test_lives_for_as_long_as_it_is_renewed",),
    ),
    Mutant(
        "a lease is taken although it still lives",
        "infra/leases.py",
        "leases.c.expires_at < clock",
        "leases.c.expires_at < clock + timedelta(seconds=8)",
        "tests",
        tests=("tests/infra/test_leases.py::TestALease::test_is_nobody_elses_before_it_has_run_out",),
    ),
    Mutant(
        "the second page of history is left out",
        "sources/backfilling.py",
        "            runs_store.page_done(connection, run, cursor=page.cursor,",
        "            runs_store.page_done(connection, run, cursor=None,",
        "tests",
        tests=("tests/sources/test_backfilling.py::TestARun::test_brings_every_order_as_history",),
    ),
    Mutant(
        "one event id counts for all stores",
        "events/store.py",
        '            found[(store_id, event.event_id or "")] = event\n',
        '            found[(store_id, event.event_id or "")] = event\n'
        "    for key in keys:\n"
        "        query = select(*COLUMNS).where(events.c.event_id == key[1])\n"
        "        for row in connection.execute(query):\n"
        "            found.setdefault(key, event_of(row))\n",
        "tests",
        tests=(f"{_ACCEPT}::TestSameEventId::test_in_another_store_is_another_event",),
    ),
    Mutant(
        "retention takes along what waits",
        "delivery/service.py",
        "unfinished = (State.WAITING.value, State.SENDING.value, State.DEAD.value)",
        "unfinished = (State.SENDING.value, State.DEAD.value)",
        "tests",
        tests=(
            "tests/retention/test_cleanup.py::TestEvents::test_stay_whatever_their_age_until_they_are_delivered_or_discarded",
        ),
    ),
    Mutant(
        "the second half of a refused batch is dropped",
        "delivery/request.py",
        "        return [portion for portion in portions if portion]",
        "        return [portion for portion in portions if portion][:1]",
        "tests",
        tests=(f"{_DELIVERY}/test_rules.py::TestHalves", f"{_DELIVERY}/test_klaviyo_faults.py::TestPoison"),
    ),
    Mutant(
        "a job that Klaviyo took is not followed",
        "delivery/jobs.py",
        '    return Verdict(Action.FOLLOW, "Klaviyo took it as a job.", ',
        '    return Verdict(Action.DELIVERED, "Klaviyo took it as a job.", ',
        "tests",
        tests=(f"{_DELIVERY}/test_profile_changes.py::TestManyChanges::test_of_which_a_job_fails_some_send_those_alone",),
    ),
    Mutant(
        "silence counts as done",
        "delivery/verdict.py",
        "    uncertain = outcome.executed is not Executed.NO\n",
        "    uncertain = outcome.executed is not Executed.NO\n"
        "    if uncertain and outcome.status is None:\n"
        '        return Verdict(Action.DELIVERED, "Surely it arrived.")\n',
        "tests",
        tests=(f"{_DELIVERY}/test_rules.py::TestVerdict", f"{_DELIVERY}/test_klaviyo_faults.py::TestPassingFaults"),
    ),
    Mutant(
        "Retry-After is not obeyed",
        "klaviyo/limits.py",
        "        self.block(now, retry_after)\n",
        "        self.block(now, 0.0)\n",
        "tests",
        tests=("tests/klaviyo/test_limits.py::TestRetryAfter",),
    ),
    Mutant(
        "a webhook is acknowledged before it is kept",
        "sources/receiving.py",
        "        new = await self._database.write(work)\n        if new:\n",
        "        import asyncio\n"
        "        task = asyncio.create_task(self._database.write(work))\n"
        "        self._late = task\n"
        "        new = len(kept)\n"
        "        if new:\n",
        "tests",
        tests=("tests/sources/test_api.py::TestTheDoor::test_acknowledges_nothing_that_could_not_be_kept",),
    ),
    Mutant(
        "a queue's message is deleted whether it was kept or not",
        "sources/worker.py",
        "        done = [each.receipt for each, answer in zip(pulled, answers, strict=True) if _is_kept(answer)]",
        "        done = [each.receipt for each in pulled]",
        "tests",
        tests=("tests/sources/test_worker.py::TestAQueue::test_keeps_what_could_not_be_kept_here",),
    ),
    Mutant(
        "a refreshed pair of tokens is not saved",
        "connections/oauth_refresh.py",
        "        kept = await self._patiently(work)\n        if kept is None:\n            raise",
        "        kept = fresh\n        if kept is None:\n            raise",
        "tests",
        tests=("tests/connections/test_oauth_refresh.py::TestARefresh::test_comes_before_expiry_and_keeps_the_rotated_pair",),
    ),
    Mutant(
        "a date is compared with our clock alone",
        "klaviyo/limits.py",
        'parse_retry_after(found.get("retry-after"), self._now(), found.get("date"))',
        'parse_retry_after(found.get("retry-after"), self._now())',
        "tests",
        tests=("tests/klaviyo/test_limits.py::TestRetryAfter",),
    ),
    Mutant(
        "what waits is forgotten by the ids after the clock was set back",
        "entry/wiring.py",
        "        await self.delivery.go_on_after_what_waits()\n",
        "",
        "tests",
        tests=(f"{_DELIVERY}/test_clock_set_back.py",),
    ),
    Mutant(
        "a retry waits for a clock that was set back",
        "delivery/tools.py",
        "min(max(0.0, ahead), longest)",
        "max(0.0, ahead)",
        "tests",
        tests=(f"{_DELIVERY}/test_clock_set_back.py",),
    ),
    Mutant(
        "keys of two stores are crossed",
        "connections/service.py",
        "        cached = self._cache.get(store_id)\n        if cached and self._clock",
        "        cached = self._cache.get(store_id) or next(iter(self._cache.values()), None)\n        if cached and self._clock",
        "tests",
        tests=("tests/connections/test_service.py::TestWhatDeliverySees::test_is_the_key_of_the_store_and_nothing_for_another",),
    ),
)
