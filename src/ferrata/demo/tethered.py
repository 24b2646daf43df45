"""Runs a module for as long as standard input stays open: ``python -m ferrata.demo.tethered MODULE ARGUMENTS``.

The demo holds the other end. However it ends, SIGKILL included, the system closes that end, and the child follows.
"""

import os
import runpy
import signal
import sys
import threading
from collections.abc import Callable

GRACE_SECONDS = 3.0


def follow(read: Callable[[int], bytes], end: Callable[[], None], end_at_once: Callable[[], None]) -> None:
    """Wait until nothing can be read any more, then end, and if that takes too long, at once."""
    while read(1024):
        pass
    overdue = threading.Timer(GRACE_SECONDS, end_at_once)
    overdue.daemon = True
    overdue.start()
    end()


def main() -> None:
    standard_input = sys.stdin.fileno()
    follower = threading.Thread(
        target=follow,
        args=(
            lambda size: os.read(standard_input, size),
            lambda: os.kill(os.getpid(), signal.SIGTERM),
            lambda: os._exit(1),
        ),
        daemon=True,
    )
    follower.start()
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
