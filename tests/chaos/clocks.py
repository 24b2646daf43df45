"""The wall clocks of the processes of a hostile run: each may be set off on its own, forwards and backwards, while it runs."""

import struct
from pathlib import Path

CLOCKWORK = Path(__file__).parent / "clockwork"


class WallClock:
    """One process's clock, in a file that it reads at every look at the time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.exists():
            path.write_bytes(struct.pack("<dq", 0.0, 0))

    @property
    def offset(self) -> float:
        return float(struct.unpack("<dq", self.path.read_bytes())[0])

    @property
    def reads(self) -> int:
        """How often the process has looked since the clock was set."""
        return int(struct.unpack("<dq", self.path.read_bytes())[1])

    def set(self, offset: float) -> None:
        with self.path.open("r+b") as file:
            file.write(struct.pack("<dq", offset, 0))

    def jump(self, seconds: float) -> None:
        self.set(self.offset + seconds)
