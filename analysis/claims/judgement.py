"""Claims that only viewers or further experiments can decide."""

from analysis.claims.finding import Finding, Sources
from analysis.claims.quality import more_error
from analysis.cost.closed_form import gmacs_720p, smsrn
from analysis.names import DISPLAY
from analysis.quality.columns import AVERAGE, printed_losses


def by_eye(sources: Sources) -> Finding:
    """What is hard to see."""
    lost = printed_losses()[AVERAGE]
    reason = (
        "A judgement of viewers: none were asked here. Figures 4 to 7 are not shown, since their images may not be "
        f"passed on; whoever has the images can draw them. The average loss is {lost:.2f} dB, that is "
        f"{more_error(lost)} more mean squared error."
    )
    return Finding({}, reason, undecided=True)


def depends_on_original(sources: Sources) -> Finding:
    """Whether a better network gives a better lightened one."""
    trained = [DISPLAY[some[0].full.run.model] for some in (sources.rungs, sources.other_rungs) if some]
    reason = (
        "It needs many networks, each trained before and after. The paper shows one; trained so here: "
        f"{' and '.join(trained) or 'none'}."
    )
    return Finding({}, reason, undecided=True)


def choose_model(sources: Sources) -> Finding:
    """Advice that follows from the claim before."""
    reason = (
        "Advice, and no better founded than depends-on-original. What each of other networks would save is counted in "
        "results/lighten.md; what it would lose is not known before it is trained (other-networks)."
    )
    return Finding({}, reason, undecided=True)


def mobile(sources: Sources) -> Finding:
    """Whether SMSRN is usable on mobile devices."""
    reason = (
        "No phone is measured here or in the paper, and it says no limit of time or memory. SMSRN needs "
        f"{gmacs_720p(smsrn(), 4):.1f} G multiply-adds for a 1280x720 output; its time and memory on a processor are "
        "in results/speed.md."
    )
    return Finding({}, reason, undecided=True)
