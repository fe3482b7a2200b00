"""Figures 4-7: one image of each benchmark as original, bicubic, MSRN and SMSRN at x4; and the same for a photograph.

The images of the benchmarks are not free: figures 4-7 are made from the reader's own copies and must not be
committed (.gitignore). figure_embedded shows a photograph that may be passed on, so every reader has one picture.

The detail is not chosen by hand: it is the window in which bicubic interpolation is furthest from the original.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray
from tqdm import tqdm

from analysis import style
from analysis.names import IN_TEXT, SCALE
from analysis.quality.training import readings_words, short_share
from replication import evaluate, records
from replication.crops import PAPERS, furthest
from replication.data import benchmarks
from replication.evaluate import BICUBIC, NOT_TRAINED, Image, Subject
from replication.images.resize import imresize
from replication.records import Evaluation, ImageResult

PICTURES = {
    **{f"figure{number}": picture for number, picture in enumerate(PAPERS, start=4)},
    "figure_embedded": (benchmarks.EMBEDDED, "astronaut"),
}
"""Figure -> benchmark and image: the paper's four, and one that is free."""

METHODS = (BICUBIC, "msrn", "smsrn")
"""The panels after the original, in the paper's order."""

DETAIL, PANEL, GAP, MARGIN = 64, 256, 8, 1
"""Side of the detail in pixels of the image; panel, gap and margin in pixels of the figure: each pixel of the detail
becomes 4 x 4 of the figure, and nothing is interpolated."""
LINE = 34
"""Height of a line of text in pixels of the figure."""
DPI = 300
"""As `style.SETTINGS` saves: the figure is then one column wide."""


@dataclass(frozen=True)
class Panel:
    """One method: its image and scores, or ``note``, which says why there is none; ``training`` for the caption."""

    method: str
    image: Image | None
    score: ImageResult | None
    note: str = ""
    training: str = ""


@dataclass(frozen=True)
class Picture:
    """All that one figure shows; ``original`` is None where the image is not on this machine."""

    benchmark: str
    name: str
    original: Image | None
    panels: tuple[Panel, ...]


def subjects() -> dict[str, Subject | None]:
    """The methods ready to run, with the shipped weights."""
    return {method: evaluate.subject(method, SCALE) for method in METHODS}


def picture(
    benchmark: str,
    name: str,
    ready: Mapping[str, Subject | None],
    data: Path | None = None,
    known: Sequence[Evaluation] = (),
) -> Picture:
    """Upscale one image with every method that is ``ready`` and compare it with the original.

    ``data``: the data folder (default: `replication.data.benchmarks.data_root`). ``known``: records, whose scores are
    shown where they are of the same weights, so that the figure does not change with the machine that draws it. Raises
    UserError as `find` does.
    """
    found = benchmarks.find(benchmark, benchmarks.data_root(data), scale=SCALE)
    if found is None:
        absent = tuple(Panel(method, None, None, f"{benchmark} is\nnot here") for method in METHODS)
        return Picture(benchmark, name, None, absent)
    (image,) = (one for one in found.images if one.name == name)
    original = evaluate.evaluated(image, SCALE)
    panels = []
    with tqdm(METHODS, desc=f"{benchmark} {name}", unit="method", leave=False) as bar:
        for method in bar:
            subject = ready[method]
            if subject is None:
                panels.append(Panel(method, None, None, NOT_TRAINED))
                continue
            score, upscaled = evaluate.measure_image(subject, name, original)
            score = recorded_score(known, benchmark, name, subject) or score
            share = short_share(subject.training)
            panels.append(Panel(method, upscaled, score, training=share))
    return Picture(benchmark, name, original, tuple(panels))


def recorded_score(known: Sequence[Evaluation], benchmark: str, name: str, subject: Subject) -> ImageResult | None:
    """What the records say of one image with the same weights; None where they do not have it."""
    record = records.find(known, benchmark=benchmark, model=subject.model, scale=subject.scale, weights=subject.weights)
    return next((one for one in record.images if one.name == name), None) if record else None


def rgb(image: Image) -> NDArray[np.uint8]:
    """Grey as RGB, for drawing."""
    return image if image.ndim == 3 else np.repeat(image[:, :, None], 3, axis=2)


SCORES = (("PSNR, luma (dB)", "psnr_y", ".2f"), ("SSIM, luma", "ssim_y", ".4f"), ("SSIM, RGB", "ssim_rgb", ".4f"))
"""Lines under the panels: what it is, where it is in a record, how it is printed."""


@dataclass(frozen=True)
class Canvas:
    """A figure whose unit is its own pixel, y from the top."""

    figure: Figure
    width: int
    height: int

    def text(self, words: str, x: float, top: float, **how: Any) -> None:
        """One line of text whose row begins at ``top``."""
        self.figure.text(x / self.width, 1 - (top + LINE / 2) / self.height, words, va="center_baseline", **how)

    def frame(self, left: float, top: float, tall: int) -> Axes:
        """Axes of PANEL x ``tall`` pixels without ticks."""
        box = (left / self.width, 1 - (top + tall) / self.height, PANEL / self.width, tall / self.height)
        axes = self.figure.add_axes(box)
        axes.set(xticks=[], yticks=[])
        return axes


def show_image(axes: Axes, image: Image) -> None:
    """An image that fills its axes, pixel by pixel."""
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.imshow(rgb(image), interpolation="none", aspect="auto")


def show_note(axes: Axes, note: str) -> None:
    """An empty frame with the reason why it is empty."""
    for spine in axes.spines.values():
        spine.set(visible=True, linewidth=0.4, color="#8a8a8a")
    axes.text(0.5, 0.5, note, transform=axes.transAxes, ha="center", va="center", color=style.PUBLISHED)


def draw(shown: Picture) -> Figure:
    """The figure: whole images above, details below, scores under them.

    Call it, and save the figure, inside `style.settings`.
    """
    height, width = (1, 1) if shown.original is None else shown.original.shape[:2]
    tall = round(PANEL * height / width)
    caption = captions(shown)
    rows = {
        "title": LINE,
        "names": LINE + 6,
        "whole": tall + GAP,
        "detail": PANEL + 4,
        "scores": LINE * len(SCORES) + 14,
        "caption": LINE * len(caption),
    }
    tops = dict(zip(rows, accumulate(rows.values(), initial=MARGIN), strict=False))
    size = (2 * MARGIN + 4 * PANEL + 3 * GAP, 2 * MARGIN + sum(rows.values()))
    figure = style.new_figure(size[0] / DPI, size[1] / DPI)
    figure.set_layout_engine("none")
    canvas = Canvas(figure, *size)

    of = "" if shown.benchmark == benchmarks.EMBEDDED else f"{shown.benchmark} "
    canvas.text(f"{of}{shown.name}, x{SCALE}", MARGIN, tops["title"], weight="bold")
    window = None
    if shown.original is not None and shown.panels[0].image is not None:
        window = furthest(shown.original, shown.panels[0].image, DETAIL)
    for index, panel in enumerate([Panel("original", shown.original, None, shown.panels[0].note), *shown.panels]):
        left = MARGIN + index * (PANEL + GAP)
        canvas.text(IN_TEXT.get(panel.method, panel.method), left + PANEL / 2, tops["names"], ha="center")
        whole = canvas.frame(left, tops["whole"], tall)
        part = canvas.frame(left, tops["detail"], PANEL)
        if panel.image is None or window is None:
            show_note(whole, panel.note)
            show_note(part, panel.note)
        else:
            top, start = window
            show_image(part, panel.image[top : top + DETAIL, start : start + DETAIL])
            factor = PANEL / width
            show_image(whole, imresize(panel.image, factor)[:tall, :PANEL].astype(np.uint8))
            for color, line in (("#000000", 1.4), ("#ffffff", 0.7)):  # seen on light and on dark
                square = Rectangle((start * factor, top * factor), DETAIL * factor, DETAIL * factor, fill=False)
                square.set(edgecolor=color, linewidth=line)
                whole.add_patch(square)
        for number, (words, field, how) in enumerate(SCORES):
            down = tops["scores"] + LINE * number
            if index == 0:
                canvas.text(words, left + PANEL, down, ha="right")
            else:
                value = format(getattr(panel.score, field), how) if panel.score else "–"
                canvas.text(value, left + PANEL / 2, down, ha="center")
    for number, words in enumerate(caption):
        canvas.text(words, MARGIN, tops["caption"] + LINE * number, size=6)
    return figure


def captions(shown: Picture) -> list[str]:
    """Lines under the figure: what the detail is, and how far the networks were trained."""
    if shown.original is None:
        return [f"{shown.benchmark} is not in the data folder: `python -m replication.data` says where to get it."]
    lines = [f"Detail: the {DETAIL} x {DETAIL} pixels where bicubic is furthest from the original."]
    shares = {IN_TEXT[panel.method]: panel.training for panel in shown.panels if panel.training}
    if shares:
        trained = ", ".join(f"{name} {share}" for name, share in shares.items())
        lines += [f"Share of the paper's training: {trained};", f"{readings_words()}."]
    return lines


def write(results: Path, data: Path | None = None) -> list[Path]:
    """Write figure4.png to figure7.png and figure_embedded.png below ``<results>/figures``; return their paths.

    ``data``: the data folder.
    """
    ready, known = subjects(), records.load_all(results)
    written = []
    for figure, (benchmark, name) in PICTURES.items():
        shown = picture(benchmark, name, ready, data, known)
        with style.settings():
            written += style.save(draw(shown), style.target(results, figure), ("png",))
    return written
