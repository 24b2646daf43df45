"""Events on disk while Ferrata is away or the host ends: a folder with a file for each process, sent by whoever runs next.

A file belongs to the process that holds its lock, which the operating system frees when that process ends, however it ends.
Files of ended processes are adopted. What is sent twice after a crash is the same event, by its id.
"""

import fcntl
import os
from collections.abc import Sequence
from pathlib import Path
from typing import IO
from uuid import uuid4

from ferrata.client.message import Message

LARGEST_FILE = 16_000_000


class Spool:
    """``most_bytes`` bounds what this process writes; ``append`` then keeps nothing more."""

    def __init__(self, folder: Path, most_bytes: int) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._folder = folder
        self._most_bytes = most_bytes
        self._writing: IO[bytes] | None = None
        self._held: list[IO[bytes]] = []
        self._bytes = 0
        self.count = 0
        self.adopt()

    def adopt(self) -> None:
        """Take over what ended processes have left."""
        for path in sorted(self._folder.glob("*.spool")):
            if any(Path(file.name) == path for file in self._held):
                continue
            file = path.open("r+b")
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                file.close()
                continue
            if not path.exists():  # its process has just sent and removed it
                file.close()
                continue
            self._held.append(file)
            lines = file.read().splitlines()
            self.count += len(lines)
            self._bytes += sum(map(len, lines))

    def append(self, messages: Sequence[Message]) -> bool:
        """Write them down; False if there is no room. Raises OSError if the disk does not take them."""
        data = b"".join(message.event_id.encode() + b"\t" + message.body + b"\n" for message in messages)
        if self._bytes + len(data) > self._most_bytes:
            return False
        file = self._file()
        file.seek(0, os.SEEK_END)
        file.write(data)
        file.flush()
        self._bytes += len(data)
        self.count += len(messages)
        return True

    def oldest(self) -> list[Message]:
        """All messages of the oldest file; ``remove_oldest`` when each of them is settled."""
        while self._held:
            file = self._held[0]
            file.seek(0)
            messages = [found for line in file.read().split(b"\n") if (found := _read(line))]
            if messages:
                return messages
            self.remove_oldest()
        return []

    def remove_oldest(self) -> None:
        file = self._held.pop(0)
        file.seek(0)
        content = file.read()
        self.count = max(0, self.count - content.count(b"\n"))
        self._bytes = max(0, self._bytes - len(content))
        if file is self._writing:
            self._writing = None
        Path(file.name).unlink(missing_ok=True)
        file.close()

    def close(self) -> None:
        """Let go of the files; they stay for whoever runs next."""
        for file in self._held:
            file.close()
        self._held.clear()
        self._writing = None

    def _file(self) -> IO[bytes]:
        if self._writing is None or self._writing.tell() > LARGEST_FILE:
            self._writing = (self._folder / f"{os.getpid()}-{uuid4().hex}.spool").open("w+b")
            fcntl.flock(self._writing, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._held.append(self._writing)
        return self._writing


def _read(line: bytes) -> Message | None:
    """A torn last line, of a host that was killed while writing, is no message: it was never whole."""
    event_id, tab, body = line.partition(b"\t")
    return Message(event_id.decode(), body) if tab and body.endswith(b"}") else None
