"""Mutants: small mistakes made on purpose, to see whether the tests notice. Standard library only.

A file of mutants (TOML) says what is tested and by what, and then names the mistakes:

    package = "ifmatch"         what is imported
    source = "../src"           the folder it lies in; this and the rest as seen from the file
    tests = ["core"]            folders of tests; one that is not there is left out
    last = ["core/test_x.py"]   test files that are slow, and so run last
    pytest = ["-m", "not full"] further arguments of pytest

    [[mutant]]
    id = "head-not-safe"
    file = "core/decide.py"     in the package
    old = '''{"GET", "HEAD"}''' stands in the file exactly once, else the mutant is stale
    new = '''{"GET"}'''
    clause = "13.1.2"
    says = "A HEAD is answered 412 where it should be 304."

The source is copied, one mistake is made in the copy, and the tests run on it. They have to fail:
then the mutant is killed. Where they pass, it has survived, and a test is missing. A mutant that
cannot even be imported is broken, since any test would kill it.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from queue import SimpleQueue

from harness.summary import Stop

TIME_LIMIT = 60.0
"""Seconds for the tests of one mutant, which take a few where none fails."""

_NOT_THE_COPY, _DOES_NOT_LOAD = 70, 71

# Loads the module with the mistake before the tests do, and makes sure that it is the copy's.
# Then runs one group of test files after the other, since to collect them all takes longer.
_LAUNCHER = f"""
import importlib, json, sys, traceback
module, home, groups = json.loads(sys.argv[1])
try:
    found = importlib.import_module(module).__file__
except Exception:
    traceback.print_exc()
    sys.exit({_DOES_NOT_LOAD})
if not found.startswith(home):
    print(f"{{module}} was imported from {{found}}, not from {{home}}", file=sys.stderr)
    sys.exit({_NOT_THE_COPY})
import pytest
for words in groups:
    code = pytest.main(words)
    if code not in (0, 5):  # 5: there was no test in the group
        sys.exit(code)
"""


@dataclass(frozen=True, slots=True)
class Mutant:
    """One mistake: `old` becomes `new` in `file`; `says` is what goes wrong for somebody."""

    id: str
    file: str
    old: str
    new: str
    clause: str
    says: str


class Fate(Enum):
    """What became of a mutant."""

    KILLED = "killed"
    SURVIVED = "SURVIVED"
    STALE = "STALE"
    BROKEN = "BROKEN"


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one mutant; `by` is the test file that failed first, or another reason."""

    mutant: Mutant
    fate: Fate
    by: str = ""


@dataclass(frozen=True)
class Report:
    """What became of all of them, and how long that took."""

    results: Sequence[Result]
    seconds: float

    @property
    def failed(self) -> bool:
        return any(each.fate is not Fate.KILLED for each in self.results)

    def count(self, fate: Fate) -> int:
        """How many mutants had that fate."""
        return sum(each.fate is fate for each in self.results)

    def __str__(self) -> str:
        parts = [f"{len(self.results)} mutants", f"{self.count(Fate.KILLED)} killed"]
        parts.append(f"{self.count(Fate.SURVIVED)} survived")
        parts += [
            f"{n} {f.name.lower()}" for f in (Fate.STALE, Fate.BROKEN) if (n := self.count(f))
        ]
        return ", ".join(parts)

    def killers(self) -> str:
        """For each test file, how many mutants it killed first."""
        counted = Counter(each.by for each in self.results if each.fate is Fate.KILLED)
        return ", ".join(f"{name} {count}" for name, count in counted.most_common())


@dataclass(frozen=True)
class Plan:
    """What a file of mutants says."""

    package: str
    source: Path
    tests: Sequence[Path]
    last: Sequence[Path]
    pytest: Sequence[str]
    mutants: Sequence[Mutant]

    @classmethod
    def read(cls, path: Path) -> Plan:
        """Read the file; Stop if two mutants have one id."""
        content = tomllib.loads(path.read_text("utf-8"))
        home = path.parent
        mutants = [Mutant(**each) for each in content.get("mutant", ())]
        counted = Counter(each.id for each in mutants)
        if twice := [name for name, count in counted.items() if count > 1]:
            raise Stop(f"{path.name} has more than one {', '.join(twice)}. Next: rename one.")
        return cls(
            content["package"],
            (home / content["source"]).resolve(),
            [home / name for name in content["tests"]],
            [home / name for name in content.get("last", ())],
            content.get("pytest", ()),
            mutants,
        )

    def chosen(self, ids: Sequence[str]) -> list[Mutant]:
        """The mutants of those ids, all where none is given; Stop if there is no such mutant."""
        known = {each.id: each for each in self.mutants}
        if unknown := [name for name in ids if name not in known]:
            close = difflib.get_close_matches(unknown[0], known, 3)
            raise Stop(
                f"There is no mutant {unknown[0]}. Next: "
                + (f"try {', '.join(close)}." if close else "look for its id in mutants.toml.")
            )
        return [known[name] for name in ids] or list(self.mutants)

    def mutated(self, mutant: Mutant) -> str | None:
        """The text of the mutant's file with the mistake in it; None where the mutant is stale."""
        path = self.source / self.package / mutant.file
        text = path.read_text("utf-8") if path.exists() else ""
        if text.count(mutant.old) != 1 or mutant.old == mutant.new:
            return None
        return text.replace(mutant.old, mutant.new)

    def test_files(self, mutant: Mutant | None = None) -> list[list[Path]]:
        """The test files in the order in which they run: the mutant's own, the others, the slow."""
        own = f"test_{Path(mutant.file).name}" if mutant else ""
        found = sorted({file for folder in self.tests for file in folder.rglob("test_*.py")})
        if not found:
            raise Stop(f"There are no tests in {', '.join(map(str, self.tests))}.")
        first = [file for file in found if file.name == own]
        others = [file for file in found if file.name != own and file not in self.last]
        slow = [file for file in self.last if file in found and file.name != own]
        return [group for group in (first, others, slow) if group]

    def diff(self, mutant: Mutant) -> str:
        """The mistake, as a patch of the source."""
        name = f"{self.package}/{mutant.file}"
        before = (self.source / name).read_text("utf-8").splitlines()
        after = (self.mutated(mutant) or "").splitlines()
        return "\n".join(difflib.unified_diff(before, after, name, mutant.id, n=1, lineterm=""))


@dataclass(frozen=True)
class Hunt:
    """One run over mutants: by which Python, in which folder, with how many workers."""

    plan: Plan
    python: Path
    root: Path
    workers: int = 2
    time_limit: float = TIME_LIMIT

    def run(self, mutants: Sequence[Mutant], say: Callable[[str], None]) -> Report:
        """Try them all, telling what survives as it is found; Stop if the tests fail anyway."""
        begun = time.monotonic()
        copies: SimpleQueue[Path] = SimpleQueue()
        with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
            for number in range(self.workers):
                copy = Path(folder).resolve() / str(number)
                shutil.copytree(
                    self.plan.source, copy, ignore=shutil.ignore_patterns("__pycache__")
                )
                copies.put(copy)
            with taken(copies) as copy:
                self._without_a_mistake(copy)
            say(f"the tests pass without a mistake ({time.monotonic() - begun:.1f} s)")
            results = []
            with ThreadPoolExecutor(self.workers) as pool:
                try:
                    for result in pool.map(lambda mutant: self._try(mutant, copies), mutants):
                        results.append(result)
                        if result.fate is not Fate.KILLED:
                            say(self._tell(result))
                finally:
                    pool.shutdown(cancel_futures=True)
        return Report(results, time.monotonic() - begun)

    def _without_a_mistake(self, copy: Path) -> None:
        done = self._tests(self.plan.package, copy, self.plan.test_files(), limit=None)
        if done is None or done.returncode:
            output = done.stdout + done.stderr if done else ""
            raise Stop(f"{output}\nThe tests fail without any mistake. Next: make them pass first.")

    def _try(self, mutant: Mutant, copies: SimpleQueue[Path]) -> Result:
        text = self.plan.mutated(mutant)
        if text is None:
            return Result(mutant, Fate.STALE)
        with taken(copies) as copy:
            path = copy / self.plan.package / mutant.file
            original = path.read_bytes()
            path.write_text(text, "utf-8")
            try:
                dotted = ".".join([self.plan.package, *Path(mutant.file).with_suffix("").parts])
                module = dotted.removesuffix(".__init__")
                files = self.plan.test_files(mutant)
                return self._judge(mutant, self._tests(module, copy, files, self.time_limit))
            finally:
                path.write_bytes(original)

    def _tests(
        self, module: str, copy: Path, files: Sequence[Sequence[Path]], limit: float | None
    ) -> subprocess.CompletedProcess[str] | None:
        """The tests on the copy; None where they took too long."""
        options = ["-x", "-q", "--tb=short", "-rfE", "-p", "no:randomly", "-p", "no:cacheprovider"]
        groups = [[*options, *self.plan.pytest, *map(str, group)] for group in files]
        settings = {
            "PYTHONPATH": str(copy),
            # A mistake of the same length, made within a second, would not be seen in byte code.
            "PYTHONDONTWRITEBYTECODE": "1",
            # To import the plugins of other tests takes longer than most mutants live.
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        }
        words = [str(self.python), "-c", _LAUNCHER, json.dumps([module, str(copy), groups])]
        try:
            return subprocess.run(
                words,
                env=os.environ | settings,
                cwd=self.root,
                capture_output=True,
                text=True,
                timeout=limit,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return None

    def _judge(self, mutant: Mutant, done: subprocess.CompletedProcess[str] | None) -> Result:
        if done is None:
            return Result(mutant, Fate.KILLED, "the time limit")
        code = done.returncode
        if code == 0:
            return Result(mutant, Fate.SURVIVED)
        if code == _DOES_NOT_LOAD:
            return Result(mutant, Fate.BROKEN, done.stderr.strip().rpartition("\n")[2])
        # 1 is a failed test, 2 one that could not be collected; no other comes of a mistake.
        if code in (1, 2) and (
            first := re.search(r"^(?:FAILED|ERROR) (.*?\.py)", done.stdout, re.M)
        ):
            return Result(mutant, Fate.KILLED, Path(first[1]).name)
        raise Stop(
            f"{done.stdout}{done.stderr}\npytest could not judge {mutant.id} (exit {code}). "
            "Next: see its words above."
        )

    def _tell(self, result: Result) -> str:
        mutant = result.mutant
        told = f"{result.fate.value} {mutant.id} ({mutant.clause}): {mutant.says}"
        if result.fate is Fate.STALE:
            return f"{told}\nIts text is not once in {mutant.file}. Next: bring it up to date."
        if result.fate is Fate.BROKEN:
            return f"{told}\nIt does not load: {result.by}. Next: make a mistake that does."
        return f"{told}\n{self.plan.diff(mutant)}\nNext: write the test that is missing."


@contextmanager
def taken(copies: SimpleQueue[Path]) -> Iterator[Path]:
    """A copy that nobody else uses meanwhile."""
    copy = copies.get()
    try:
        yield copy
    finally:
        copies.put(copy)
