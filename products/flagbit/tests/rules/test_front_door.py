"""The front door, the examples in the docstrings, and the reference that must follow the code."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import re
import sys
from pathlib import Path
from typing import get_args

import pytest

from flagbit import rules
from flagbit.rules import limits

MODULES = sorted(module.name for module in pkgutil.iter_modules(rules.__path__))
REFERENCE = Path(__file__).parents[4] / "docs/reference/flagbit-rules.md"


def test_the_front_door_lists_what_it_has() -> None:
    public = {
        name
        for name, value in vars(rules).items()
        if not name.startswith("_") and name not in {*MODULES, "annotations"}
    }
    assert public == set(rules.__all__)
    assert len(set(rules.__all__)) == len(rules.__all__)


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_in_docstrings_run(name: str) -> None:
    module = importlib.import_module(f"flagbit.rules.{name}")
    assert doctest.testmod(module).failed == 0


@pytest.mark.parametrize("name", MODULES)
def test_the_rules_import_only_the_standard_library_and_themselves(name: str) -> None:
    source = Path(rules.__path__[0], f"{name}.py").read_text(encoding="utf-8")
    for module in re.findall(r"^\s*(?:from|import) ([\w.]+)", source, re.MULTILINE):
        assert module.startswith("flagbit.rules") or module.split(".")[0] in sys.stdlib_module_names


def section(title: str) -> str:
    text = REFERENCE.read_text(encoding="utf-8")
    return text.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


def first_column(table: str) -> list[str]:
    return re.findall(r"^\| `([^`]+)` +\|", table, re.MULTILINE)


def test_the_reference_names_every_operator() -> None:
    assert first_column(section("Operators")) == list(rules.OPERATORS)


def test_the_reference_names_every_fault() -> None:
    assert first_column(section("Faults")) == list(get_args(rules.Code))


def test_the_reference_names_every_reason() -> None:
    assert first_column(section("Reasons")) == list(get_args(rules.Reason))


def test_the_reference_names_every_type() -> None:
    assert first_column(section("Flags")) == list(rules.TYPES)


def test_the_reference_states_every_limit() -> None:
    cells = re.findall(r"\| ([\d,]+) \|$", section("Limits"), re.MULTILINE)
    stated = [int(cell.replace(",", "")) for cell in cells]
    named = [value for name, value in vars(limits).items() if name.isupper()]
    assert stated == [value for value in named if value != limits.INTEGER]


def test_the_reference_has_the_published_buckets() -> None:
    row = r"^\| `([^`]+)` \| `([^`]+)` \| `[0-9a-f]{8}` \| (\d+) \|$"
    rows = re.findall(row, section("Splits"), re.MULTILINE)
    assert len(rows) == 5
    for salt, value, position in rows:
        assert rules.bucket(salt, value) == int(position)
