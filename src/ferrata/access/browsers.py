"""What a browser calls itself, as people say it: Firefox on Linux. Pure; it is for reading, and nothing is decided by it."""

_BROWSERS = (  # the first that stands in it: later ones pretend to be others
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("FxiOS/", "Firefox"),
    ("Firefox/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
_SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)
_LONGEST = 40


def readable(agent: str) -> str:
    """Browser and system; of a program its own name; of nothing, that it is unknown."""
    browser, system = _first(_BROWSERS, agent), _first(_SYSTEMS, agent)
    if browser:
        return f"{browser} on {system}" if system else browser
    name = agent.partition("/")[0].partition("(")[0].strip()
    return name[:_LONGEST] or "unknown"


def _first(names: tuple[tuple[str, str], ...], agent: str) -> str | None:
    return next((said for mark, said in names if mark in agent), None)
