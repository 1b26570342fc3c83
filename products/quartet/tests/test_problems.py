"""Every problem that the code of any member can raise is a row of a table."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from chassis.installation import find_product
from chassis.problem_types import types_of
from quartet.cli import PRODUCTS

ROOT = Path(__file__).parents[3]
TYPES = types_of([find_product(reference) for reference in PRODUCTS])

BY_STATUS = {"packages/chassis/src/chassis/problems.py": {"status"}}
"""Where a problem is made of what somebody else raised: the slug is of the table `_PLAIN` there."""


def sources() -> Iterator[Path]:
    for member in (*ROOT.glob("packages/chassis"), *ROOT.glob("products/*")):
        yield from sorted((member / "src").rglob("*.py"))


def raised(path: Path) -> Iterator[tuple[int, ast.expr, ast.expr]]:
    """Line, status and slug of each problem that the file makes."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Problem":
            yield node.lineno, node.args[0], node.args[1]


def slugs(expression: ast.expr) -> str | None:
    """A pattern of what the expression may be; None where it cannot be told."""
    if isinstance(expression, ast.Constant):
        return re.escape(str(expression.value))
    if isinstance(expression, ast.JoinedStr):
        parts = (
            re.escape(str(one.value)) if isinstance(one, ast.Constant) else "[a-z]+"
            for one in expression.values
        )
        return "".join(parts)
    return None


FILES = [path for path in sources() if any(raised(path))]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_each_problem_is_a_row_with_that_status(path: Path) -> None:
    """Next, if not: a ProblemType in chassis.problem_types or the product's problems."""
    name = path.relative_to(ROOT).as_posix()
    for line, status, slug in raised(path):
        if ast.unparse(status) in BY_STATUS.get(name, ()):
            continue
        pattern = slugs(slug)
        assert pattern is not None, f"{name}:{line}: write the slug out"
        rows = [one for key, one in TYPES.items() if re.fullmatch(pattern, key)]
        assert rows, f"{name}:{line}: no table has {ast.unparse(slug)}"
        code = ast.literal_eval(status)
        assert all(code in row.statuses for row in rows), f"{name}:{line}: {code} is of no row"


def test_the_walk_finds_them() -> None:
    assert {"problems.py", "sessions.py", "flags.py"} <= {path.name for path in FILES}


def test_what_others_raise_becomes_a_row() -> None:
    from chassis.problems import _PLAIN

    for status, (slug, detail) in _PLAIN.items():
        assert status in TYPES[slug].statuses
        assert detail.endswith(".")
