"""The server's secret: made once, whole, for its owner only."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from chassis.secret import FILE_NAME, SecretDamaged, digest, load_secret


def test_a_given_secret_leaves_no_file(tmp_path: Path) -> None:
    assert load_secret(tmp_path, "x" * 32) == b"x" * 32
    assert not list(tmp_path.iterdir())


def test_it_is_made_once_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    made = load_secret(tmp_path / "data")
    file = tmp_path / "data" / FILE_NAME
    assert len(made) == 64
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert load_secret(tmp_path / "data") == made


def test_of_many_that_start_at_once_all_get_the_same(tmp_path: Path) -> None:
    for turn in range(20):
        with ThreadPoolExecutor(8) as pool:
            made = set(pool.map(lambda _, data=tmp_path / str(turn): load_secret(data), range(8)))
        assert len(made) == 1
        assert [file.name for file in (tmp_path / str(turn)).iterdir()] == [FILE_NAME]


def test_a_damaged_file_is_not_used(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text("short")
    with pytest.raises(SecretDamaged, match=r"5 characters\. Restore it"):
        load_secret(tmp_path)


def test_purposes_do_not_share_digests() -> None:
    assert digest(b"k", "link", "t") != digest(b"k", "session", "t")
