"""`ifmatch explain`: the request, the state, the path through 13.2.2, the verdict."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from ifmatch.cli.commands import group
from ifmatch.core.conditions import Comparison
from ifmatch.core.decide import Policy, Validators
from ifmatch.core.etag import ETag
from ifmatch.core.explain import explain

DATE = "Sun, 06 Nov 1994 08:49:37 GMT"
LATER = "Sun, 06 Nov 1994 08:49:38 GMT"
ESCAPE = re.compile(r"\x1b\[[0-9;]*m")


def run(*words: str, stdin: str | bytes | None = None, **extra: Any) -> Result:
    done = CliRunner().invoke(group, ["explain", *words], input=stdin, **extra)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


def told(*words: str, **extra: Any) -> dict[str, Any]:
    done = run(*words, "--json", **extra)
    assert done.exit_code == 0, done.output
    value = json.loads(done.stdout)
    assert isinstance(value, dict)
    return value


def verdict(*words: str, **extra: Any) -> str:
    """The first line of the last paragraph."""
    done = run(*words, **extra)
    assert done.exit_code == 0, done.output
    return done.stdout.split("\n\n")[2].partition("\n")[0]


def refused(*words: str, stdin: str | bytes | None = None) -> str:
    """What an error says; nothing is on standard output, and the status is 2."""
    done = run(*words, stdin=stdin)
    assert (done.exit_code, done.stdout) == (2, "")
    return done.stderr


# -- what is printed -------------------------------------------------------------------------------


def test_the_whole_story_of_a_lost_race() -> None:
    done = run("--method", "PUT", "--etag", '"b"', "-H", 'If-Match: "a"', "-H", "Accept: */*")
    assert done.exit_code == 0
    assert done.stdout == (
        'request  PUT  If-Match: "a"  (1 other field)\n'
        'state    ETag: "b"\n'
        "\n"
        "1  13.1.1    If-Match             fails -> 412 Precondition Failed\n"
        '   "b" is not among its tags\n'
        "2  13.1.4    If-Unmodified-Since  not judged\n"
        "   If-Match has decided\n"
        "3  13.1.2    If-None-Match        not judged\n"
        "   If-Match has decided\n"
        "4  13.1.3    If-Modified-Since    not judged\n"
        "   If-Match has decided\n"
        "\n"
        "412 Precondition Failed\n"
        "by If-Match, RFC 9110 section 13.1.1\n"
    )


def test_the_corrected_field_is_the_last_line_and_in_one_piece_to_be_copied() -> None:
    many = ", ".join(f"tag-number-{number}" for number in range(8))
    done = run("--method", "PUT", "--etag", '"b"', "-H", f"If-Match: {many}")
    quoted = ", ".join(f'"tag-number-{number}"' for number in range(8))
    assert done.stdout.splitlines()[-1] == f"send instead: If-Match: {quoted}"


def test_step_five_tells_the_ranges_that_are_sent() -> None:
    words = ("--etag", '"b"', "--length", "1234", "-H", 'If-Range: "b"')
    done = run(*words, "-H", "Range: bytes=0-9, 900-")
    assert "5  15.3.7    If-Range             holds -> 206 Partial Content\n" in done.stdout
    assert done.stdout.endswith(
        "206 Partial Content\nby Range, RFC 9110 section 15.3.7\nbytes 0-9, 900-1233\n"
    )
    assert "1,234 bytes" in done.stdout.splitlines()[1]


def test_what_is_missing_is_404_to_a_reader_and_that_is_said() -> None:
    assert "A GET of what is missing is 404" in run("--missing", "-H", "If-Match: *").stdout
    assert "404" not in run("--missing", "--method", "PUT", "-H", "If-None-Match: *").stdout


def test_a_method_that_ignores_conditions_has_one_step() -> None:
    done = run("--method", "OPTIONS", "-H", "If-Match: *")
    assert "\n   13.2.1    not judged\n   OPTIONS selects no representation" in done.stdout
    assert done.stdout.endswith("\nperform the method\nRFC 9110 section 13.2.2\n")


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ((), "there is one, without a tag and a date"),
        (("--missing",), "there is none"),
        (("--etag", 'W/"a"'), 'ETag: W/"a"'),
        (("--last-modified", DATE), f"Last-Modified: {DATE} (weak)"),
        (("--last-modified", DATE, "--strong-date"), f"Last-Modified: {DATE} (strong)"),
    ],
)
def test_the_state_has_one_line(words: tuple[str, ...], line: str) -> None:
    assert run(*words).stdout.splitlines()[1] == f"state    {line}"


def test_no_line_is_longer_than_80_columns() -> None:
    tags = ", ".join(f'"{number:032x}"' for number in range(30))
    words = ("--method", "PUT", "--etag", f'"{"e" * 70}"', "-H", f"If-Match: {tags}")
    lines = run(*words).stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0].endswith("...")


# -- each option -----------------------------------------------------------------------------------

WEAK = ("--method", "PUT", "--etag", 'W/"a"', "-H", 'If-Match: W/"a"')
MALFORMED = ("--method", "PUT", "--etag", '"a"', "-H", "If-Match: a")
DATED = ("--last-modified", DATE, "--length", "10", "-H", "Range: bytes=1-", "-H")


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (("--etag", '"a"', "-H", 'If-None-Match: "a"'), "304 Not Modified"),
        (("--etag", '"a"', "--header", 'If-None-Match: "b"'), "perform the method"),
        (("--method", "POST", "--etag", '"a"', "-H", 'If-None-Match: "a"'), "412"),
        (("--method", "POST", "--safe", "--etag", '"a"', "-H", 'If-None-Match: "a"'), "304"),
        (WEAK, "412 Precondition Failed"),
        ((*WEAK, "--comparison", "strict"), "412 Precondition Failed"),
        ((*WEAK, "--comparison", "state"), "perform the method"),
        (("--method", "PUT", "--required"), "428 Precondition Required"),
        (("--required",), "perform the method"),
        (("--method", "PUT", "--required", "-H", "If-Match: *"), "428 Precondition Required"),
        (("--method", "PUT", "--required", "--any-satisfies", "-H", "If-Match: *"), "perform"),
        (MALFORMED, "400 Bad Request"),
        ((*MALFORMED, "--lenient"), "412 Precondition Failed"),
        (("--method", "PUT", "--missing", "-H", "If-Match: *"), "412 Precondition Failed"),
        (("--method", "PUT", "--missing", "-H", "If-None-Match: *"), "perform the method"),
        (("--last-modified", DATE, "-H", f"If-Modified-Since: {DATE}"), "304 Not Modified"),
        (("--last-modified", LATER, "-H", f"If-Modified-Since: {DATE}"), "perform the method"),
        ((*DATED, f"If-Range: {DATE}"), "perform the method"),
        ((*DATED, f"If-Range: {DATE}", "--strong-date"), "206 Partial Content"),
        (("--length", "5", "-H", "Range: bytes=9-"), "416 Range Not Satisfiable"),
        (("-H", "Range: bytes=9-"), "perform the method"),
    ],
)
def test_what_each_option_changes(words: tuple[str, ...], answer: str) -> None:
    assert verdict(*words).startswith(answer)


def test_the_json_is_the_explanation_itself() -> None:
    fields = [("If-None-Match", '"x"'), ("Range", "bytes=0-1")]
    state = Validators(ETag("a", weak=True), 784111777, True)
    words = ("--etag", 'W/"a"', "--last-modified", DATE, "--strong-date", "--length", "9")
    sent = [word for name, value in fields for word in ("-H", f"{name}: {value}")]
    assert told(*words, *sent) == explain("GET", fields, state, length=9).as_json()

    policy = Policy(Comparison.STATE, required=True, any_satisfies=True, refuse_malformed=False)
    manner = ("--comparison", "state", "--required", "--any-satisfies", "--lenient", "--safe")
    asked = explain("QUERY", [("If-Match", "b")], None, policy, safe=True)
    assert told("--method", "QUERY", "--missing", *manner, "-H", "If-Match: b") == asked.as_json()


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (("--etag", '"a"'), 0),
        (("--length", "9", "-H", "Range: bytes=0-1"), 0),
        (("--length", "9", "-H", "Range: bytes=9-"), 1),
        (("--etag", '"a"', "-H", 'If-None-Match: "a"'), 1),
        (("--etag", '"a"', "--method", "PUT", "-H", 'If-Match: "b"'), 1),
    ],
)
def test_the_exit_status_says_whether_the_method_is_performed(
    words: tuple[str, ...], status: int
) -> None:
    assert run(*words).exit_code == 0
    assert run(*words, "--exit-status").exit_code == status
    assert run(*words, "--exit-status", "--json").exit_code == status


# -- colours ---------------------------------------------------------------------------------------


def test_there_are_no_colours_where_it_is_no_terminal() -> None:
    assert "\x1b" not in run("--etag", '"a"', color=True).stdout


def test_colours_change_nothing_but_colours() -> None:
    words = ("--method", "PUT", "--etag", '"b"', "-H", 'If-Match: "a"')
    coloured = run(*words, "--color", env={"NO_COLOR": "1"}).stdout
    assert ESCAPE.sub("", coloured) == run(*words, "--no-color").stdout
    assert "\x1b[2m   If-Match has decided\x1b[0m\n" in coloured, "what is not judged is dimmed"
    assert "\x1b[31m\x1b[1m412 Precondition Failed\x1b[0m\n" in coloured


# -- a request on standard input -------------------------------------------------------------------

CURL = """\
* Connected to notes.example (192.0.2.7) port 80
> PUT /notes/1 HTTP/1.1\r
> Host: notes.example\r
> if-match: "a",\r
> If-Match:   "c"  \r
> \r
} [5 bytes data]
< HTTP/1.1 412 Precondition Failed\r
< ETag: "z"\r
> GET /never HTTP/1.1\r
"""


def test_what_curl_shows_is_read_as_it_stands() -> None:
    done = run("-", "--etag", '"b"', stdin=CURL)
    first = 'request  PUT  if-match: "a",  If-Match: "c"  (1 other field)'
    assert done.stdout.splitlines()[0] == first
    assert told("-", "--etag", '"c"', stdin=CURL)["outcome"] == "proceed"


@pytest.mark.parametrize(
    "head",
    [
        'PUT /notes/1 HTTP/1.1\nIf-Match: "a"\n',
        '\n\nPUT /notes/1 HTTP/1.1\r\nIf-Match: "a"\r\n\r\nIf-None-Match: *',
        '  PUT /notes/1 HTTP/2\n  If-Match: "a"',
        'PUT /notes/1\nIf-Match:\n  "a"\n',
        '    > PUT /notes/1 HTTP/1.1\n    > If-Match: "a"\n',
        '>PUT /notes/1 HTTP/1.1\n>If-Match: "a"\n',
    ],
)
def test_a_head_may_be_quoted_indented_or_folded(head: str) -> None:
    assert told("-", "--etag", '"b"', stdin=head)["status"] == 412
    assert told("-", "--etag", '"a"', stdin=head)["status"] is None


def test_further_fields_come_after_those_of_the_head() -> None:
    head = "GET / HTTP/1.1\n\n"
    assert told("-", "--etag", '"a"', "-H", 'If-None-Match: "a"', stdin=head)["status"] == 304


@pytest.mark.parametrize(
    ("head", "said"),
    [
        ("", "no request on standard input"),
        ("\n\n", "no request on standard input"),
        ("GET\n", "Line 1 of standard input is no request line."),
        ('GET / HTTP/1.1\nIf-Match "a"\n', "Line 2 of standard input is no field."),
        ("> GET / HTTP/1.1\n* x\n> \x1b[31m\n", "Line 3 of standard input is no field.\n  \\x1b"),
        ("GET / HTTP/1.1\nX: " + "a" * 1_100_000, "more than 1,048,576 bytes"),
    ],
)
def test_what_is_no_request_is_said_with_its_line(head: str, said: str) -> None:
    message = refused("-", stdin=head)
    assert said in message
    assert "\nNext: " in message


# -- wrong usage -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--etag", "b"), "--etag '\"b\"'\n"),
        (("--etag", "W/b"), "--etag 'W/\"b\"'\n"),
        (("--etag", 'w/"b"'), "--etag 'W/\"b\"'\n"),
        (("--etag", "'b'"), "--etag '\"b\"'\n"),
        (("--etag", '"a", "b"'), "it is not one entity tag"),
        (("--etag", "*"), "it is not one entity tag"),
        (("--etag", ""), "--etag '\"abc\"'\n"),
        (("--last-modified", "yesterday"), f"--last-modified '{DATE}'\n"),
        (("--last-modified", "1994-11-06T09:49:37+01:00"), f"--last-modified '{DATE}'\n"),
        (("--last-modified", "0001-01-01T00:00+23:00"), "is no HTTP date"),
        (("--last-modified", "784111777"), "is no HTTP date"),
        (("--strong-date",), "Add --last-modified DATE"),
        (("--missing", "--etag", '"a"'), "Leave out --missing"),
        (("--missing", "--length", "1"), "Leave out --missing"),
        (("--missing", "--last-modified", DATE), "Leave out --missing"),
        (("--method", "put"), "Use capitals"),
        (("--method", "P T"), "is no method"),
        (("-H", 'If-Match "a"'), "-H 'If-Match: \"a\"'\n"),
        (("-H", "If Match: *"), "is no field"),
        (("If-Match: *",), "-H before each field"),
        (("-", "--method", "GET"), "Leave out --method"),
        (("--length", "-1"), "--length"),
        (("--length", "many"), "--length"),
        (("--comparison", "loose"), "'strict', 'state'"),
        (("--unknown",), "No such option"),
    ],
)
def test_wrong_usage_is_said_with_what_would_be_right(words: tuple[str, ...], said: str) -> None:
    assert said in refused(*words, stdin="GET / HTTP/1.1\n")


# -- hostile input ---------------------------------------------------------------------------------

HOSTILE = "\x1b[31m\x07\x9b1m\u202e\u2066\u200b\r\x00\x7f"
SEEN = r"\x1b[31m\x07\x9b1m\u202e\u2066\u200b"


def is_quiet(text: str) -> bool:
    return text.replace("\n", "").isprintable()


def test_what_a_terminal_would_obey_is_shown_and_not_sent() -> None:
    done = run("--method", "PUT", "--etag", '"b"', "-H", f'If-Match: "{HOSTILE}"')
    assert SEEN in done.stdout
    assert is_quiet(done.stdout)


@pytest.mark.parametrize(
    "words",
    [
        ("--etag", HOSTILE),
        ("--last-modified", HOSTILE),
        ("--method", HOSTILE),
        ("-H", HOSTILE),
        (HOSTILE,),
        ("-", HOSTILE),
        ("--" + HOSTILE,),
        ("--length", HOSTILE),
        ("--comparison", HOSTILE),
    ],
)
def test_errors_do_not_repeat_what_a_terminal_would_obey(words: tuple[str, ...]) -> None:
    assert is_quiet(refused(*words, stdin="GET / HTTP/1.1"))


def test_text_beyond_ascii_is_compared_as_octets_and_shown_as_text() -> None:
    words = ("--etag", '"\u00e9\u65d7"', "--method", "PUT", "-H", 'If-Match: "\u00e9\u65d7"')
    done = run(*words)
    assert done.stdout.splitlines()[1] == 'state    ETag: "\u00e9\u65d7"'
    assert "perform the method" in done.stdout
    head = 'PUT / HTTP/1.1\nIf-Match: "\u00e9\u65d7"\n'.encode()
    assert "perform the method" in run(*words[:2], "-", stdin=head).stdout


# What may come as an argument: no NUL, and octets that are no UTF-8 as halves of pairs.
ARGUMENTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=60)


@given(ARGUMENTS, ARGUMENTS, ARGUMENTS)
def test_whatever_is_asked_there_is_an_answer_or_an_error_in_words(
    tag: str, value: str, method: str
) -> None:
    for word in (f"If-Match: {value}", f"If-Range: {value}", f"Range: bytes={value}", value):
        for quoted in (tag, f'"{tag}"'):
            done = run(
                f"--etag={quoted}", "--length=10", f"-H{word}", f"--method={method or 'PUT'}"
            )
            assert done.exit_code in (0, 2)
            assert is_quiet(done.output)


@given(st.binary(max_size=200))
def test_whatever_is_on_standard_input_there_is_an_answer_or_an_error(content: bytes) -> None:
    for head in (content, b"PUT / HTTP/1.1\nIf-Match: " + content):
        done = run("-", "--etag", '"a"', stdin=head)
        assert done.exit_code in (0, 2)
        assert is_quiet(done.output)
        assert is_quiet(run("-", "--etag", '"a"', "--json", stdin=head).output)
