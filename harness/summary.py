"""Stages of a long command, and the lines that it closes with. Standard library only."""

from __future__ import annotations

import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path


class Stop(Exception):
    """Something that the user can put right; the message ends with the next step."""


@dataclass
class Summary:
    """What ran, how long it took and what came out."""

    lines: list[tuple[str, float, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    failed: bool = False

    @contextmanager
    def stage(self, name: str) -> Iterator[Callable[[str], None]]:
        """Time a block, which is handed a way to tell what came out.

        "FAILED" in what it tells, or a Stop, fails the stage. The next stage runs anyway.
        """
        print(f"\n== {name}", flush=True)
        begun, outcomes = time.monotonic(), list[str]()
        try:
            yield outcomes.append
        except Stop as stop:
            print(stop)
            outcomes.append(f"FAILED: {stop}")
        outcome = "; ".join(outcomes) or "ok"
        self.failed |= "FAILED" in outcome
        self.lines.append((name, time.monotonic() - begun, outcome))

    def close(self) -> int:
        """Print it; the exit code."""
        print("\n== summary")
        width = max((len(name) for name, _, _ in self.lines), default=0)
        for name, seconds, outcome in self.lines:
            print(f"{name:{width}}  {seconds:6.1f} s  {outcome}")
        for note in dict.fromkeys(self.notes):
            print(f"not run: {note}")
        whole = sum(seconds for _, seconds, _ in self.lines)
        print(f"{'FAILED' if self.failed else 'passed'} in {whole:.0f} s")
        return int(self.failed)


@dataclass(frozen=True)
class Counts:
    """What pytest counted, from its JUnit report."""

    passed: int
    failed: int
    errors: int
    skips: tuple[str, ...]

    @classmethod
    def read(cls, report: Path) -> Counts:
        """Expected failures count as passed: they say what they promise."""
        suite = next(ET.parse(report).iter("testsuite"))  # noqa: S314 (pytest wrote it just now)
        tests, failures, errors = (int(suite.get(k, 0)) for k in ("tests", "failures", "errors"))
        skipped = [skip for skip in suite.iter("skipped") if skip.get("type") == "pytest.skip"]
        reasons = tuple(skip.get("message", "") for skip in skipped)
        return cls(tests - failures - errors - len(reasons), failures, errors, reasons)

    def __str__(self) -> str:
        return (
            f"{self.passed} passed, {self.failed} failed, "
            f"{self.errors} errors, {len(self.skips)} skipped"
        )
