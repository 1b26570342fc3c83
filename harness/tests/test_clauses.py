"""The page of clauses is what the clauses and the vectors say now, and what it names is there."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pytest

from harness.clauses import PAGE, VECTORS, page

ROOT = Path(__file__).parents[2]
CLAUSES = json.loads((ROOT / VECTORS / "clauses.json").read_text("utf-8"))["clauses"]
SUPPORTED = [clause for clause in CLAUSES if clause["status"] == "supported"]


def test_the_page_is_not_stale() -> None:
    assert (ROOT / PAGE).read_text("utf-8") == page(ROOT), "next: python3 dev.py clauses"


def test_each_clause_has_a_row_and_each_supported_one_its_evidence() -> None:
    rows = {line.split(" | ")[0].strip("| "): line for line in page(ROOT).splitlines()}
    for clause in CLAUSES:
        assert clause["id"] in rows
    for clause in SUPPORTED:
        assert rows[clause["id"]].rstrip(" |").endswith(("`", " more")), clause["id"]


@pytest.mark.parametrize("clause", SUPPORTED, ids=lambda clause: str(clause["id"]))
def test_what_decides_a_clause_is_where_the_page_says(clause: dict[str, Any]) -> None:
    """Each place is a file and a name in it, so that a reader finds it, after a change, too."""
    assert clause["where"] or clause["level"] == "MAY"
    for place in clause["where"]:
        file, _, name = place.partition(": ")
        tree = ast.parse((ROOT / "packages/ifmatch/src/ifmatch" / file).read_text("utf-8"))
        assert name in set(names(tree)), place
    for test in clause["tests"]:
        file, _, name = test.partition("::")
        assert f"def {name}(" in (ROOT / file).read_text("utf-8"), test


def names(tree: ast.Module) -> list[str]:
    """What a module defines: its functions, classes, methods and constants."""
    found = []
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found.append(node.name)
        elif isinstance(node, ast.ClassDef):
            methods = [each for each in node.body if isinstance(each, ast.FunctionDef)]
            found += [node.name, *(f"{node.name}.{method.name}" for method in methods)]
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found += [target.id for target in targets if isinstance(target, ast.Name)]
    return found
