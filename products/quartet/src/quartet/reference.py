"""Writes the reference pages that are made from tables: `python -m quartet.reference docs`."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from chassis.installation import find_product
from chassis.problem_types import TYPES, table, types_of
from chassis.problem_types import markdown as problem_page
from chassis.product import Product
from chassis.settings import reference as settings_page
from quartet.cli import PRODUCTS

_HEAD = """# Problems

Every error of every API is one shape, `application/problem+json` (RFC 9457), never stored by a
cache, and its `detail` ends with what to do next:

```json
{
  "type": "urn:ifmatch:problem:role-too-low",
  "title": "Role too low",
  "status": 403,
  "detail": "This needs a key with the role write; yours has read. Ask an administrator for one.",
  "needed": "write"
}
```

Programs look at `type`, and at `status` for a type that they do not know. `title` and `detail` are
for people and may change. What was sent is never repeated: it may be a secret.

Each type has a page, here and on the server at `/problems/<type>`, and each answer leads to it:
`Link: </problems/role-too-low>; rel="help"`. A status that needs no more words has the type
`about:blank`.

What evaluates flags speaks [OFREP](flagbit-api.md#ofrep), whose failures have another shape.
Malformed HTTP has this shape, too, as long as an answer is possible.

## Of every address
""".splitlines()

_AFTER_503 = [
    "After a 503 to a change it is not known whether the change was saved. Read before you",
    "repeat it.",
]

_TAIL = """
## Fields that were not accepted

`errors` names up to twenty, `more` counts the rest. `pointer` is a JSON Pointer (RFC 6901) into the
body; a part of the address or a header has `in` and `name`. An example is on
[its page](../problems/validation-failed.md).

## The number of a request

Every answer has an `X-Request-Id`, and so have the lines of the log that belong to it. A number
that a proxy sent is kept if it is 1 to 64 letters, digits, dots, dashes or underscores.

These pages are made from the tables of the products: `python -m quartet.reference docs`.
""".splitlines()


def pages(products: Sequence[Product]) -> Mapping[str, str]:
    """Each page by its path below docs/."""
    types = types_of(products)
    return {
        "reference/settings.md": settings_page(products),
        "reference/problems.md": problems_page(products),
        **{f"problems/{slug}.md": problem_page(one) for slug, one in types.items()},
    }


def problems_page(products: Sequence[Product]) -> str:
    """The page that lists all types."""
    lines = [*_HEAD, *table(TYPES), "", *_AFTER_503]
    for product in products:
        if product.problems:
            lines += ["", f"## Of {product.title}", "", *table(product.problems)]
    return "\n".join([*lines, *_TAIL, ""])


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
