"""The front door: exactly the names of daily use, and nothing pulled in behind them."""

from __future__ import annotations

import subprocess
import sys
from types import ModuleType

import ifmatch


def test_the_list_of_names_is_exactly_what_the_module_offers() -> None:
    offered = {
        name
        for name, value in vars(ifmatch).items()
        if not name.startswith("_") and not isinstance(value, ModuleType)
    }
    assert offered == set(ifmatch.__all__)


def test_the_list_is_sorted_and_names_nothing_twice() -> None:
    """Constants, then classes, then functions, each in the order of the alphabet."""
    assert len(set(ifmatch.__all__)) == len(ifmatch.__all__)
    constants = [name for name in ifmatch.__all__ if name.isupper()]
    classes = [name for name in ifmatch.__all__ if not name.isupper() and name[0].isupper()]
    functions = [name for name in ifmatch.__all__ if name[0].islower()]
    assert ifmatch.__all__ == sorted(constants) + sorted(classes) + sorted(functions)


def test_the_import_needs_no_other_package_and_opens_no_other_room() -> None:
    """In an interpreter of its own all modules are then ours or the standard library's."""
    program = (
        "import sys; before = set(sys.modules); import ifmatch; print(*set(sys.modules) - before)"
    )
    ran = subprocess.run(  # the interpreter that runs the tests, with our own program
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    loaded = ran.stdout.split()
    foreign = {name.partition(".")[0] for name in loaded} - sys.stdlib_module_names - {"ifmatch"}
    assert not foreign
    rooms = {name.split(".")[1] for name in loaded if name.startswith("ifmatch.")}
    assert rooms == {"core"}
