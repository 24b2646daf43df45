"""The command: picks the benches, runs them one after another, shows and writes what they found."""

import argparse
import json
import sys
from pathlib import Path

from bench import acceptance, delivery, document, stores
from bench.results import Row, table

BENCHES = [*acceptance.BENCHES, *delivery.BENCHES, *stores.BENCHES]
QUICK = 0.15


def main() -> int:
    parser = argparse.ArgumentParser(prog="dev.py bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the same with less of everything: a look, not a measurement")
    parser.add_argument("--only", metavar="NAME", help="benches whose name begins so: " + ", ".join(b.name for b in BENCHES))
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the rows there, too")
    options = parser.parse_args()
    chosen = [bench for bench in BENCHES if bench.name.startswith(options.only or "")]
    if not chosen:
        parser.error(f"no bench is called {options.only}")
    rows: list[Row] = []
    for bench in chosen:
        print(f"== {bench.name}", file=sys.stderr, flush=True)
        rows += bench.run(QUICK if options.quick else 1.0)
    print("\n".join(table(rows)))
    if options.json:
        options.json.write_text(json.dumps([row.as_json() for row in rows], indent=2) + "\n")
    if not options.only:
        document.write(rows, quick=options.quick)
    return 0


if __name__ == "__main__":
    sys.exit(main())
