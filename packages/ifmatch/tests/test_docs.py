"""What the reference shows runs, and what the page of deviations claims is shown by a test."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

HERE = Path(__file__).parent
DOCS = HERE.parents[2] / "docs"
PYTHON_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PAGES = [
    *("reference/core", "reference/asgi", "reference/stores", "reference/vectors"),
    "reference/history",
    "reference/merge",
    "reference/metrics",
    "reference/openapi",
    *("how-to/add-to-sqlalchemy", "how-to/keep-counters-out-of-edits"),
]


@pytest.mark.parametrize("page", PAGES)
def test_the_code_on_a_page_runs_from_top_to_bottom(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one namespace, and in an empty folder; errors name the page and its line."""
    monkeypatch.chdir(tmp_path)
    path = DOCS / f"{page}.md"
    text = path.read_text(encoding="utf-8")
    namespace: dict[str, object] = {"__name__": page}
    blocks = list(PYTHON_BLOCK.finditer(text))
    assert len(blocks) == text.count("```python"), "a block is not closed"
    for block in blocks:
        above = text.count("\n", 0, block.start(1))
        code = compile("\n" * above + block[1], str(path), "exec", dont_inherit=True)
        exec(code, namespace)


def test_each_deviation_names_a_test_and_each_test_of_them_is_named() -> None:
    rows = (DOCS / "deviations.md").read_text(encoding="utf-8").splitlines()
    named = {row.split("|")[-2].strip().strip("`") for row in rows if row.startswith("| RFC")}
    tree = ast.parse((HERE / "test_deviations.py").read_text(encoding="utf-8"))
    defined = {
        each.name
        for each in tree.body
        if isinstance(each, ast.FunctionDef) and each.name.startswith("test_")
    }
    assert named == defined
