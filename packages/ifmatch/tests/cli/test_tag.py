"""`ifmatch tag`: the tags of JSON, of bytes and of versions, and why there is none."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from ifmatch import bytes_tag, canonical, state_tag, version_tag
from ifmatch.cli import commands, content, terminal

VALUE = {"b": 1.0, "a": [None, "\u00e9"]}
TEXT = '{"b": 1.0,\n "a": [null, "\u00e9"]}'


def run(*words: str, stdin: str | bytes | None = None, **extra: Any) -> Result:
    done = CliRunner().invoke(commands.group, ["tag", *words], input=stdin, **extra)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


def printed(*words: str, stdin: str | bytes | None = None) -> str:
    done = run(*words, stdin=stdin)
    assert (done.exit_code, done.stderr) == (0, "")
    return done.stdout


def refused(*words: str, stdin: str | bytes | None = None) -> str:
    done = run(*words, stdin=stdin)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "\nNext: " in done.stderr
    return done.stderr


# -- JSON ------------------------------------------------------------------------------------------


def test_json_has_a_canonical_form_and_two_tags(tmp_path: Path) -> None:
    file = tmp_path / "note.json"
    file.write_text(TEXT, "utf-8")
    size = len(TEXT.encode())
    assert printed(str(file)) == (
        'canonical  {"a":[null,"\u00e9"],"b":1.0}\n'
        "           25 bytes; --canonical prints them and nothing else\n"
        f"state tag  {state_tag(VALUE)}\n"
        "           weak: the same in any layout, order of names and coding\n"
        f"bytes tag  {bytes_tag(TEXT.encode())}\n"
        f"           strong: of these {size} bytes as they are\n"
    )
    assert str(state_tag(VALUE)) == f'W/"{sha256(canonical(VALUE)).hexdigest()[:16]}"'


def test_the_canonical_form_alone_is_exact_to_the_byte() -> None:
    done = run("--canonical", "-", stdin=TEXT)
    assert done.stdout_bytes == canonical(VALUE)


@pytest.mark.parametrize("text", ['"text"', "12", "null", " \n[1]"])
def test_any_value_can_be_said_to_be_json(text: str) -> None:
    assert str(state_tag(json.loads(text))) in printed("--json", "-", stdin=text)


def test_how_it_is_read_is_seen_from_the_name_or_the_beginning(tmp_path: Path) -> None:
    for name in ("a.json", "b.JSON", "c.txt"):
        (tmp_path / name).write_text("[1]", "utf-8")
    assert "state tag" in printed(str(tmp_path / "a.json"))
    assert "state tag" in printed(str(tmp_path / "b.JSON"))
    only = f"{bytes_tag(b'[1]')}\n"
    assert printed(str(tmp_path / "c.txt")) == only
    assert "state tag" in printed("--json", str(tmp_path / "c.txt"))
    assert printed("--bytes", str(tmp_path / "a.json")) == only
    assert printed("--canonical", str(tmp_path / "c.txt")) == "[1]"
    assert "state tag" in printed("-", stdin=" \n\t [1]")
    assert printed("--bytes", "-", stdin="[1]") == only
    assert printed("-", stdin="1") == f"{bytes_tag(b'1')}\n"


def test_a_long_form_is_cut_and_wide_characters_count_twice() -> None:
    for letter in ("x", "\u65d7", "\U0001f600"):
        line = printed("-", stdin=json.dumps([letter * 500])).splitlines()[0]
        assert line.endswith("...")
        columns = len(line) + (line.count(letter) if letter != "x" else 0)
        assert 78 <= columns <= 80


PLACES: list[tuple[bytes, str, str]] = [
    (
        b'{"a": 1,\n "b": {"c": 0, "a": 1},\n "a": 2}',
        "line 3, column 2: The member 'a'",
        "Keep one",
    ),
    (b'[{"a": 1}, {"a": 1, "\\u0061": 2}]', "line 1, column 21: The member 'a' occurs", "Keep one"),
    (b'{"a": [NaN]}', "line 1, column 8: NaN is not a JSON number", "null"),
    (b"[1,\n-Infinity]", "line 2, column 1: -Infinity is not", "null"),
    (b"[1, 1e999]", "line 1, column 5: A number is out of range", "smaller"),
    (b"[" + b"1" * 400 + b", " + b"1" * 5000 + b"]", "line 1, column 404: A number is", "smaller"),
    (b'{"a": "x\\ud800y"}', "line 1, column 7: A string holds half", "both halves"),
    (b'["\\ud83d\\ude00", "\\udc00"]', "line 1, column 18: A string holds half", "both halves"),
    (b'{"a":\n "\xc3\xa9", "b": "\xff"}', "line 2, column 13: It is not UTF-8", "as UTF-8"),
    (b"\xef\xbb\xbf[1]", "line 1, column 1: JSON does not begin with a byte order", "without one"),
    (b'{"a": }', "line 1, column 7: Expecting value", "Correct it there"),
    (b'["a\tb"]', "line 1, column 4: Invalid control character.", "Correct it there"),
    (b"[1] [2]", "line 1, column 5: Extra data", "Correct it there"),
    (b"", "line 1, column 1: It is empty", "Give a JSON value"),
    (b"[" * 100_000, "is no strict JSON. It is nested too deeply", "less deeply"),
]


@pytest.mark.parametrize(("text", "said", "next_step"), PLACES, ids=[row[1][:40] for row in PLACES])
def test_json_that_is_not_strict_is_refused_with_the_place_and_the_way_out(
    text: bytes, said: str, next_step: str
) -> None:
    message = refused("--json", "-", stdin=text)
    assert said in message
    assert next_step in message.partition("\nNext: ")[2]
    assert "use --bytes" in message
    assert max(map(len, message.splitlines())) <= 100
    assert printed("--bytes", "-", stdin=text) == f"{bytes_tag(text)}\n"


def test_the_place_is_marked_below_its_line() -> None:
    text = '{\n  "first": 1, "\x9b": 0, "first": 2\n}'
    lines = refused("-", stdin=text).splitlines()
    assert lines[1] == r'    "first": 1, "\x9b": 0, "first": 2'
    assert lines[2].index("^") == lines[1].rindex('"first"')


@given(st.text(st.sampled_from('{}[]":,\\ud8001eE.-NaInfty \n"'), max_size=40))
def test_whatever_is_read_as_json_has_tags_or_an_error_in_words(text: str) -> None:
    done = run("--json", "-", stdin=text)
    assert done.exit_code in (0, 2)
    assert done.output.replace("\n", "").isprintable()


@given(st.recursive(st.none() | st.floats(allow_nan=False, allow_infinity=False) | st.text(
    st.characters(exclude_categories=["Cs"])), lambda inner: st.lists(inner) | st.dictionaries(
    st.text(st.characters(exclude_categories=["Cs"])), inner)))  # fmt: skip
def test_the_layout_changes_the_bytes_and_not_the_state(value: Any) -> None:
    wide, narrow = (
        printed("--json", "-", stdin=json.dumps(value, indent=indent, ensure_ascii=indent == 2))
        for indent in (2, None)
    )
    assert str(state_tag(value)) in wide
    assert str(state_tag(value)) in narrow


# -- bytes and versions ----------------------------------------------------------------------------


def test_large_files_are_read_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(content, "_CHUNK", 1000)
    whole = bytes(range(256)) * 20
    (tmp_path / "image").write_bytes(whole)
    assert printed(str(tmp_path / "image")) == f"{bytes_tag(whole)}\n"
    assert printed("-", stdin=whole) == f"{bytes_tag(whole)}\n"
    assert "state tag" in printed("-", stdin="[" + "1," * 3000 + "1]")


def test_json_is_read_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    assert content.LONGEST_JSON == 64 * 1024 * 1024
    monkeypatch.setattr(content, "LONGEST_JSON", 2**20)
    assert "state tag" in printed("-", stdin="[" + " " * (2**20 - 2) + "]")
    assert "has more than 1 MiB" in refused("-", stdin="[" + " " * (2**20 - 1) + "]")


def test_an_empty_file_has_a_tag_of_its_bytes() -> None:
    assert printed("-", stdin="") == f"{bytes_tag(b'')}\n"


def test_versions_need_no_file() -> None:
    assert printed("--version", "42") == 'W/"42"\n'
    assert printed("--version", "42", "--epoch", "7") == 'W/"42-7"\n'
    assert printed("--version", "42", "--coding", "gzip") == 'W/"42-gzip"\n'
    words = ("--version", "42", "--epoch", "7", "--coding", "gzip")
    assert printed(*words) == f"{version_tag(42, epoch='7', coding='gzip')}\n"


# -- wrong usage -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "Name a file, - for standard input, or --version N."),
        (("--json", "--bytes", "-"), "Leave out --bytes, or --json and --canonical."),
        (("--canonical", "--bytes", "-"), "Leave out --bytes, or --json and --canonical."),
        (("--version", "1", "-"), "needs no file"),
        (("--version", "1", "--bytes"), "needs no file"),
        (("--epoch", "1", "-"), "Add --version N."),
        (("--coding", "gzip"), "Add --version N."),
        (("--version", "1", "--epoch", "\x1b", "--coding", "x"), "cannot be the opaque part"),
        (("no/such/file",), "There is no file no/such/file."),
        (("no/such/\x1b[31m.json",), r"There is no file no/such/\x1b[31m.json."),
        (("x\0y",), r"cannot be read"),
    ],
)
def test_wrong_usage_is_said_with_the_next_step(words: tuple[str, ...], said: str) -> None:
    assert said in refused(*words, stdin="")


def test_a_directory_is_no_file(tmp_path: Path) -> None:
    assert "is a directory.\nNext: Name a file." in refused(str(tmp_path))
    assert "is a directory.\nNext: Name a file." in refused("--json", str(tmp_path))


def test_a_file_that_may_not_be_read_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbid(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", forbid)
    assert "cannot be read: Permission denied." in refused(str(tmp_path / "secret"))


# -- colours, and what a terminal would obey -------------------------------------------------------


def test_colours_only_where_asked_for() -> None:
    assert "\x1b" not in printed("-", stdin="[]")
    assert "\x1b[1mstate tag  \x1b[0mW/" in printed("-", "--color", stdin="[]")


def test_signs_that_are_not_seen_are_written_out_except_in_the_exact_form(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = '["\u202e\x9b\x7f"]'
    assert r'canonical  ["\u202e\x9b\x7f"]' in printed("-", stdin=text)
    assert run("--canonical", "-", stdin=text).stdout_bytes == text.encode()

    class Terminal:
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("sys.stdout", Terminal())
    with pytest.raises(terminal.Wrong, match="a terminal does not show, or obeys"):
        commands._write_exactly(text.encode())
