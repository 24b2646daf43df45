#!/usr/bin/env python3
"""Ferrata for people who have just cloned it (Python 3.11 or newer, nothing else).

python3 dev.py demo [options]     set up and run everything, with a sandbox as Klaviyo   (--help lists the options)
python3 dev.py test [pytest ...]  set up and run the whole test suite
python3 dev.py check              format, lint, types, import floors, drift of generated docs, then the tests
python3 dev.py chaos [options]    kill it again and again while Klaviyo misbehaves, and count   (--help lists the options)
python3 dev.py fuzz [options]     feed everything that reads what strangers write with rubbish   (--help lists the options)
python3 dev.py bench [options]    measure it beside floors and peers, and write docs/performance.md   (--help lists the options)
python3 dev.py docs               write the generated reference pages again
python3 dev.py lock               write requirements/*.txt again
"""

import hashlib
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
INPUTS = ["pyproject.toml", "hatch_build.py", "web/package-lock.json"]


def install(lock: str) -> None:
    """Bring .venv to the versions of one lock file: with uv where there is one, with pip otherwise."""
    contents = b"\0".join((ROOT / name).read_bytes() for name in [lock, *INPUTS])
    wanted = hashlib.sha256(contents + sys.version.encode()).hexdigest()
    stamp = VENV / f".{Path(lock).stem}.sha256"
    if stamp.exists() and stamp.read_text() == wanted:
        return
    print(f"Setting up {VENV.name} from {lock} ...", flush=True)
    uv = shutil.which("uv")
    if not BIN.exists():
        if uv:
            subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, str(VENV)], check=True)
        else:
            venv.create(VENV, with_pip=True)
    pip = (
        [uv, "pip", "install", "--quiet", "--python", str(BIN / "python")]
        if uv
        else [str(BIN / "python"), "-m", "pip", "install", "--disable-pip-version-check", "--quiet"]
    )
    subprocess.run([*pip, "--require-hashes", "-r", str(ROOT / lock)], check=True)
    subprocess.run([*pip, "--no-deps", "-e", str(ROOT)], check=True)
    stamp.write_text(wanted)


def lock() -> int:
    compile_ = ["uv", "pip", "compile", "--universal", "--generate-hashes", "--no-annotate", "--no-header", "--quiet"]
    extras = {
        "app": [],
        "test": ["--extra", "test", "--constraint", "requirements/app.txt"],
        "bench": ["--extra", "test", "--extra", "bench", "--constraint", "requirements/test.txt"],
    }
    for name, extra in extras.items():
        target = f"requirements/{name}.txt"
        subprocess.run([*compile_, *extra, "pyproject.toml", "--output-file", target], cwd=ROOT, check=True)
    return 0


def run(*command: str) -> int:
    return subprocess.call([str(BIN / command[0]), *command[1:]], cwd=ROOT)


def become(*command: str) -> NoReturn:
    """Let the command take this process over, so that whoever ends dev.py, however, ends the command."""
    sys.stdout.flush()
    os.chdir(ROOT)
    os.execv(BIN / command[0], [str(BIN / command[0]), *command[1:]])


def check() -> int:
    steps = {
        "format": ("ruff", "format", "--check", "."),
        "lint": ("ruff", "check", "."),
        "types": ("mypy",),
        "import floors": ("lint-imports",),
        "generated docs": ("python", "-m", "ferrata.entry.reference", "--check"),
    }
    failed = []
    for name, command in steps.items():
        print(f"== {name}", flush=True)
        if run(*command):
            failed.append(name)
    print("== tests (python3 dev.py test)", flush=True)
    if subprocess.call([sys.executable, str(ROOT / "dev.py"), "test"], cwd=ROOT):
        failed.append("tests")
    print(f"check failed: {', '.join(failed)}" if failed else "check passed", flush=True)
    return 1 if failed else 0


def main() -> int:
    match sys.argv[1:]:
        case ["demo", *rest]:
            install("requirements/app.txt")
            become("ferrata", "demo", *rest)
        case ["test", *rest]:
            install("requirements/test.txt")
            return run("python", "-m", "pytest", "-n", "auto", *rest)
        case ["check"]:
            install("requirements/test.txt")
            return check()
        case ["chaos", *rest]:
            install("requirements/test.txt")
            return run("python", "-m", "tests.chaos", *rest)
        case ["fuzz", *rest]:
            install("requirements/test.txt")
            return run("python", "-m", "tests.fuzz", *rest)
        case ["bench", *rest]:
            install("requirements/bench.txt")
            return run("python", "-m", "bench", *rest)
        case ["docs"]:
            install("requirements/test.txt")
            return run("python", "-m", "ferrata.entry.reference")
        case ["migration", *words] if words:
            install("requirements/test.txt")
            return run("python", "-m", "ferrata.migrations", *words)
        case ["lock"]:
            return lock()
        case _:
            print(__doc__)
            return 2


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
