"""What the tests of FlagBit share."""

from __future__ import annotations

import pytest

from chassis.problem_types import types_of
from chassis.problems import Problem
from flagbit.product import PRODUCT


@pytest.fixture(autouse=True)
def _no_unknown_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    """A problem that no table has is a mistake of the code that raises it."""
    monkeypatch.setattr(Problem, "expected", types_of([PRODUCT]))
