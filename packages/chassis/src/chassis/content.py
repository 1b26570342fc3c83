"""The content of a request, where a model alone cannot judge it: what is refused, and how."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Protocol

from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from chassis.merge_patch import merge_patch
from chassis.problems import Problem


class Fault(Protocol):
    """What a domain's own rules found wrong, at which JSON Pointer, and the remedy."""

    @property
    def pointer(self) -> str: ...
    @property
    def code(self) -> str: ...
    @property
    def detail(self) -> str: ...


def refuse_faults(faults: Iterable[Fault], at: str = "") -> None:
    """Raise 422 for faults, if there are any; `at` says where the content was found."""
    errors = [
        {"pointer": at + fault.pointer, "code": fault.code, "detail": fault.detail}
        for fault in faults
    ]
    if errors:
        places = ", ".join(error["pointer"] or "the whole body" for error in errors[:5])
        raise Problem(
            422,
            "validation-failed",
            f"Not accepted: {places}. Nothing was changed. Correct what 'errors' names and send "
            "the request again.",
            errors=errors,
        )


def refused(pointer: str, remedy: str, detail: str = "") -> Problem:
    """422 for one member; `detail` is what to say in place of the pointer."""
    return Problem(
        422,
        "validation-failed",
        f"{detail or f'Not accepted: {pointer}. Nothing was changed.'} {remedy}",
        errors=[{"pointer": pointer, "detail": remedy}],
    )


def refuse_invalid(error: ValidationError, document: Mapping[str, Any]) -> RequestValidationError:
    """422 for a document that a patch made, as for content that was sent whole."""
    return RequestValidationError(
        [{**one, "loc": ("body", *one["loc"])} for one in error.errors(include_url=False)],
        body=document,
    )


def patched(
    document: Mapping[str, Any], patch: Mapping[str, Any], read_only: Collection[str]
) -> dict[str, Any]:
    """What a merge patch makes of the members that people edit; raises 422 for the others."""
    errors = [
        {"pointer": f"/{name}", "detail": "The server sets this. Leave it out of a patch."}
        for name in sorted({*read_only} & set(patch))
    ]
    if errors:
        raise Problem(
            422,
            "read-only-member",
            "The patch changes what the server sets. Nothing was changed. Leave it out.",
            errors=errors,
        )
    editable = {name: value for name, value in document.items() if name not in read_only}
    merged: dict[str, Any] = merge_patch(editable, patch)
    return merged


def shown(name: object) -> str:
    """What was sent as a name, cut and in ASCII; a patch may send anything."""
    return ascii(name[:60]) if isinstance(name, str) else ascii(name)[:60]
