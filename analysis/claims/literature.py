"""Claims that what others published decides: which networks there were, and who proposed what."""

from analysis import paper
from analysis.claims.finding import Finding, Sources, exact, yes_or_no
from analysis.names import MSRN_ROW
from analysis.paper import BENCHMARKS, LAST_YEAR, Published


def up_to_the_paper() -> list[Published]:
    """Published networks that the paper could know, with their parameters."""
    return [row for row in paper.published() if row.year and row.year <= LAST_YEAR and row.parameters]


def smaller_and_better(parameters: int, psnr: float, *, equal: bool = False) -> list[Published]:
    """Those of `up_to_the_paper` with fewer parameters and more PSNR (dB, Set5; ``equal``: or as much), by year."""
    found = [
        row
        for row in up_to_the_paper()
        if (row.parameters or 0) < parameters and (row.psnr["Set5"] > psnr or (equal and row.psnr["Set5"] == psnr))
    ]
    return sorted(found, key=lambda row: (row.year or 0, row.model))


def _listed(rows: list[Published]) -> str:
    return (
        ", ".join(f"{row.model} ({row.year}: {row.parameters:,}, {row.psnr['Set5']:.2f} dB)" for row in rows) or "none"
    )


def latest(sources: Sources) -> Finding:
    """Whether MSRN was the latest: no network up to the year before the paper is newer, smaller and better."""
    msrn, printed = paper.published_row(MSRN_ROW), paper.table1().msrn.scores["Set5"].psnr
    assert msrn.parameters
    better = smaller_and_better(msrn.parameters, msrn.psnr["Set5"])
    than_printed = smaller_and_better(msrn.parameters, printed)
    newer = [row for row in up_to_the_paper() if (row.year or 0) > (paper.published_row("MSRN (paper)").year or 0)]
    reason = (
        f"MSRN is of 2018; {len(newer)} networks of 2019 and {LAST_YEAR} are in analysis/paper/sota_x4.csv. More PSNR "
        f"on Set5 than its authors publish ({msrn.psnr['Set5']:.2f} dB) with fewer than its {msrn.parameters:,} "
        f"parameters: {len(better)}, {_listed(better)}. Than the paper's {printed:.2f} dB: {len(than_printed)}."
    )
    return Finding({"no newer network is smaller and better": yes_or_no(not better)}, reason)


def figure_1(sources: Sources) -> Finding:
    """What Figure 1 suggests: how many networks reach SMSRN's PSNR with fewer parameters."""
    smsrn = paper.table1().smsrn
    better = smaller_and_better(smsrn.parameters, smsrn.scores["Set5"].psnr, equal=True)
    reason = (
        f"Networks up to {LAST_YEAR} with at least {smsrn.scores['Set5'].psnr:.2f} dB on Set5 and fewer than "
        f"{smsrn.parameters:,} parameters: {len(better)}, {_listed(better)}. The text itself claims no more than a "
        "smaller MSRN; which networks the paper's own figure shows is not in its text. Figure 1 is drawn again with "
        "them."
    )
    return Finding({"no network has its PSNR with fewer parameters": yes_or_no(not better)}, reason)


def proposed_in(sources: Sources) -> Finding:
    """Who proposed depth-wise separable convolutions."""
    entry = paper.literature("separable-convolution")
    return Finding({"proposed in": entry["first"]}, f"{entry['source']}. MobileNet made them known.")


def four_sets(sources: Sources) -> Finding:
    """On how many rows of Table 1 the value of MSRN is nearest to what its authors publish of the set of that name."""
    published, printed = paper.published_row(MSRN_ROW).psnr, paper.table1().msrn.scores
    nearest = {
        name: min(BENCHMARKS, key=lambda other: abs(published[other] - score.psnr)) for name, score in printed.items()
    }
    right = [name for name, other in nearest.items() if other == name]
    listed = ", ".join(
        f"{name} {score.psnr:.2f} dB (its authors {published[name]:.2f})" for name, score in printed.items()
    )
    reason = (
        f"MSRN in Table 1: {listed}. {len(right)} of {len(printed)} are nearest to the set of their name, of the four; "
        "so the sets are those of the literature."
    )
    return Finding({"data sets": exact(len(right))}, reason)
