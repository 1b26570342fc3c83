"""The command `quartet`."""

from __future__ import annotations

from chassis.cli import command_line

PRODUCTS = ("flagbit.product:PRODUCT",)
"""Looked up when they are served, so that the command starts quickly."""

main = command_line("quartet", PRODUCTS, "Serves the products with one front page.")
