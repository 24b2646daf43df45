"""The command: picks the benches, runs them one after another, shows and writes what they found.

A bench that fails becomes a row that says so, and the command ends with 1; a goal that is not met is a result, not a failure.
"""

import argparse
import json
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

from bench import acceptance, delivery, document, limits, million, queues, scale, simulation, sources, stored, stores
from bench.keeping import Kept
from bench.results import Bench, Found, Row, failed, table

BENCHES: list[Bench] = [
    *acceptance.BENCHES,
    *delivery.BENCHES,
    *queues.BENCHES,
    *limits.BENCHES,
    *million.BENCHES,
    *stored.BENCHES,
    *stores.BENCHES,
    *scale.BENCHES,
    *simulation.BENCHES,
    *sources.BENCHES,
]
QUICK = 0.15
SMALLEST = 0.01


def main(arguments: Sequence[str] | None = None, benches: Sequence[Bench] = BENCHES) -> int:
    options = _options(arguments)
    chosen = [bench for bench in benches if not options.only or any(bench.name.startswith(name) for name in options.only)]
    if not chosen:
        print(f"No bench is called {', '.join(options.only)}. There are: {', '.join(b.name for b in benches)}", file=sys.stderr)
        return 2
    size = SMALLEST if options.smallest else QUICK if options.quick else 1.0
    kept = Kept.read(options.document)
    began = time.monotonic()
    rows: list[Row] = []
    for bench in chosen:
        found = _run(bench, size)
        rows += found.rows
        kept.take(bench.name, found, size)
        if not options.smallest or options.document != document.DOCUMENT:
            document.write(kept, options.document, [bench.name for bench in benches])  # after each, so that what ran is kept
    print("\n".join(table(rows)))
    print(f"\nAll of it took {time.monotonic() - began:,.0f} s.")
    if options.json:
        options.json.write_text(json.dumps([row.as_json() for row in rows], indent=2) + "\n")
    return 1 if any(row.failure for row in rows) else 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="dev.py bench", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="the same with less of everything: a look, not a measurement")
    parser.add_argument("--smallest", action="store_true", help="so little that it shows only that everything runs; no document")
    parser.add_argument(
        "--only",
        metavar="NAME",
        action="append",
        help="benches whose name begins so, more than once if you like; the document keeps the others' rows:\n"
        + "\n".join(bench.name for bench in BENCHES),
    )
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the rows there, too")
    parser.add_argument("--document", metavar="FILE", type=Path, default=document.DOCUMENT, help="instead of docs/performance.md")
    return parser.parse_args(arguments)


def _run(bench: Bench, size: float) -> Found:
    began = time.monotonic()
    print(f"== {bench.name}", file=sys.stderr, flush=True)
    try:
        found = bench.run(size)
    except Exception as error:  # noqa: BLE001 - the others are to run, and the row says what happened
        traceback.print_exc()
        found = [failed(bench.name, error)]
    whole = found if isinstance(found, Found) else Found(found)
    for row in whole.rows:
        print(f"   {row.name}: {row.failure or row.ours} {row.unit}", file=sys.stderr)
    print(f"   {time.monotonic() - began:,.0f} s", file=sys.stderr, flush=True)
    return whole


if __name__ == "__main__":
    sys.exit(main())
