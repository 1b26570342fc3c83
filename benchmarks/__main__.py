"""Runs the benchmarks: `python3 dev.py bench [core] [metered] [peers] [stores] [--json FILE]`.

Those of `BY_THEMSELVES` run only when they are named, first, with arguments of their own.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import core, goodput, histories, lost_updates, metered, peers, stores
from benchmarks.rounds import Line, table

SUITES = {
    "core": core.lines,
    "metered": metered.lines,
    "peers": peers.lines,
    "stores": stores.lines,
}
BY_THEMSELVES = {
    "goodput": goodput.main,
    "history": histories.main,
    "lost-updates": lost_updates.main,
}


def main(arguments: list[str]) -> int:
    """Run the named suites, or all; 1 where a line is missed or void."""
    if arguments and arguments[0] in BY_THEMSELVES:
        return BY_THEMSELVES[arguments[0]](arguments[1:])
    others = ", ".join(BY_THEMSELVES)
    parser = argparse.ArgumentParser(
        prog="dev.py bench", description=f"Run the benchmarks. By themselves run: {others}."
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(SUITES)}")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep the run")
    options = parser.parse_args(arguments)
    if unknown := sorted(set(options.names) - set(SUITES)):
        parser.error(f"there is no benchmark {unknown[0]!r}; there are: {', '.join(SUITES)}")
    names = options.names or list(SUITES)

    print(f"Python {platform.python_version()}, {platform.machine()}, processor time of the thread")
    lines: list[Line] = []
    for name in names:
        for line in SUITES[name]():
            lines.append(line)
            print(f"  {line.value:10.3f} {line.unit:<2} {line.name}", file=sys.stderr, flush=True)
    print(table(lines))
    marks = peers.marks() if "peers" in names else []
    if marks:
        print(f"\n{peers.table(marks)}")
    if options.json:
        options.json.write_text(json.dumps(_kept(lines, marks), indent=1) + "\n", "utf-8")
    return 1 if any(line.void or not line.holds for line in lines) else 0


def _kept(lines: list[Line], marks: list[peers.Marks]) -> dict[str, object]:
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "lines": [asdict(line) | {"void": line.void, "verdict": line.verdict} for line in lines],
        "probes": [asdict(mark) for mark in marks],
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
