"""The files that a page loads, under an address that changes with their content.

An address with the right digest may be kept for a year, since other content has another address.
Modules import one another by relative addresses and so stay in one version. Under any other digest,
or none, the present file is sent and asked for again each time: a page that was open during an
upgrade goes on working.
"""

from __future__ import annotations

import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ifmatch import ETag, bytes_tag
from ifmatch.server.starlette import PUBLIC, Conditional, conditional

_FOR_GOOD = "public, max-age=31536000, immutable"
_ASK_AGAIN = "public, no-cache"
_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class _File:
    content: bytes
    media_type: str
    etag: ETag


class Bundle:
    """The files of some folders, each folder below a name; "" puts its files at the top.

    They are read once, at the start. One digest covers them all, so that a module which imports one
    of another folder (`./shared/dom.js`) gets the one that it was made for.
    """

    def __init__(self, folders: Mapping[str, Path]) -> None:
        self._files: dict[str, _File] = {}
        for below, folder in folders.items():
            for path in sorted(path for path in folder.rglob("*") if path.is_file()):
                name = (Path(below) / path.relative_to(folder)).as_posix()
                if name in self._files:
                    raise ValueError(f"Two folders have a file {name}. Rename one of the two.")
                self._files[name] = _read(path)
        parts = (f"{name} {file.etag}\n" for name, file in self._files.items())
        self.digest = sha256("".join(parts).encode()).hexdigest()[:12]

    def path(self, name: str) -> str:
        """The path of a file below the application's own; KeyError for one that is not there."""
        self._files[name]
        return f"/assets/{self.digest}/{name}"

    def routes(self) -> list[Route]:
        """What serves them."""
        declared = Conditional(
            authorize=PUBLIC, tag=lambda request: self._file(request).etag, vary=()
        )
        answer = conditional(declared, self._send)

        async def send(request: Request) -> Response:
            response = await answer(request)
            exact = request.path_params["name"].startswith(f"{self.digest}/")
            response.headers["Cache-Control"] = _FOR_GOOD if exact else _ASK_AGAIN
            return response

        return [Route("/assets/{name:path}", send, methods=["GET"])]

    async def _send(self, request: Request) -> Response:
        file = self._file(request)
        headers = {"ETag": str(file.etag)}
        return Response(file.content, media_type=file.media_type, headers=headers)

    def _file(self, request: Request) -> _File:
        """The file of that name, behind this digest, another one, or none."""
        name = request.path_params["name"]
        found = self._files.get(name) or self._files.get(name.partition("/")[2])
        if found is None:
            raise HTTPException(404)
        return found


def _read(path: Path) -> _File:
    content = path.read_bytes()
    guessed = _TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0]
    return _File(content, guessed or "application/octet-stream", bytes_tag(content))
