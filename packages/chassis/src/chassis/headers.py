"""The number of a request, and the security fields of an answer."""

from __future__ import annotations

import re
import secrets
from itertools import count

from starlette.types import Message, Scope

CONTENT_SECURITY_POLICY = (
    "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
)
_FIELDS = {
    b"content-security-policy": CONTENT_SECURITY_POLICY.encode(),
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"same-origin",
}
_ALL = list(_FIELDS.items())
_KEY = "chassis.request_id"
_FIT_FOR_LOGS = re.compile(rb"[A-Za-z0-9._-]{1,64}")

# Of a random start and a count, which costs a tenth of a random number for each request.
_process = secrets.token_hex(5)
_numbers = count(1)


def request_id(scope: Scope) -> str:
    """The number of this request, made on first sight.

    One that a proxy sent as X-Request-Id is kept if it is fit for a line of a log.
    """
    found: str | None = scope.get(_KEY)
    if found is None:
        found = scope[_KEY] = _sent(scope) or f"{_process}-{next(_numbers):x}"
    return found


def _sent(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _FIT_FOR_LOGS.fullmatch(value):
            return str(value, "ascii")
    return None


def with_security(start: Message, number: str) -> Message:
    """The start of an answer with the security fields that it does not set itself."""
    headers = list(start.get("headers", ()))
    present = [name for name, _ in headers if name in _FIELDS]
    headers += [field for field in _ALL if field[0] not in present] if present else _ALL
    headers.append((b"x-request-id", number.encode()))
    return {**start, "headers": headers}
