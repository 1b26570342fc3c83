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
"""

from __future__ import annotations

import json
from typing import Any

from ifmatch.core.errors import NotCanonical

_ENCODER = json.JSONEncoder(
    ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False
)


def canonical(value: Any) -> bytes:
    """The canonical JSON of `value`; raises NotCanonical for what JSON cannot say.

    Use strings as the names in dicts: what becomes of other names is not promised.

    >>> canonical({"b": 1.0, "a": [None, "é"]})
    b'{"a":[null,"\\xc3\\xa9"],"b":1.0}'
    """
    try:
        return _ENCODER.encode(value).encode("utf-8")
    except (TypeError, ValueError, RecursionError) as error:
        raise NotCanonical(
            f"No canonical JSON for this value: {error}. Make a state tag of plain dicts with "
            "string names, lists, strings, finite numbers, booleans and None."
        ) from error
