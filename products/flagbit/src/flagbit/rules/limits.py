"""How large a flag may be: every cap in one place.

They bound what one save can cost and what one evaluation can cost. Whole numbers stay within
what JavaScript reads exactly, because half of the clients are browsers.
"""

from __future__ import annotations

from typing import Final

VARIANTS: Final = 64
RULES: Final = 100
CONDITIONS: Final = 50
"""of one rule"""
VALUES: Final = 1000
"""of one condition"""
TAGS: Final = 50

KEY: Final = 128
"""characters of a flag's key"""
NAME: Final = 64
"""characters of a variant's name, a rule's id, a tag"""
ATTRIBUTE: Final = 256
"""characters of an attribute's path"""
OPERAND: Final = 1000
"""characters of one value of a condition"""
DESCRIPTION: Final = 2000
"""characters of a description"""
TEXT: Final = 10_000
"""characters of a string that is served, and of each string inside an object"""

DEPTH: Final = 32
"""levels of an object that is served; the object itself is the first"""
INTEGER: Final = 2**53 - 1
"""the largest whole number either side of zero"""
WEIGHT: Final = 1_000_000
"""the largest weight in a split"""

FAULTS: Final = 100
"""faults that are told at once"""
