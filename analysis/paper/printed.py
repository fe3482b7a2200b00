"""Printed numbers: their digits, and what was rounded to them."""

from decimal import Decimal
from fractions import Fraction


def half_unit(printed: str) -> Fraction:
    """Half of what the last printed digit is worth."""
    return Fraction(1, 2) * Fraction(10) ** int(decimal(printed).as_tuple().exponent)


def decimal(printed: str) -> Decimal:
    """A printed number with exactly its digits."""
    return Decimal(printed.replace(",", ""))


def decimals(printed: str) -> int:
    """Number of printed decimals."""
    return -int(decimal(printed).as_tuple().exponent)
