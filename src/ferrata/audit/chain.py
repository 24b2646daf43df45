"""The chain: each record's hash covers all of its content, its place, and the hash before it. No I/O."""

import hashlib
import json
from collections.abc import Sequence

GENESIS = "0" * 64
"""What stands before the first record."""


def seal(before: str, seq: int, content: Sequence[object]) -> str:
    """SHA-256, as hex, over the previous hash and the record's columns as one line of JSON.

    ``content`` are texts, numbers and None, instants as ISO 8601 in UTC with microseconds, in the order of the columns.
    """
    line = json.dumps([before, seq, *content], ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(line.encode()).hexdigest()
