"""HTTP as the server reads it, with refusals that are problems before there is a request.

uvicorn answers what is no HTTP with plain text, and reads the fields of a request for as long as
they come: whoever sends them without end would fill the memory.
"""

from __future__ import annotations

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from chassis.problems import Problem

LONGEST_HEAD = 131_072
"""Bytes of a request's first line and fields. No honest client sends a tenth of it."""

_UNREAD_SECONDS = 2.0


class ProblemProtocol(HttpToolsProtocol):
    """uvicorn's protocol on httptools."""

    _head = 0  # bytes that came since the last request was whole
    _in_head = True

    def data_received(self, data: bytes) -> None:
        """Read on; refuse a head that does not end."""
        self._head += len(data)
        super().data_received(data)
        if self._in_head and self._head > LONGEST_HEAD and not self.transport.is_closing():
            self._refuse(
                Problem(
                    431,
                    "fields-too-large",
                    f"The fields of the request are too long. Send at most {LONGEST_HEAD:,} bytes "
                    "of them.",
                )
            )

    def on_headers_complete(self) -> None:
        """Note that what follows is content."""
        self._in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Note that what follows is another request."""
        self._in_head, self._head = True, 0
        super().on_message_complete()

    def shutdown(self) -> None:
        """Stop in good order; who does not read the end of what was given up does not delay it."""
        super().shutdown()
        self.loop.call_later(_UNREAD_SECONDS, self._cut_unread)

    def _cut_unread(self) -> None:
        """A transport that closes waits for its client to take what is left, as long as it likes.

        Only where the answer was given up, as that of an event stream is: whole ones have time.
        """
        whole = getattr(self.cycle, "response_complete", True)  # there may be no request yet
        if not whole and self.transport.is_closing():
            self.transport.abort()

    def send_400_response(self, _msg: str) -> None:
        """Say that it is no HTTP."""
        self._refuse(
            Problem(
                400,
                "bad-request",
                "This is no HTTP that is understood here. Correct it and send it again.",
            )
        )

    def _refuse(self, problem: Problem) -> None:
        """Answer and hang up: nobody knows where the next request would begin."""
        answer = problem.response()
        fields = [
            *answer.raw_headers,
            (b"connection", b"close"),
            *self.server_state.default_headers,
        ]
        fields.append((b"x-content-type-options", b"nosniff"))
        lines = [STATUS_LINE[problem.status_code]]
        lines += [b"%s: %s\r\n" % field for field in fields]
        self.transport.write(b"".join([*lines, b"\r\n", bytes(answer.body)]))
        self.transport.close()
