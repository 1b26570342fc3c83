"""Templates and assets that all pages share."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, StrictUndefined

from chassis.pages import amounts
from chassis.pages.bundle import Bundle
from chassis.pages.unseen import parts

_HERE = Path(__file__).parent

# Under these names everywhere, so that a shared module finds the library's at ../ifmatch/.
FOLDERS = {
    "shared": _HERE / "assets",
    "ifmatch": Path(str(files("ifmatch.client").joinpath("browser"))),
}
SHARED = Bundle(FOLDERS)
"""The assets of all pages; the front serves them."""


def assets(own: Path) -> Bundle:
    """The assets of a product: its own, the shared ones, and the library's modules.

    Its modules import `./shared/dom.js` and `./ifmatch/client.js`.
    """
    return Bundle({"": own, **FOLDERS})


def environment(*folders: Path) -> Environment:
    """An environment that looks in `folders` first, then among the shared templates.

    Everything is escaped, and a name that is not set is an error. Templates find the shared assets
    as `shared`; text that others sent is written with the macro `seen` of `seen.html`.
    """
    places = (*folders, _HERE / "templates")
    made = Environment(
        loader=ChoiceLoader([FileSystemLoader(place) for place in places]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals["shared"] = SHARED
    made.filters |= {"parts": parts, "number": amounts.number, "size": amounts.size}
    return made
