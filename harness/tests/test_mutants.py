"""Mutants: what the tests notice is killed, what they do not is told, and nobody is fooled.

The runner is tried on a package of one function, whose tests leave a hole.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from harness.mutants import Fate, Hunt, Mutant, Plan, Report, Result
from harness.summary import Stop

ROOT = Path(__file__).parents[2]
LIBRARY = ROOT / "packages/ifmatch/tests/mutants.toml"

SOURCE = '''"""Ages."""


def of_age(years: int) -> bool:
    while years < 0:
        years += 1
    return years >= 18
'''

TESTS = """
from tiny.age import of_age

def test_nineteen_is_enough():
    assert of_age(19)

def test_a_child_is_not_of_age():
    assert not of_age(7)
    assert not of_age(-7)
"""

MUTANTS = """
package = "tiny"
source = "src"
tests = ["tests", "more"]
last = ["tests/test_slow.py"]
pytest = ["--strict-markers"]
"""

MUTANT = """
[[mutant]]
id = "{id}"
file = "{file}"
old = '{old}'
new = '{new}'
clause = "1.2"
says = "Somebody is wronged."
"""


def plan(folder: Path, *mutants: tuple[str, str, str]) -> Plan:
    """A plan for the tiny package, of mutants that are (id, old, new)."""
    for name, text in {
        "src/tiny/__init__.py": "",
        "src/tiny/age.py": SOURCE,
        "tests/test_age.py": TESTS,
        "tests/test_other.py": "def test_nothing(): pass",
        "tests/test_slow.py": "from tiny.age import of_age\n\ndef test_late(): assert of_age(30)",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    written = [MUTANT.format(id=i, file="age.py", old=o, new=n) for i, o, n in mutants]
    (folder / "mutants.toml").write_text(MUTANTS + "".join(written))
    return Plan.read(folder / "mutants.toml")


def hunted(folder: Path, found: Plan, limit: float = 120.0) -> tuple[dict[str, Result], list[str]]:
    told: list[str] = []
    report = Hunt(found, Path(sys.executable), folder, time_limit=limit).run(
        found.mutants, told.append
    )
    return {each.mutant.id: each for each in report.results}, told


def test_each_mutant_has_its_fate(tmp_path: Path) -> None:
    found = plan(
        tmp_path,
        ("nobody", "years >= 18", "years >= 99"),
        ("only the old", "years >= 18", "years >= 20"),
        ("not in the last year", "years >= 18", "years > 18"),
        ("not there", "months", "days"),
        ("there twice", "years", "days"),
        ("no change", "years >= 18", "years >= 18"),
        ("no Python", "years >= 18", "years >=="),
        ("no module", '"""Ages."""', "import nowhere"),
    )
    results, told = hunted(tmp_path, found)
    assert {name: each.fate for name, each in results.items()} == {
        "nobody": Fate.KILLED,
        "only the old": Fate.KILLED,
        "not in the last year": Fate.SURVIVED,
        "not there": Fate.STALE,
        "there twice": Fate.STALE,
        "no change": Fate.STALE,
        "no Python": Fate.BROKEN,
        "no module": Fate.BROKEN,
    }
    assert results["nobody"].by == "test_age.py", "the test of the module with the mistake is first"
    assert "No module named 'nowhere'" in results["no module"].by
    assert told[0].startswith("the tests pass without a mistake")
    assert told[1].startswith("SURVIVED not in the last year (1.2): Somebody is wronged.\n")
    assert "\n-    return years >= 18\n+    return years > 18\n" in told[1]
    assert [text.split(" (")[0] for text in told[2:]] == [
        *("STALE not there", "STALE there twice", "STALE no change"),
        *("BROKEN no Python", "BROKEN no module"),
    ]
    assert (tmp_path / "src/tiny/age.py").read_text() == SOURCE, "only copies are changed"


def test_a_mistake_that_never_ends_is_killed(tmp_path: Path) -> None:
    found = plan(tmp_path, ("for ever", "years += 1", "years -= 1"))
    results, _ = hunted(tmp_path, found, limit=1.0)
    assert results["for ever"] == Result(found.mutants[0], Fate.KILLED, "the time limit")


def test_tests_that_fail_anyway_kill_nothing(tmp_path: Path) -> None:
    found = plan(tmp_path, ("nobody", "years >= 18", "years >= 99"))
    (tmp_path / "more").mkdir()
    (tmp_path / "more/test_broken.py").write_text("def test_broken(): assert 1 == 2")
    with pytest.raises(Stop, match=r"(?s)assert 1 == 2.*fail without any mistake. Next: "):
        hunted(tmp_path, found)


def test_where_there_are_no_tests_nothing_is_tried(tmp_path: Path) -> None:
    found = plan(tmp_path)
    for file in (tmp_path / "tests").iterdir():
        file.unlink()
    with pytest.raises(Stop, match="There are no tests in"):
        hunted(tmp_path, found)


def test_the_tests_of_the_module_come_first_and_the_slow_ones_last(tmp_path: Path) -> None:
    found = plan(tmp_path, ("nobody", "years >= 18", "years >= 99"))
    groups = found.test_files(found.mutants[0])
    names = [[file.name for file in group] for group in groups]
    assert names == [["test_age.py"], ["test_other.py"], ["test_slow.py"]]


def test_some_are_chosen_by_their_ids_and_a_slip_is_told(tmp_path: Path) -> None:
    found = plan(tmp_path, ("one", "a", "b"), ("other", "a", "b"))
    assert found.chosen(["other"]) == [found.mutants[1]]
    assert found.chosen([]) == list(found.mutants)
    with pytest.raises(Stop, match=r"There is no mutant ohter. Next: try other\."):
        found.chosen(["ohter"])


def test_an_id_is_given_once(tmp_path: Path) -> None:
    with pytest.raises(Stop, match="more than one same"):
        plan(tmp_path, ("same", "a", "b"), ("same", "c", "d"))


def test_a_report_counts_and_says_which_tests_killed_first() -> None:
    mutant = Mutant("id", "a.py", "old", "new", "1.2", "Somebody is wronged.")
    killed = [Result(mutant, Fate.KILLED, by) for by in ("test_a.py", "test_b.py", "test_b.py")]
    report = Report(killed, 1.0)
    assert not report.failed
    assert str(report) == "3 mutants, 3 killed, 0 survived"
    assert report.killers() == "test_b.py 2, test_a.py 1"
    for fate, words in {Fate.SURVIVED: "1 survived", Fate.STALE: "0 survived, 1 stale"}.items():
        failed = Report([*killed, Result(mutant, fate)], 1.0)
        assert failed.failed
        assert str(failed) == f"4 mutants, 3 killed, {words}"


# -- those of the library ---------------------------------------------------------------------


def test_no_mutant_of_the_library_is_stale() -> None:
    """Found here within a second, and not only by `dev.py mutants`."""
    found = Plan.read(LIBRARY)
    assert [each.id for each in found.mutants if found.mutated(each) is None] == []


def test_each_mutant_of_the_library_is_a_mistake_of_its_own_and_says_what_it_does() -> None:
    found = Plan.read(LIBRARY)
    mistakes = {(each.file, found.mutated(each)) for each in found.mutants}
    assert len(mistakes) == len(found.mutants)
    assert len({each.says for each in found.mutants}) > 0.9 * len(found.mutants)
    assert all(each.says.endswith(".") and each.clause for each in found.mutants)
