"""Versions follow Semantic Versioning 2.0.0: its grammar and its precedence."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flagbit.rules.semver import version

NUMERIC = st.integers(0, 10**30).map(str)
ALPHANUMERIC = st.from_regex(r"[0-9]{0,3}[A-Za-z-][0-9A-Za-z-]{0,4}", fullmatch=True)
PRE_RELEASES = st.lists(st.one_of(NUMERIC, ALPHANUMERIC), max_size=4)
CORES = st.tuples(NUMERIC, NUMERIC, NUMERIC)


@pytest.mark.parametrize(
    "text",
    [
        "0.0.0",
        "1.2.3",
        "10.20.30",
        "1.1.2-prerelease+meta",
        "1.1.2+meta-valid",
        "1.0.0-alpha.beta.1",
        "1.0.0-alpha0.valid",
        "1.0.0-rc.1+build.123",
        "2.0.0+build.1848",
        "1.0.0-0A.is.legal",
        "1.0.0--.-",
        "1.0.0+0.build.1-rc.10000aaa-kk-0.1",
        "99999999999999999999999.999999999999999999.99999999999999999",
    ],
)
def test_what_the_grammar_allows_is_read(text: str) -> None:
    assert version(text) is not None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "1.2",
        "v1.2.3",
        "1.2.3.4",
        "01.1.1",
        "1.01.1",
        "1.2.3-",
        "1.2.3-0123",
        "1.2.3-a..b",
        "1.2.3+",
        "1.2.3+a+b",
        "1.2.3+a..b",
        "1.2.3-é",
        "-1.2.3",
        " 1.2.3",
        "1.2.3\n",
        "1.2.٣",
        "1.2.",
    ],
)
def test_anything_else_is_no_version(text: str) -> None:
    assert version(text) is None


def test_precedence_is_that_of_section_11() -> None:
    rising = [
        version(text)
        for text in [
            "1.0.0-1",
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-alpha.beta",
            "1.0.0-beta",
            "1.0.0-beta.2",
            "1.0.0-beta.11",
            "1.0.0-rc.1",
            "1.0.0",
            "2.0.0",
            "2.1.0",
            "2.1.1",
            "2.1.10",
        ]
    ]
    present = [each for each in rising if each is not None]
    assert len(present) == len(rising)
    assert present == sorted(present)
    assert len(set(present)) == len(present)


@given(CORES, CORES)
def test_numbers_compare_as_numbers_at_any_length(
    one: tuple[str, str, str], two: tuple[str, str, str]
) -> None:
    first, second = version(".".join(one)), version(".".join(two))
    assert first is not None
    assert second is not None
    assert (first < second) == (tuple(map(int, one)) < tuple(map(int, two)))


@given(CORES, PRE_RELEASES, st.lists(ALPHANUMERIC, min_size=1, max_size=3))
def test_build_metadata_changes_nothing(
    core: tuple[str, str, str], pre_release: list[str], build: list[str]
) -> None:
    plain = "-".join(filter(None, [".".join(core), ".".join(pre_release)]))
    assert version(plain) is not None
    assert version(plain) == version(f"{plain}+{'.'.join(build)}")


@given(CORES, PRE_RELEASES.filter(bool))
def test_a_pre_release_comes_before_its_release(
    core: tuple[str, str, str], pre_release: list[str]
) -> None:
    release = version(".".join(core))
    early = version(f"{'.'.join(core)}-{'.'.join(pre_release)}")
    assert release is not None
    assert early is not None
    assert early < release


@given(st.text(alphabet="0123456789.-+aZé\n"))
def test_no_text_raises(text: str) -> None:
    version(text)


def test_a_million_characters_are_read_at_once() -> None:
    assert version("1" * 1_000_000 + ".0.0") is not None
    assert version("1.0.0-" + "1." * 500_000) is None
    assert version("1.0.0-" + "a-" * 500_000 + "!") is None
