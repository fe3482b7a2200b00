"""How numbers are printed."""

import pytest

from analysis.text import in_words, small_percent


@pytest.mark.parametrize(
    ("share", "words"), [(1.0, "100 %"), (0.0123, "1.2 %"), (0.000_056, "0.0056 %"), (12.5, "1200 %"), (0.0, "0 %")]
)
def test_small_shares_have_two_digits_and_no_exponent(share: float, words: str) -> None:
    assert small_percent(share) == words


@pytest.mark.parametrize(
    ("names", "words"), [([], ""), (["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")]
)
def test_a_list_in_words(names: list[str], words: str) -> None:
    assert in_words(names) == words
