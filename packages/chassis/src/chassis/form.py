"""The fields of a small form, as browsers send it."""

from __future__ import annotations

from urllib.parse import parse_qs

from starlette.requests import Request

from chassis.problems import Problem

_LONGEST = 10_000


async def form_of(request: Request) -> dict[str, str]:
    """The fields by name. Raises Problem 400, 413 or 415."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise Problem(415, "unsupported-media-type", "Send the form as browsers do, URL-encoded.")
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _LONGEST:
            raise Problem(413, "content-too-large", "No form of ours is as long. Send less.")
    try:
        fields = parse_qs(body.decode("utf-8"), max_num_fields=10)
    except ValueError as error:
        raise Problem(400, "bad-form", "The form cannot be read. Send it as UTF-8.") from error
    return {name: values[-1] for name, values in fields.items()}
