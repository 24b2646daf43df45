"""The thread that hands events over, again and again until they are in; it ends with the host."""

import logging
import random
import threading
import time
from dataclasses import dataclass

from ferrata.client.message import Message
from ferrata.client.outbox import Outbox
from ferrata.client.posting import Away, Posted, Poster, TooLarge
from ferrata.client.spool import Spool

log = logging.getLogger("ferrata.client")


@dataclass(frozen=True, slots=True)
class Pace:
    """``first_wait_seconds`` doubles with each failure in a row, up to the longest, and is varied by a random half."""

    events_at_once: int = 200
    bytes_at_once: int = 4_000_000
    first_wait_seconds: float = 0.5
    longest_wait_seconds: float = 30.0


class Sending:
    def __init__(self, outbox: Outbox, poster: Poster, spool: Spool | None, pace: Pace) -> None:
        self._outbox = outbox
        self._poster = poster
        self._spool = spool
        self._pace = pace
        self._failures = 0
        self._retry_at = 0.0
        self._at_once = pace.events_at_once
        self._ending = False
        self._thread = threading.Thread(target=self._run, name="ferrata-client", daemon=True)
        self._thread.start()

    @property
    def spooled(self) -> int:
        return self._spool.count if self._spool else 0

    @property
    def spools_now(self) -> bool:
        """Ferrata has been away for more than a moment, and there is a disk to put things on."""
        return self._spool is not None and self._failures > 1

    def end(self, seconds: float) -> None:
        """Stop after what is under way; what still waits is spooled, or dropped and told."""
        with self._outbox.changed:
            self._ending = True
            self._outbox.changed.notify_all()
        self._thread.join(seconds)

    def _run(self) -> None:
        while not self._ending:
            try:
                self._step()
            except Exception:  # whatever it was, later events must still be sent
                log.exception("sending failed")
                self._wait_until(time.monotonic() + self._pace.first_wait_seconds)
        self._put_away()
        self._poster.close()

    def _step(self) -> None:
        if time.monotonic() < self._retry_at:
            self._wait_until(self._retry_at)
            if self._spool and self.spools_now:
                self._spool_waiting(self._spool)
        elif self._spool and self._spool.count:
            self._send_spooled(self._spool)
        elif messages := self._outbox.take(self._at_once, self._pace.bytes_at_once):
            self._send(messages)
        else:
            self._wait_until(None)

    def _wait_until(self, moment: float | None) -> None:
        """Until then, or, without a moment, until there is something to do."""
        with self._outbox.changed:
            if self._ending:
                return
            if moment is None:
                if self._outbox.is_idle:
                    self._outbox.changed.wait()
            else:
                self._outbox.changed.wait_for(self._must_act, max(0.0, moment - time.monotonic()))

    def _must_act(self) -> bool:
        return self._ending or (self.spools_now and self._outbox.is_half_full)

    def _send(self, messages: list[Message]) -> None:
        try:
            posted = self._post(messages)
        except (Away, TooLarge):
            self._outbox.put_back(messages)
        except BaseException:
            self._outbox.put_back(messages)
            raise
        else:
            self._outbox.settle(messages, accepted=posted.accepted)

    def _send_spooled(self, spool: Spool) -> None:
        messages = spool.oldest()
        for start in range(0, len(messages), self._at_once):
            try:
                posted = self._post(messages[start : start + self._at_once])
            except (Away, TooLarge):
                return  # the file stays; what of it is in already is known there by its event ids
            self._outbox.count_accepted(posted.accepted)
        spool.remove_oldest()

    def _post(self, messages: list[Message]) -> Posted:
        try:
            posted = self._poster.post(messages)
        except Away as away:
            self._failures += 1
            wait = min(self._pace.longest_wait_seconds, self._pace.first_wait_seconds * 2 ** min(self._failures - 1, 16))
            self._retry_at = time.monotonic() + max(wait * random.uniform(0.5, 1.0), away.wait_seconds or 0.0)
            level = logging.WARNING if self._failures == 1 else logging.INFO  # once for each time that it is away
            log.log(level, "Ferrata did not take %d events: %s. They wait and are tried again", len(messages), away)
            raise
        except TooLarge:
            if len(messages) == 1:
                posted = Posted(0, [(messages[0], "the event is too large")])
            else:
                self._at_once = max(1, len(messages) // 2)
                raise
        self._failures = 0
        self._at_once = self._pace.events_at_once
        for message, reason in posted.refused:
            self._outbox.drop([message], reason)
        return posted

    def _spool_waiting(self, spool: Spool) -> None:
        """Make room in memory while Ferrata is away."""
        while messages := self._outbox.take(self._pace.events_at_once, self._pace.bytes_at_once):
            try:
                kept = spool.append(messages)
            except OSError as error:
                log.warning("spooling failed: %s", error)
                kept = False
            if not kept:
                self._outbox.put_back(messages)
                return
            self._outbox.settle(messages, accepted=0)

    def _put_away(self) -> None:
        if self._spool:
            self._spool_waiting(self._spool)
            self._spool.close()
        while messages := self._outbox.take(self._pace.events_at_once, self._pace.bytes_at_once):
            self._outbox.settle(messages, accepted=0)
            self._outbox.drop(messages, "the host ended before Ferrata could take it")
