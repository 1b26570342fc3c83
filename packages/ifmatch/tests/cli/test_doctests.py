"""The examples in the docstrings of the command line run."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import ifmatch.cli

MODULES = [f"ifmatch.cli.{found.name}" for found in pkgutil.iter_modules(ifmatch.cli.__path__)]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_say_what_happens(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0
