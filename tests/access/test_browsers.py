"""Browsers by the names that people know."""

import pytest

from ferrata.access.browsers import readable

WEBKIT, MAC = "AppleWebKit/537.36 (KHTML, like Gecko)", "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)"


@pytest.mark.parametrize(
    ("agent", "said"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0", "Firefox on Linux"),
        (f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {WEBKIT} Chrome/142.0.0.0 Safari/537.36", "Chrome on Windows"),
        (f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {WEBKIT} Chrome/142.0 Safari/537.36 Edg/142.0", "Edge on Windows"),
        (f"{MAC} AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Safari/605.1.15", "Safari on macOS"),
        (f"Mozilla/5.0 (Linux; Android 10; K) {WEBKIT} Chrome/142.0.0.0 Mobile Safari/537.36", "Chrome on Android"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) CriOS/142.0 Mobile/15E148 Safari/604.1", "Chrome on iPhone"),
        (f"{MAC} {WEBKIT} Chrome/142.0 Safari/537.36 OPR/120.0", "Opera on macOS"),
        ("curl/8.5.0", "curl"),
        ("Mozilla/5.0 (compatible; something)", "Mozilla"),
        ("", "unknown"),
        ("x" * 500, "x" * 40),
    ],
)
def test_a_browser_is_called_as_people_call_it(agent: str, said: str) -> None:
    assert readable(agent) == said
