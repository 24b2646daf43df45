"""The demo's data directory: what it made there, what a person or a script needs to get in, and starting over.

``demo.json`` is for people and scripts. ``demo-state.json`` is the demo's own: it marks the directory as one that a demo made,
so that nothing else is ever taken over or deleted.
"""

import json
import os
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from ferrata.infra.database.exclusive import ExclusiveFile, InUse
from ferrata.infra.errors import Rejected, StorageUnavailable

Klaviyo = Literal["sandbox", "real"]
SEED = 7
_MADE_HERE = (
    *("demo.json", "demo-state.json", "sandbox.log", "master.key"),
    *(name + ending for name in ("ferrata.db", "sandbox.db") for ending in ("", "-wal", "-shm")),
)


@dataclass(frozen=True, slots=True)
class DemoState:
    """``history_ends_at`` stays as it was first: the same events again, after a kill, are then recognised by their ids."""

    klaviyo: Klaviyo
    history_ends_at: datetime
    history_accepted: bool = False
    seed: int = SEED


@dataclass(frozen=True, slots=True)
class Papers:
    """What is in ``demo.json``. With a real key there is no sandbox, and the key is not written down."""

    app_url: str
    sign_in_url: str
    sandbox_url: str | None
    klaviyo_api_key: str | None
    api_token: str
    admin_token: str
    store_id: str
    admin_email: str
    admin_password: str


class Folder:
    """Held by one demo at a time, from opening to ``release``."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        try:
            self._lock = ExclusiveFile(self.path / "demo")
        except InUse as error:
            raise StorageUnavailable(
                f"A demo runs in {self.path} already: see {self.path / 'demo.json'}. Stop it first, or name another place: --data"
            ) from error

    def release(self) -> None:
        self._lock.release()

    def open(self, klaviyo: Klaviyo, *, fresh: bool, now: datetime) -> DemoState:
        """Continue what is there, or begin.

        Raises:
            Rejected: the directory holds data that no demo made, or that must not meet this Klaviyo.
        """
        if fresh:
            self._delete_what_a_demo_made()
        state = self.state()
        if state is None:
            if (self.path / "ferrata.db").exists():
                raise Rejected(f"{self.path} holds data that no demo has made. It was left untouched; name another place: --data")
            state = DemoState(klaviyo, history_ends_at=now)
            self.keep(state)
        if state.klaviyo != klaviyo:
            raise Rejected(_UNFIT[klaviyo].format(path=self.path))
        return state

    def state(self) -> DemoState | None:
        """None where no demo was yet."""
        found = self._read("demo-state.json")
        if found is None:
            return None
        return DemoState(**(found | {"history_ends_at": datetime.fromisoformat(found["history_ends_at"])}))

    def keep(self, state: DemoState) -> None:
        self._write("demo-state.json", asdict(state) | {"history_ends_at": state.history_ends_at.isoformat()})

    def note_history_accepted(self) -> None:
        state = self.state()
        if state:
            self.keep(replace(state, history_accepted=True))

    def papers(self) -> Papers | None:
        """Those of the last run; None where there are none, or they are of another release."""
        found = self._read("demo.json")
        return Papers(**found) if found is not None and found.keys() == Papers.__dataclass_fields__.keys() else None

    def write_papers(self, papers: Papers) -> Path:
        return self._write("demo.json", asdict(papers))

    def _delete_what_a_demo_made(self) -> None:
        if (self.path / "demo-state.json").exists():
            for name in _MADE_HERE:
                (self.path / name).unlink(missing_ok=True)

    def _read(self, name: str) -> dict[str, Any] | None:
        try:
            found = json.loads((self.path / name).read_bytes())
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise Rejected(f"{self.path / name} cannot be read. Start over with --fresh, or mend it.") from error
        return found if isinstance(found, dict) else None

    def _write(self, name: str, document: dict[str, Any]) -> Path:
        """Whole or not at all, and readable by its owner alone from the first byte."""
        target, unfinished = self.path / name, self.path / f".{name}.new"
        unfinished.unlink(missing_ok=True)
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(document, file, indent=2)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(target)
        return target


_UNFIT: dict[Klaviyo, str] = {
    "real": "{path} holds the example shop, whose events must not reach a real account. Name another place: --data",
    "sandbox": "{path} was used with a real key, and its events are real. Name another place: --data",
}
