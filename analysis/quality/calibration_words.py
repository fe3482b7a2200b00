"""What calibration shows, in words, for its own page and for the page on the paper's protocol."""

from analysis import paper
from analysis.quality.calibration import Calibrated
from replication.calibrate import PICTURES


def conclusion(facts: Calibrated) -> str:
    """What follows, from the comparisons alone."""
    if not facts.comparisons:
        return "Nothing is recorded, so nothing is concluded."
    agreeing = [one for one in facts.comparisons if one.agrees]
    text = (
        f"Under `public_code` {len(agreeing)} of {len(facts.comparisons)} published values come out to the digits "
        "that are printed (four decimals: within 0.0005 dB, two decimals: within 0.01 dB)."
    )
    others = [one for one in facts.comparisons if not one.agrees]
    if others:
        listed = ", ".join(f"{one.name} on {one.benchmark} ({one.difference:+.4f} dB)" for one in others)
        text += f" Not so: {listed}."
    grey = {name: by_set.get("Set14") for name, by_set in facts.distance.items()}
    if all(value is not None for value in grey.values()):
        text += (
            " Set14 tells the protocols apart, because one of its images is grey: the mean distance from what is "
            f"published is {grey['public_code']:.3f} dB under `public_code`, {grey['unrounded']:.3f} under "
            f"`unrounded` and {grey['matlab']:.3f} under `matlab`."
        )
    pictures, msrn = facts.of(PICTURES, "Set5"), paper.table1().msrn.scores["Set5"]
    if pictures:
        text += (
            f" The public MSRN's own pictures of Set5 have {pictures.psnr['public_code']:.4f} dB on luma and an SSIM "
            f"of {pictures.ssim['public_code']:.4f} over R, G and B ({pictures.ssim['unrounded']:.4f} on luma). The "
            f"paper prints {msrn.psnr:.2f} / {msrn.ssim:.4f} for MSRN: near both of these, and far from that SSIM on "
            "luma."
        )
    return text
