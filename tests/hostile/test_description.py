"""The API against its own description: whatever may be sent by it, valid or not, is answered as it says."""

import json
import subprocess
import sys
from pathlib import Path

from klaviyo_sandbox.sandbox import Sandbox
from klaviyo_sandbox.tenants import DEFAULT_KEY
from tests.entry.test_serve import run, serving

SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")
# What the description cannot say, such as which addresses of test domains there are, is not held against it.
LEFT_OUT = "positive_data_acceptance"


def test_every_answer_is_described(tmp_path: Path, sandbox: tuple[Sandbox, str]) -> None:
    with serving(tmp_path, KLAVIYO_API_KEY=DEFAULT_KEY, KLAVIYO_BASE_URL=sandbox[1]) as (_, address):
        token = json.loads(run(tmp_path, "tokens", "create", "all", "--all-rights", "--json").stdout)["token"]
        command = [SCHEMATHESIS, "run", f"{address}/api/openapi.json", "--no-color", "--generation-deterministic"]
        # One worker: CPython 3.11 may not parse sources in two threads at once, as its reports would.
        bounds = ["--max-examples", "5", "--max-time", "15", "--phases", "examples,coverage,fuzzing", "--workers", "1"]
        checks = ["--exclude-checks", LEFT_OUT, "--suppress-health-check", "all", "--continue-on-failure"]
        done = subprocess.run(
            [*command, *bounds, *checks, "-H", f"Authorization: Bearer {token}"],
            cwd=tmp_path, capture_output=True, text=True, timeout=110, check=False,
        )  # fmt: skip
        failures = (tmp_path / "err").read_text().count('"http.failed"')
    assert done.returncode == 0, done.stdout[-8000:]
    assert int(done.stdout.partition("Tested: ")[2].split()[0]) > 25
    assert failures == 0
