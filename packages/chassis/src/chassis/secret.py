"""The server's secret, which keys and sign-in tokens are hashed with."""

from __future__ import annotations

import hmac
import os
import secrets
import tempfile
from pathlib import Path

from chassis.setting import OperatorError

SHORTEST_SECRET = 32
"""Characters: what hex makes of 128 bits."""

LONGEST_SECRET = 512
"""Characters: longer ones are refused before they are hashed."""

FILE_NAME = "secret.key"


class SecretDamaged(OperatorError):
    """The file with the secret is not whole; the message says what to do."""


def load_secret(data: Path, given: str | None = None) -> bytes:
    """The secret that was given, or that of the data folder, which is made if it has none.

    Two processes that start at once get the same one. Raises OSError or SecretDamaged.
    """
    if given is not None:
        return given.encode()
    path = data / FILE_NAME
    if not path.exists():
        _create(path)
    secret = path.read_text("ascii", "replace").strip()
    if len(secret) < SHORTEST_SECRET or not secret.isascii():
        what = f"{len(secret)} characters" if secret.isascii() else "bytes that are no ASCII"
        raise SecretDamaged(
            f"{path} is damaged: it has {what}. Restore it from a backup; "
            "or remove it, and every key has to be made anew."
        )
    return secret.encode()


def _create(path: Path) -> None:
    """Write it aside and link it into place: it is there whole, or not, and the first one wins."""
    path.parent.mkdir(parents=True, exist_ok=True)
    number, aside = tempfile.mkstemp(prefix=".secret-", dir=path.parent)  # made with mode 0600
    try:
        with os.fdopen(number, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(32) + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(aside, path)
    except FileExistsError:
        pass
    finally:
        Path(aside).unlink()


def digest(secret: bytes, purpose: str, token: str) -> str:
    """HMAC-SHA-256 of a token, in hex. Different purposes never share a digest."""
    return hmac.digest(secret, f"{purpose}\0{token}".encode(), "sha256").hex()


def fingerprint(secret: bytes) -> str:
    """What a database keeps to know the secret again that its keys were hashed with."""
    return digest(secret, "deployment", "fingerprint")
