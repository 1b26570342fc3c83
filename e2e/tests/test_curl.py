"""curl keeps a tag in a file and is answered 304 with it: nothing of ours is needed to poll."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from e2e.program import API, Server

PATHS = ["flags", "flags/polled", "flags/polled/environments/production", "environments", "audit"]


@pytest.fixture(scope="module")
def curl() -> str:
    found = shutil.which("curl")
    if found is None:
        pytest.skip("curl; next: install it (Debian: apt-get install curl)")
    return found


@pytest.mark.parametrize("path", PATHS)
def test_curl_saves_the_tag_and_gets_304_until_something_changes(
    curl: str, quartet: Server, tmp_path: Path, path: str
) -> None:
    if quartet.client().get(f"{API}/flags/polled").status_code == 404:
        quartet.new_flag("polled")
    kept, content = tmp_path / "tag", tmp_path / "content"

    def poll() -> tuple[str, str]:
        """The status, and how many bytes of content came."""
        content.unlink(missing_ok=True)
        words: list[str | Path] = [curl, "--silent", "--show-error", f"{quartet.url}{API}/{path}"]
        words += ["--etag-save", kept, "--etag-compare", kept]
        words += ["--oauth2-bearer", quartet.admin_key, "--output", content]
        words += ["--write-out", "%{http_code} %{size_download}"]
        done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=60)
        status, size = done.stdout.split()
        return status, size

    status, size = poll()
    assert (status, int(size)) == ("200", content.stat().st_size)
    assert kept.read_text().strip() == quartet.client().get(f"{API}/{path}").headers["etag"]
    assert poll() == ("304", "0")
    assert poll() == ("304", "0"), "the tag of the 304 was lost"
    change(quartet, path)
    assert poll()[0] == "200"
    assert poll() == ("304", "0")


def change(quartet: Server, path: str) -> None:
    """Change what is read there, and with it the audit."""
    client = quartet.client()
    name = f"for {path}"
    if path == "environments":
        place, content = f"{API}/environments/production", {"name": name}
    elif path.endswith("production"):
        place, content = f"{API}/{path}", {"off_variant": "on"}
    else:
        place, content = f"{API}/flags/polled", {"description": name}
    fields = {"If-Match": client.get(place).headers["etag"]}
    kind = {"Content-Type": "application/merge-patch+json"}
    assert client.patch(place, json=content, headers=fields | kind).status_code == 200
