"""What is committed works anywhere: no registry's address, no path of one machine, no old lock."""

import subprocess
from pathlib import Path

import pytest

from harness import rules


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "a"\ndependencies = ["b"]\n')
    return tmp_path


@pytest.mark.parametrize(
    "line",
    [
        "--index-url https://" + "pypi" + ".org/simple",
        "wheel from files.python" + "hosted.org",
        '"resolved": "https://registry.npm' + 'js.org/x"',
        "see /" + "work/main/dev.py",
        "see .." + "/shared/notes",
        "a @ file:" + "///somewhere",
    ],
)
def test_a_line_with_a_place_in_it_is_found(repository: Path, line: str) -> None:
    (repository / "notes.txt").write_text(f"fine\n{line}\n")
    (found,) = rules.addresses(repository)
    assert found.startswith("notes.txt:2: ")


@pytest.mark.parametrize("line", ["https://example.test/root/x", "/api/work/1", "~/work/x"])
def test_ordinary_paths_are_left_alone(repository: Path, line: str) -> None:
    (repository / "notes.txt").write_text(line)
    assert not list(rules.addresses(repository))


def test_what_git_ignores_is_not_looked_at(repository: Path) -> None:
    (repository / ".gitignore").write_text("uv.lock\n")
    (repository / "uv.lock").write_text("https://" + "pypi" + ".org")
    assert not list(rules.addresses(repository))


def test_a_lock_is_stale_when_a_dependency_was_added(repository: Path) -> None:
    project, lock = repository / "pyproject.toml", repository / "run.txt"
    lock.write_text(f"{rules.lock_header([project])}\nb==1\n")
    assert not list(rules.stale([lock], [project]))
    project.write_text(project.read_text() + "\n[tool.ruff]\nline-length = 90\n")
    assert not list(rules.stale([lock], [project])), "the tools' settings do not matter"
    project.write_text(project.read_text().replace('["b"]', '["b", "c"]'))
    assert list(rules.stale([lock], [project]))
