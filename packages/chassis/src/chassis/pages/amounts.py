"""How pages write amounts; the module `amounts.js` writes them alike."""

from __future__ import annotations

NARROW = "\u202f"
"""Between groups of three digits: a space that is narrow, and where no line ends."""


def number(value: int) -> str:
    """A whole number, its digits in groups of three."""
    return f"{value:,}".replace(",", NARROW)


def size(value: int) -> str:
    """Bytes in the unit that fits: 1 000 of one are 1 of the next.

    >>> size(999), size(12_345)
    ('999 bytes', '12.3 kB')
    """
    if value < 1000:
        return f"{value} {'byte' if value == 1 else 'bytes'}"
    amount, units = value / 1000, ["kB", "MB", "GB", "TB"]
    while amount >= 999.95 and len(units) > 1:
        amount /= 1000
        del units[0]
    return f"{amount:.1f} {units[0]}"
