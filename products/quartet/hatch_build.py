"""Puts chassis and the products into quartet's wheel, with what they need and their commands.

An editable install stays as it is: there, each member is installed by itself.
"""

import tomllib
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from packaging.requirements import Requirement


class CarryMembers(BuildHookInterface[Any]):
    """Carries chassis and every other product of the workspace."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add each member's package, commands, and dependencies that are not carried themselves."""
        if version == "editable":
            return
        quartet = Path(self.root)
        products = {project.parent for project in quartet.parent.glob("*/pyproject.toml")}
        members = [quartet.parents[1] / "packages/chassis", *sorted(products - {quartet})]
        carried = {member.name for member in members}
        needed = []
        for member in members:
            build_data["force_include"][str(member / "src" / member.name)] = member.name
            project = tomllib.loads((member / "pyproject.toml").read_text("utf-8"))["project"]
            needed += [d for d in project["dependencies"] if Requirement(d).name not in carried]
            self.metadata.core.scripts.update(project.get("scripts", {}))
        build_data["dependencies"] += dict.fromkeys(needed)
