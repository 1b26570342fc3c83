"""Serves it from the command line: python -m notebook serve."""

from chassis.cli import command_line

command_line("notebook", ("notebook:PRODUCT", "notebook:SECOND"), "Keeps notes.")()
