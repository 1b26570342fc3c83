"""Writes the reference pages that are made from tables: `python -m quartet.reference docs`."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from chassis.installation import find_product
from chassis.product import Product
from chassis.settings import reference as settings_page
from quartet.cli import PRODUCTS


def pages(products: Sequence[Product]) -> Mapping[str, str]:
    """Each page by its path below docs/."""
    return {"reference/settings.md": settings_page(products)}


def main(docs: Path) -> None:
    """Write the pages that are not as they should be, and say which."""
    for name, text in pages([find_product(reference) for reference in PRODUCTS]).items():
        page = docs / name
        if not page.exists() or page.read_text("utf-8") != text:
            page.parent.mkdir(exist_ok=True)
            page.write_text(text, "utf-8")
            sys.stdout.write(f"{page} was written\n")


if __name__ == "__main__":
    main(Path(*sys.argv[1:2]))
