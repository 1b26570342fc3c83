"""The reference pages that are made from tables say what the tables say."""

from __future__ import annotations

from pathlib import Path

import pytest

from chassis.installation import find_product
from quartet.cli import PRODUCTS
from quartet.reference import main, pages

DOCS = Path(__file__).parents[3] / "docs"
PAGES = pages([find_product(reference) for reference in PRODUCTS])


@pytest.mark.parametrize("name", sorted(PAGES))
def test_the_page_is_current(name: str) -> None:
    """Next, if not: python -m quartet.reference docs"""
    assert (DOCS / name).read_text("utf-8") == PAGES[name]


def test_what_is_current_is_not_written_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(tmp_path)
    assert {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.md")} == set(PAGES)
    assert capsys.readouterr().out.count("was written") == len(PAGES)
    main(tmp_path)
    assert capsys.readouterr().out == ""
