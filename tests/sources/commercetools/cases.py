"""The recorded cases of the official plugin, and its settings in Ferrata's words."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ferrata.sources.commercetools.plugin import from_plugin
from ferrata.sources.commercetools.settings import CommercetoolsSettings
from tests.sources.commercetools.mock_api import CommercetoolsMock, Fault

FOLDER = Path(os.environ.get("FERRATA_CASES", Path(__file__).parents[4] / "shared" / "cases")) / "commercetools"


@dataclass(frozen=True)
class Case:
    name: str
    recorded: dict[str, Any]

    @property
    def message(self) -> dict[str, Any] | None:
        return self.recorded.get("message")

    @property
    def backfill(self) -> str | None:
        """Which history the case reads, if it reads any."""
        path = (self.recorded["trigger"].get("http") or {}).get("path", "")
        return path.removeprefix("/sync/") or None

    @property
    def ids(self) -> list[str]:
        """Of which single resources it asks."""
        return [*((self.recorded["trigger"].get("http") or {}).get("body") or {}).get("ids", [])]

    @property
    def writes(self) -> list[dict[str, Any]]:
        return [request for request in self.recorded["expected_klaviyo_requests"] if request["kind"] == "write"]

    def settings(self) -> CommercetoolsSettings:
        given = self.recorded["settings"]
        translated, _ = from_plugin(given.get("config_overrides") or {}, given.get("env") or {})
        access = {
            "project_key": "klaviyo-dev",
            "api_url": "http://commercetools.test",
            "auth_url": "http://commercetools.test",
            "client_id": "client",
            "client_secret": "secret",
            "push": {"secret": "shared secret of the test"},
        }
        return CommercetoolsSettings.model_validate(access | translated)

    def project(self) -> CommercetoolsMock:
        mock = CommercetoolsMock("klaviyo-dev")
        for path, things in (self.recorded.get("ct_resources") or {}).items():
            mock.put(path, things)
        mock.faults += [Fault(each["path"], each["status"], each.get("times", 1_000)) for each in self.recorded["ct_faults"]]
        return mock


def all_cases() -> list[Case]:
    return [Case(path.stem, json.loads(path.read_text())) for path in sorted(FOLDER.glob("*.json"))]
