#!/usr/bin/env python3
"""Sets everything up and runs it. Needs Python 3.11 or newer with pip, nothing else.

Environments live in .dev/ and are made again when what they are made of changes:
run (what the programs need), test, test-<version> (other Pythons), check (test and the
tools), docs, and wheel-<name> (each built wheel by itself). Deleting .dev/ is always safe.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 (an older Python should hear it from us)
    sys.exit(
        "dev.py needs Python 3.11 or newer, and this is "
        + sys.version.split()[0]
        + ". Next: run it with a newer one, for example 'python3.12 dev.py run'."
    )

import argparse
import ast
import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path

from harness import clauses, mutants, postgres, programs, pythons, rules
from harness.summary import Counts, Stop, Summary

ROOT = Path(__file__).resolve().parent
DEV = ROOT / ".dev"
LOCKS = ROOT / "requirements"
Words = list[str | Path]
BIN, EXE = ("Scripts", ".exe") if os.name == "nt" else ("bin", "")

# What each file of requirements/ holds, as arguments of `uv export`.
EXPORTS = {
    "uv": ["--only-group", "bootstrap"],
    "build": ["--only-group", "build"],
    "run": ["--all-packages"],
    "test": ["--all-packages", "--all-extras", "--group", "test"],
    "check": ["--only-group", "check"],
    "docs": ["--only-group", "docs"],
    "bench": ["--only-group", "bench"],
}


def members() -> list[Path]:
    """The folders of the workspace's packages, the library first."""
    found = (ROOT.glob(f"{top}/*/pyproject.toml") for top in ("packages", "products"))
    return sorted(project.parent for projects in found for project in projects)


def projects() -> list[Path]:
    """The workspace's and the members' pyproject files."""
    return [ROOT / "pyproject.toml", *(member / "pyproject.toml" for member in members())]


# -- environments -----------------------------------------------------------------------------


def run(*command: str | Path, env: dict[str, str] | None = None, cwd: Path = ROOT) -> int:
    """Run a program, its output ours; its exit code."""
    sys.stdout.flush()
    return subprocess.call([str(word) for word in command], env=os.environ | (env or {}), cwd=cwd)


def digest(*parts: str | Path) -> str:
    """A short name for the contents of files (paths) and for words."""
    whole = hashlib.sha256()
    for part in parts:
        whole.update((part.read_bytes() if isinstance(part, Path) else part.encode()) + b"\0")
    return whole.hexdigest()[:16]


@cache
def pip_settings() -> dict[str, str]:
    """An index or certificate that pip is told to use is meant for uv, too."""
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False
    ).stdout
    names = {"index-url": "UV_DEFAULT_INDEX", "cert": "SSL_CERT_FILE"}
    found = {}
    for line in listed.splitlines():
        key, _, value = line.partition("=")
        if name := names.get(key.rpartition(".")[2]):
            found[name] = str(ast.literal_eval(value))
    return {name: value for name, value in found.items() if name not in os.environ}


@cache
def uv_program() -> Path:
    """The pinned uv, which pip puts into .dev/uv the first time."""
    home = DEV / "uv"
    program, stamp = home / "bin" / f"uv{EXE}", home / "stamp"
    wanted = digest(LOCKS / "uv.txt")
    if program.exists() and stamp.exists() and stamp.read_text() == wanted:
        return program
    pip = [sys.executable, "-m", "pip"]
    if subprocess.run([*pip, "--version"], capture_output=True, check=False).returncode:
        raise Stop(
            f"{sys.executable} has no pip. Next: install it (Debian: apt-get install python3-pip; "
            "elsewhere: python3 -m ensurepip), then run this again."
        )
    shutil.rmtree(home, ignore_errors=True)
    install: Words = [*pip, "install", "--quiet", "--no-deps", "--require-hashes", "--target", home]
    if run(*install, "--requirement", LOCKS / "uv.txt", env={"PIP_ROOT_USER_ACTION": "ignore"}):
        raise Stop(
            "pip could not install uv (its words are above). Next: check the network, or the "
            "index that pip is set to use, then run this again."
        )
    stamp.write_text(wanted)
    return program


def uv(*arguments: str | Path, problem: str) -> None:
    """Run uv with the Pythons that are here; Stop with the problem if it fails."""
    settings = {"UV_PYTHON_DOWNLOADS": "never", "UV_NO_PROGRESS": "1"} | pip_settings()
    if run(uv_program(), *arguments, env=settings) != 0:
        raise Stop(
            f"{problem} (uv's words are above). Next: check the network and the free disk "
            "space, then run this again."
        )


def environment(name: str, *locks: str, python: str = sys.executable) -> Path:
    """The interpreter of .dev/<name>, which holds what those locks say and our packages."""
    home = DEV / name
    interpreter, stamp, made_by = home / BIN / f"python{EXE}", home / "stamp", home / "made-by"
    files: Words = [LOCKS / f"{lock}.txt" for lock in locks]
    wanted = digest(python, str(ROOT), *files, *projects(), LOCKS / "build.txt")
    if interpreter.exists() and stamp.exists() and stamp.read_text() == wanted:
        return interpreter
    print(f"dev.py: setting up {home.relative_to(ROOT)}", flush=True)
    if not interpreter.exists() or not made_by.exists() or made_by.read_text() != python:
        uv("venv", "-q", "--clear", "--python", python, home, problem="No environment")
        made_by.write_text(python)
    at: Words = ["-q", "--python", interpreter]
    uv("pip", "sync", *at, "--require-hashes", *files, problem="Packages are missing")
    editable: Words = [word for member in members() for word in ("--editable", member)]
    # The lock cannot hold local packages; what builds them is held to its hashes, too.
    options: Words = ["--no-deps", "--build-constraints", LOCKS / "build.txt"]
    uv("pip", "install", *at, *options, *editable, problem="Our packages were not installed")
    stamp.write_text(wanted)
    return interpreter


def tool(name: str, interpreter: Path) -> Path:
    """A program that is installed beside that interpreter."""
    return interpreter.with_name(f"{name}{EXE}")


# -- tests ------------------------------------------------------------------------------------


def command(summary: Summary, name: str, *words: str | Path, cwd: Path = ROOT) -> None:
    """A stage that is one program."""
    with summary.stage(name) as tell:
        if code := run(*words, cwd=cwd):
            tell(f"FAILED (exit {code})")


def pytest(
    summary: Summary, name: str, python: Callable[[], Path], *words: str | Path, strict: bool
) -> None:
    """A stage that is one run of pytest; with `strict` a skipped test is a failure."""
    report = DEV / "reports" / f"{name.replace(' ', '-')}.xml"
    report.unlink(missing_ok=True)
    with summary.stage(name) as tell:
        code = run(python(), "-m", "pytest", f"--junitxml={report}", *words)
        if not report.exists():
            tell(f"FAILED (exit {code}, no report)")
            return
        counts = Counts.read(report)
        bad = code != 0 or (strict and counts.skips)
        tell(f"FAILED: {counts}" if bad else str(counts))
        summary.notes += counts.skips


def install_programs(summary: Summary) -> None:
    """The system's programs that tests drive, from Debian, where they are missing and we may."""
    for program in programs.PROGRAMS:
        if program.find():
            continue
        name = program.names[0]
        if not programs.installable():
            summary.notes.append(f"tests with {name}; next: {program.how_to_get}")
            continue
        with summary.stage(name) as tell:
            if not program.install():
                tell(f"FAILED: apt-get brought no {name}; next: {program.how_to_get}")


def try_mutants(summary: Summary, *ids: str) -> None:
    """Make mistakes in the library on purpose; each has to be noticed by its tests."""
    with summary.stage("mutants") as tell:
        plan = mutants.Plan.read(ROOT / "packages/ifmatch/tests/mutants.toml")
        chosen = plan.chosen(ids)
        hunt = mutants.Hunt(plan, environment("test", "test"), ROOT)
        report = hunt.run(chosen, lambda words: print(words, flush=True))
        print(f"killed first by: {report.killers()}")
        print(f"{report} in {report.seconds:.0f} s")
        tell(f"FAILED: {report}" if report.failed else str(report))


def test_other_pythons(summary: Summary, words: list[str], *, strict: bool) -> None:
    """The library's tests on each other supported Python that is here."""
    present = pythons.find()
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    for version in sorted({*pythons.SUPPORTED} - {here}):
        if version not in present:
            summary.notes.append(f"Python {version}; next: install it, with pyenv for one")
            continue
        python = partial(environment, f"test-{version}", "test", python=present[version])
        folder = "packages/ifmatch/tests"
        pytest(summary, f"ifmatch on {version}", python, *words, folder, strict=strict)


def build_wheels(folder: Path, *which: Path) -> None:
    """Each member's wheel, by the pinned build tools."""
    shutil.rmtree(folder, ignore_errors=True)
    options: Words = ["-q", "--wheel", "--python", sys.executable, "--out-dir", folder]
    options += ["--build-constraints", LOCKS / "build.txt"]
    for member in which:
        uv("build", *options, member, problem=f"{member.name} was not built")


# Imports every module of the packages named, from what is installed.
IMPORT_ALL = """
import importlib, pathlib, pkgutil, sys
def fail(name): raise
for name in sys.argv[1:]:
    package = importlib.import_module(name)
    assert "site-packages" in package.__file__, package.__file__
    for module in pkgutil.walk_packages(package.__path__, name + ".", onerror=fail):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
"""


def wheel_environment(name: str, *what: str | Path) -> Path:
    """An empty venv .dev/wheel-<name> with those wheels and what they say they need, as pinned."""
    home = DEV / f"wheel-{name}"
    python = home / BIN / f"python{EXE}"
    uv("venv", "--quiet", "--clear", "--python", sys.executable, home, problem="no venv")
    constraints: Words = ["--constraints", LOCKS / "test.txt"]
    at: Words = ["--quiet", "--python", python]
    uv("pip", "install", *at, *constraints, *what, problem=f"{name}'s wheel cannot be installed")
    return python


def test_wheels(summary: Summary, *, strict: bool) -> None:
    """Each wheel alone: a dependency that was not declared is missing here."""
    folder = DEV / "wheels"
    with summary.stage("build wheels"):
        build_wheels(folder, *members())
    wheels = {wheel.name.partition("-")[0]: wheel for wheel in folder.glob("*.whl")}
    for name in sorted(wheels):
        # quartet carries chassis and the products; a product stands on chassis.
        below = {"ifmatch": [], "chassis": ["ifmatch"], "quartet": ["ifmatch"]}
        others = below.get(name, ["ifmatch", "chassis"])
        with summary.stage(f"{name}'s wheel") as tell:
            python = wheel_environment(name, *(wheels[n] for n in [*others, name]))
            everything = ["ifmatch.core"] if name == "ifmatch" else [name]
            if name == "quartet":
                everything = [n for n in wheels if n != "ifmatch"]
            if run(python, "-I", "-c", IMPORT_ALL, *everything):
                tell("FAILED: an import; next: declare what it needs in pyproject.toml")
    core = ROOT / "packages/ifmatch/tests/core"
    if "ifmatch" in wheels and core.exists():
        tools = ["pytest", "pytest-timeout", "hypothesis"]
        alone = partial(wheel_environment, "ifmatch-core", wheels["ifmatch"], *tools)
        pytest(summary, "core tests on the wheel", alone, core, strict=strict)


def command_test(everything: bool, words: list[str]) -> int:
    """Run the tests; with `everything`, all of them, on all Pythons, and the built wheels."""
    summary = Summary()
    ci = os.environ.get("CI", "") not in ("", "false", "0")
    strict = everything and (ci or programs.installable())
    # By file: servers that a module shares are started once, and its races have a worker to
    # themselves. (pytest-xdist 3.8 does not see its own groups under pytest 9.)
    workers = ["-n", str(min(os.cpu_count() or 2, 8)), "--dist", "loadfile"]
    workers.append("--no-loadscope-reorder")  # by the number of tests; conftest.py knows better
    if any(word.startswith(("-n", "--pdb")) or word == "-s" for word in words):
        workers = []
    if everything:
        install_programs(summary)
        check(summary)
        if postgres.older() is None:
            summary.notes.append(f"stores on an older PostgreSQL; {postgres.HOW_TO_GET_OLDER}")
    python = partial(environment, "test", "test")
    choice = [] if everything else ["-m", "not full"]
    pytest(summary, "tests", python, *workers, *choice, *words, strict=strict)
    if everything:
        try_mutants(summary)
        test_other_pythons(summary, workers, strict=strict)
        test_wheels(summary, strict=strict)
    return summary.close()


# -- checks -----------------------------------------------------------------------------------


def check(summary: Summary, *, fix: bool = False) -> None:
    """Lint, format, types, import contracts, dependencies, dead code and our own rules."""
    with summary.stage("set up the checks"):
        environment("check", "test", "check", "build")
    found = partial(tool, interpreter=DEV / "check" / BIN / "python")
    if fix:
        command(summary, "ruff fixes", found("ruff"), "check", "--fix", "--quiet", ".")
        command(summary, "ruff formats", found("ruff"), "format", "--quiet", ".")
    command(summary, "ruff", found("ruff"), "check", ".")
    command(summary, "format", found("ruff"), "format", "--check", ".")
    typed = ("dev.py", "conftest.py", "harness", "packages", "products", "e2e", "benchmarks")
    command(summary, "mypy", found("mypy"), *(p for p in typed if (ROOT / p).exists()))
    command(summary, "imports", found("lint-imports"))
    for member in members():
        command(summary, f"deptry {member.name}", found("deptry"), "src", cwd=member)
    command(summary, "vulture", found("vulture"))
    with summary.stage("our own rules") as tell:
        locks = [LOCKS / f"{name}.txt" for name in EXPORTS]
        if broken := [*rules.addresses(ROOT), *rules.stale(locks, projects())]:
            print("\n".join(broken))
            tell(f"FAILED: {len(broken)} found")


# -- the other commands -----------------------------------------------------------------------


def served(words: list[str], variables: Mapping[str, str]) -> list[str]:
    """The arguments of `quartet serve`: the data is in var/, unless somebody says otherwise."""
    said = any(word.partition("=")[0] == "--data" for word in words)
    if said or variables.get("QUARTET_DATA"):
        return words
    return ["--data", os.path.relpath(ROOT / "var"), *words]


def command_run(words: list[str]) -> int:
    """Set up what is needed to run, then become `quartet serve`."""
    python = environment("run", "run")
    words = served(words, os.environ)
    program = str(tool("quartet", python))
    sys.stdout.flush()
    if os.name == "posix":
        os.execv(program, [program, "serve", *words])  # noqa: S606 (signals reach it directly)
    return run(program, "serve", *words)


def command_bench(words: list[str]) -> int:
    """Run the benchmarks."""
    if not (ROOT / "benchmarks/__main__.py").exists():
        raise Stop("There are no benchmarks yet. Next: add benchmarks/__main__.py.")
    return run(environment("bench", "test", "bench"), "-m", "benchmarks", *words)


def command_docs() -> int:
    """Build the documentation into site/."""
    if not (ROOT / "zensical.toml").exists():
        raise Stop("There is no documentation to build yet. Next: add zensical.toml and docs/.")
    return run(tool("zensical", environment("docs", "docs")), "build", "--clean")


def command_clauses() -> int:
    """Write docs/clauses.md anew from the vectors."""
    print(f"{clauses.PAGE} {'was written' if clauses.write(ROOT) else 'is as it should be'}")
    return 0


def command_build() -> int:
    """Build what is published: the wheels of ifmatch and quartet."""
    build_wheels(ROOT / "dist", ROOT / "packages/ifmatch", ROOT / "products/quartet")
    for wheel in sorted((ROOT / "dist").glob("*.whl")):
        print(wheel.relative_to(ROOT))
    return 0


def command_lock(words: list[str]) -> int:
    """Resolve again and write requirements/; with --upgrade, to the latest releases."""
    uv("lock", "--python", sys.executable, *words, problem="The dependencies do not fit together")
    plain = ["--format", "requirements-txt", "--no-emit-workspace", "--no-header", "--no-annotate"]
    for name, selection in EXPORTS.items():
        path = LOCKS / f"{name}.txt"
        options: Words = ["-q", "--frozen", *plain, "--output-file", path]
        uv("export", *options, *selection, problem=f"requirements/{name}.txt was not written")
        header = rules.lock_header(projects())
        path.write_text(f"{header}\n{path.read_text('utf-8')}", "utf-8")
    return 0


def command_check(fix: bool) -> int:
    """Run the checks by themselves."""
    summary = Summary()
    check(summary, fix=fix)
    return summary.close()


def command_mutants(ids: list[str]) -> int:
    """Try the mutants by themselves: those of the ids, or all."""
    summary = Summary()
    try_mutants(summary, *ids)
    return summary.close()


HELP = {
    "run": "start quartet on port 8000 with its data in var/; takes --port, --data, --demo, …",
    "test": "run the tests; --all runs everything; takes pytest's arguments",
    "mutants": "make mistakes in ifmatch that its tests must notice: all, or the ids given",
    "check": "lint, types, import contracts, dependencies; --fix repairs what it can",
    "bench": "run the benchmarks",
    "docs": "build the documentation into site/",
    "clauses": "write docs/clauses.md anew from the vectors",
    "build": "build the wheels of ifmatch and quartet into dist/",
    "lock": "pin the dependencies again; --upgrade takes the latest releases",
}


def main() -> int:
    """Read the command line; what is not ours goes on to the program that is run."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, words in HELP.items():
        parsers.add_parser(name, help=words, add_help=name not in ("run", "bench"))
    parsers.choices["test"].add_argument("--all", action="store_true", dest="everything")
    parsers.choices["check"].add_argument("--fix", action="store_true")
    options, rest = parser.parse_known_args()
    if rest and options.command in ("check", "docs", "clauses", "build"):
        parser.error(f"{options.command} does not take {' '.join(rest)}")
    commands: dict[str, Callable[[], int]] = {
        "run": lambda: command_run(rest),
        "test": lambda: command_test(options.everything, rest),
        "mutants": lambda: command_mutants(rest),
        "check": lambda: command_check(options.fix),
        "bench": lambda: command_bench(rest),
        "docs": command_docs,
        "clauses": command_clauses,
        "build": command_build,
        "lock": lambda: command_lock(rest),
    }
    try:
        return commands[options.command]()
    except Stop as stop:
        print(f"dev.py: {stop}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
