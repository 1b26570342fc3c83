"""The bytes that a state tag is made of: one canonical JSON form, defined once.

The form, so that any language and any serialiser can write it:

- UTF-8, no white space; members of an object sorted by the code points of their names;
- strings escape `"`, `\\` and the control characters below U+0020 (`\\b \\f \\n \\r \\t`, else
  `\\u00xx` in lower-case hex) and nothing else;
- integers in full, also beyond 2^53, up to the digits that Python converts (4300 unless raised);
- floats as the shortest decimal that reads back the same, with a `.0` where there is neither a
  fraction nor an exponent, and the exponent written `e+16` or `e-07`, from 1e16 up and below
  1e-4: what Python's `repr` writes. `1` and `1.0` differ, and so do their tags, because the
  bodies differ;
- names of members are strings, no two alike; no NaN, no infinity, no lone surrogates.

Names that are not strings are outside this form. What the standard library makes of them is not
promised: it writes `{1: 0}` and `{"1": 0}` alike. Looking at each name would cost more than the
serialising.

Why not RFC 8785: it writes floats and sorts names as JavaScript does, which no fast Python
serialiser can produce.

`parse` reads JSON as strictly: what has a canonical form, and no text that two readers could read
in two ways.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from ifmatch.core.errors import NotCanonical

# Without check_circular it is an eighth quicker; what contains itself is a RecursionError.
_ENCODER = json.JSONEncoder(
    ensure_ascii=False,
    sort_keys=True,
    separators=(",", ":"),
    allow_nan=False,
    check_circular=False,
)


def _kept_encoder() -> Callable[[Any, int], Iterable[str]]:
    """What `_ENCODER.encode` makes anew at each call, which is half the time of a small value.

    It is the C encoder of the standard library. Where there is none (PyPy), or it takes other
    arguments than it does today, `_ENCODER` itself does the same, more slowly.
    """
    make: Any = getattr(json.encoder, "c_make_encoder", None)
    quote = json.encoder.encode_basestring
    try:
        kept: Callable[[Any, int], Iterable[str]] = make(
            None, _ENCODER.default, quote, None, ":", ",", True, False, False
        )
    except TypeError:
        return lambda value, _: _ENCODER.iterencode(value)
    return kept


_chunks = _kept_encoder()


def canonical(value: Any) -> bytes:
    """The canonical JSON of `value`; raises NotCanonical for what JSON cannot say.

    Use strings as the names in dicts: what becomes of other names is not promised.

    >>> canonical({"b": 1.0, "a": [None, "é"]})
    b'{"a":[null,"\\xc3\\xa9"],"b":1.0}'
    """
    try:
        return "".join(_chunks(value, 0)).encode("utf-8")
    except (TypeError, ValueError, RecursionError) as error:
        raise NotCanonical(
            f"No canonical JSON for this value: {error}. Make a state tag of plain dicts with "
            "string names, lists, strings, finite numbers, booleans and None."
        ) from error


def parse(content: bytes) -> Any:
    """JSON as RFC 8259 has it, and no more; raises json.JSONDecodeError.

    Refused as well is what two readers could read in two ways: NaN, names that occur twice, halves
    of surrogate pairs, numbers out of range, deep nesting. Of these the position is not told: to
    find it would mean to read everything once more, and a server must not be made to. The error has
    the text as its `doc` where it has a position, and an empty `doc` where it has none.

    >>> parse(b'{"a": [1, 1.0]}')
    {'a': [1, 1.0]}
    """
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise json.JSONDecodeError("It is not UTF-8", "", 0) from error
    if text.startswith("\ufeff"):  # RFC 8259 section 8.1
        raise json.JSONDecodeError("JSON does not begin with a byte order mark", text, 0)
    try:
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode("utf-8")
    except json.JSONDecodeError as error:
        reason = error.msg.removesuffix(" at")  # "Unterminated string starting at"
        raise json.JSONDecodeError(reason, error.doc, error.pos) from error
    except RecursionError as error:
        raise json.JSONDecodeError("It is nested too deeply", "", 0) from error
    except ValueError as error:  # twice the same name, NaN, 1e999, 5,000 digits, half a surrogate
        raise json.JSONDecodeError(_sentence(error), "", 0) from error
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        counts = Counter(name for name, _ in pairs)  # linear: a client chooses how many there are
        twice = next(name for name, count in counts.items() if count > 1)
        raise ValueError(f"The member {twice[:64]!r} occurs twice")
    return members


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


def _sentence(error: ValueError) -> str:
    if isinstance(error, UnicodeEncodeError):
        return "A string holds half of a surrogate pair"
    text = str(error)
    return "A number is out of range" if "Out of range" in text or "digits" in text else text
