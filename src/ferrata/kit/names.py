"""Names that people give to things, such as a store or a token: one line of text that shows as it is."""

import re

LONGEST = 120
_UNFIT = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Line breaks and control characters, which end a line of a log or a table; overrides, which turn a text around."""


def is_name(text: str) -> bool:
    """Whether this, trimmed, has 1 to 120 characters and nothing in it that would not show."""
    return 0 < len(text) <= LONGEST and not _UNFIT.search(text)
