"""What must not stand in any file: hosts of registries, secrets, paths of one machine."""

import re
import tomllib

import pytest

from tests.house.tree import ROOT, files, named, text_of

# Put together here, so that this file does not hold them itself.
REGISTRIES = ["py" + "pi.org", "python" + "hosted.org", "registry." + "npmjs", "npm" + "js.com", "deb." + "debian.org"]
SANDBOX_KEY = "pk_sandbox0key0which0opens0no0account"
KEY = re.compile(r"\bpk_(?:live_|test_)?[0-9a-zA-Z]{30,}\b")
INVENTED = re.compile(r"sandbox|canary|(.)\1{15}")  # keys of tests say that they are none
TOKEN = re.compile(r"\bfrt_[0-9a-zA-Z_-]{40,}")
PRIVATE_KEY = re.compile("-----BEGIN " + r"(?:RSA |EC |OPENSSH )?PRIVATE KEY-----")
EVERYTHING = files()


def holding(pattern: str | re.Pattern[str]) -> list[str]:
    found = re.compile(re.escape(pattern)) if isinstance(pattern, str) else pattern
    return [named(path) for path in EVERYTHING if found.search(text_of(path))]


@pytest.mark.parametrize("host", REGISTRIES)
def test_no_file_names_a_registry(host: str) -> None:
    assert holding(host) == []


LOCKS = [*files(".txt", below="requirements"), ROOT / "web/package-lock.json"]


class TestALock:
    def test_records_no_address(self) -> None:
        assert len(LOCKS) == 4
        for lock in LOCKS:
            assert '"resolved"' not in lock.read_text()
            assert not re.search(r"^--(index|extra-index|find-links)", lock.read_text(), re.MULTILINE)

    def test_pins_every_requirement_by_hash(self) -> None:
        for lock in LOCKS[:3]:
            pinned = re.findall(r"^[a-z0-9._-]+(?:\[[a-z,]+\])?==\S+.*\\$", lock.read_text(), re.MULTILINE | re.IGNORECASE)
            assert len(pinned) > 30
            assert lock.read_text().count("--hash=sha256:") >= len(pinned)

    def test_agrees_with_what_the_project_asks_for(self) -> None:
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        extras = project["optional-dependencies"]
        asked = {"app": project["dependencies"], "test": project["dependencies"] + extras["test"]}
        asked["bench"] = asked["test"] + extras["bench"]
        for lock, requirements in asked.items():
            locked = set(re.findall(r"^([a-z0-9._-]+)", (ROOT / f"requirements/{lock}.txt").read_text(), re.MULTILINE))
            names = {re.split(r"[\[<>=!~ ]", requirement)[0] for requirement in requirements}
            assert names - locked == set()


class TestASecret:
    def test_shaped_like_a_klaviyo_key_is_the_documented_one_of_the_sandbox(self) -> None:
        strange = {
            f"{named(path)}: {key}"
            for path in EVERYTHING
            for key in KEY.findall(text_of(path))
            if key != SANDBOX_KEY and not INVENTED.search(key)
        }
        assert strange == set()

    def test_shaped_like_one_of_our_tokens_is_nowhere(self) -> None:
        assert holding(TOKEN) == []

    def test_of_a_key_pair_is_nowhere(self) -> None:
        assert holding(PRIVATE_KEY) == []


def test_nothing_that_is_made_is_committed() -> None:
    made = ("demo-data", "node_modules", "static/vendor", "__pycache__", ".env", "master.key")
    assert [named(path) for path in EVERYTHING if named(path).endswith((".db", ".sqlite")) or path.name in made] == []
    assert [named(path) for path in EVERYTHING if any(f"/{part}/" in f"/{named(path)}" for part in made)] == []
