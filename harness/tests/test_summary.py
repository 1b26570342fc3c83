"""A long command closes with a line per stage, and fails if one of them did."""

from pathlib import Path

import pytest

from harness.summary import Counts, Stop, Summary

REPORT = """<testsuites><testsuite name="pytest" errors="0" failures="1" skipped="2" tests="5">
<testcase name="a"/><testcase name="b"><failure message="no"/></testcase><testcase name="c"/>
<testcase name="d"><skipped type="pytest.skip" message="no browser"/></testcase>
<testcase name="e"><skipped type="pytest.xfail" message="known"/></testcase>
</testsuite></testsuites>"""


def test_all_well(capsys: pytest.CaptureFixture[str]) -> None:
    summary = Summary()
    with summary.stage("lint"):
        pass
    assert summary.close() == 0
    assert "passed in 0 s" in capsys.readouterr().out


def cannot_set_up() -> None:
    raise Stop("no network. Next: check it.")


def test_a_failed_stage_fails_the_whole_and_the_next_one_still_runs() -> None:
    summary = Summary()
    with summary.stage("set up"):
        cannot_set_up()
    with summary.stage("tests") as tell:
        tell("3 passed")
    assert [outcome for _, _, outcome in summary.lines] == [
        "FAILED: no network. Next: check it.",
        "3 passed",
    ]
    assert summary.close() == 1


def test_a_reason_is_named_once(capsys: pytest.CaptureFixture[str]) -> None:
    summary = Summary(notes=["no browser", "no browser"])
    summary.close()
    assert capsys.readouterr().out.count("not run: no browser") == 1


def test_an_expected_failure_is_not_a_skipped_test(tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    report.write_text(REPORT)
    assert Counts.read(report) == Counts(passed=3, failed=1, errors=0, skips=("no browser",))
