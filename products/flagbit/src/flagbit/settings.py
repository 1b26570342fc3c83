"""FlagBit's own rows of the table of settings."""

from __future__ import annotations

from chassis.setting import Setting
from chassis.settings import days
from ifmatch import Comparison


def _comparison(value: str) -> Comparison:
    try:
        return Comparison(value.lower())
    except ValueError:
        raise ValueError("state or strict") from None


COMPARISON = Setting(
    "comparison",
    "FLAGBIT_COMPARISON",
    None,
    "state or strict",
    _comparison,
    "How If-Match compares in FlagBit: the state, with weak tags, or strictly, with strong ones "
    "(RFC 9110 section 13.1.1).",
    default=Comparison.STATE,
)
AUDIT_DAYS = Setting(
    "audit_days",
    "FLAGBIT_AUDIT_DAYS",
    None,
    "days",
    days,
    "How long an entry of the audit trail is kept. 0 keeps it for ever.",
    default=730,
)
SETTINGS = (COMPARISON, AUDIT_DAYS)

CLIENT_VARIABLES = ("FLAGBIT_API_KEY", "FLAGBIT_URL")
"""Those of the command line's client, which may be set where the server is started, too."""
