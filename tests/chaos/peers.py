"""Which process is at the other end of a connection on this machine."""

from collections.abc import Iterable
from pathlib import Path


def process_of(port: int, candidates: Iterable[int]) -> int | None:
    """The process among ``candidates`` that owns the local TCP port."""
    inode = _inode_of(port)
    wanted = f"socket:[{inode}]"
    for pid in candidates:
        for link in Path(f"/proc/{pid}/fd").glob("*"):
            try:
                if str(link.readlink()) == wanted:
                    return pid
            except OSError:
                continue
    return None


def _inode_of(port: int) -> str | None:
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if int(fields[1].rpartition(":")[2], 16) == port:
            return fields[9]
    return None
