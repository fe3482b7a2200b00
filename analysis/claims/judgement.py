"""Claims that only viewers or further experiments can decide."""

from analysis.claims.finding import Finding, Sources
from analysis.claims.quality import decibels_lost, more_error
from analysis.quality.columns import AVERAGE


def by_eye(sources: Sources) -> Finding:
    """What is hard to see."""
    lost = decibels_lost(AVERAGE)
    reason = (
        "A judgement of viewers: none were asked here. Figures 4 to 7 are not shown, since their images may not be "
        f"passed on; whoever has the images can draw them. The average loss is {lost:.2f} dB, that is "
        f"{more_error(lost)} more mean squared error."
    )
    return Finding({}, reason, undecided=True)


def depends_on_original(sources: Sources) -> Finding:
    """Whether a better network gives a better lightened one."""
    reason = "It needs several networks, each trained before and after: the paper shows one, and so does this package."
    return Finding({}, reason, undecided=True)
