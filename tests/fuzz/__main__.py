"""``python3 dev.py fuzz [--minutes N] [--only NAME]``: each target in turn with new inputs, until the time is over."""

import argparse
import random
import sys
import time
import traceback

from tests.fuzz.parsers import targets

MOST_TOLD = 40


def main() -> int:
    asked = argparse.ArgumentParser(prog="dev.py fuzz", description=__doc__)
    asked.add_argument("--minutes", type=float, default=10.0, help="how long in all (10)")
    asked.add_argument("--only", metavar="NAME", help="a target, or the beginning of some names")
    asked.add_argument("--seed", type=int, default=None, help="begin with the inputs of an earlier run")
    asked.add_argument("--list", action="store_true", help="name the targets and what they read")
    options = asked.parse_args()
    chosen = {name: target for name, target in targets().items() if name.startswith(options.only or "")}
    if options.list or not chosen:
        for name, target in (chosen or targets()).items():
            print(f"{name:<24} {', '.join(target.reads)}")
        return 0 if chosen else 2
    number = random.SystemRandom().randrange(2**32) if options.seed is None else options.seed
    print(f"seed {number}: {len(chosen)} targets, {options.minutes:g} minutes", flush=True)
    chance, until = random.Random(number), time.monotonic() + options.minutes * 60
    broken: list[str] = []
    rounds = 0
    while chosen and time.monotonic() < until:
        rounds += 1
        for name in [*chosen]:
            if time.monotonic() >= until:
                break
            try:
                chosen[name].try_what_broke()
                chosen[name].try_many(chance)
            except Exception:  # noqa: BLE001 - each target's faults are told, and the others go on
                broken.append(name)
                del chosen[name]
                print(f"\n== {name}\n" + "\n".join(traceback.format_exc().splitlines()[-MOST_TOLD:]) + "\n", flush=True)
    print(f"{rounds} rounds, {len(broken)} broken" + (f": {', '.join(broken)}" if broken else ""), flush=True)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
