"""HTTP conditional requests: ETag, If-Match, If-None-Match, decided right, fast and provably.

The names of daily use are here; the rest is imported from its room, such as
`ifmatch.server.fastapi` or `ifmatch.store.sqlalchemy`.
"""

from ifmatch.core.canonical import canonical
from ifmatch.core.conditions import Comparison, Conditions
from ifmatch.core.decide import Policy, Validators, evaluate
from ifmatch.core.errors import Conflict, IfMatchError, MalformedField, Missing
from ifmatch.core.etag import ETag
from ifmatch.core.guard import CREATE_ONLY, UNCONDITIONAL, Condition, unchanged
from ifmatch.core.representation import Representation
from ifmatch.core.tags import bytes_tag, composed_tag, state_tag, version_tag
from ifmatch.core.verdict import Outcome, Verdict

__all__ = [
    "CREATE_ONLY",
    "UNCONDITIONAL",
    "Comparison",
    "Condition",
    "Conditions",
    "Conflict",
    "ETag",
    "IfMatchError",
    "MalformedField",
    "Missing",
    "Outcome",
    "Policy",
    "Representation",
    "Validators",
    "Verdict",
    "bytes_tag",
    "canonical",
    "composed_tag",
    "evaluate",
    "state_tag",
    "unchanged",
    "version_tag",
]
