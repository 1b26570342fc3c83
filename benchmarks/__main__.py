"""Runs the benchmarks and prints a line for each figure."""

from __future__ import annotations

import platform
import sys

from benchmarks import core

SUITES = {"core": core.lines}


def main(names: list[str]) -> int:
    """Run the named suites, or all; 1 where a line is missed or void."""
    unknown = sorted(set(names) - set(SUITES))
    if unknown:
        print(f"There is no benchmark {unknown[0]!r}. There are: {', '.join(SUITES)}.")
        return 2
    print(f"Python {platform.python_version()}, {platform.machine()}")
    failed = False
    for name in names or SUITES:
        for line in SUITES[name]():
            print(line, flush=True)
            failed = failed or line.void or not line.holds
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
