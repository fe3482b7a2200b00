"""Which metric protocol explains the paper's PSNR and SSIM.

The paper names neither channel nor border. Here each method is measured on real images under every combination of
channel, border and SSIM window, and what a combination moves against the literature's protocol (rounded luma, border of
the scale, Gaussian window) is compared with how far the paper's numbers are from the literature's.

Records: ``<results>/records/protocol/<benchmark>-x4-<model>-<key>.json``, one per benchmark and method. "key": model,
SHA-256 of its weights (null for bicubic), of the evaluated images, the scale and the version of this list of
combinations. "images": per image "psnr" by "<channel>/<border>" (dB; null: equal images) and "ssim" by
"<channel>/<border>/<window>". "training", "environment" and "command" are those of `replication.records`.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, sqrt
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.metrics import structural_similarity
from tqdm import tqdm

from analysis import paper, table1
from analysis.cost_ratio import table, wrap
from analysis.paper import BENCHMARKS
from replication import records, weights
from replication.data import benchmarks
from replication.data.benchmarks import EMBEDDED
from replication.errors import Parser, UserError, run
from replication.evaluate import BICUBIC, METHODS, NOT_TRAINED, Prepared, Subject, prepare, subject
from replication.files import write_text
from replication.images.color import rgb_to_luma
from replication.images.resize import imresize

Image = NDArray[np.uint8]
Planes = list[NDArray[np.float64]]

SCALE = 4
VERSION = 1
"""Raise it when a combination is added or changes its meaning: older records are then not used."""

CHANNELS = {
    "luma": "BT.601 luma, 16 to 235, not rounded",
    "luma, rounded": "BT.601 luma, 16 to 235, rounded to integers (MATLAB)",
    "luma, full range": "0.299 R + 0.587 G + 0.114 B, 0 to 255",
    "RGB": "PSNR over all samples, SSIM as the mean over R, G and B",
}
SHAVES = (0, SCALE, SCALE + 6)
WINDOWS = {
    "Gaussian": "11x11, sigma 1.5, population covariance (Wang et al. 2004)",
    "uniform": "7x7, sample covariance (scikit-image's default)",
}
LITERATURE = ("luma, rounded", SCALE, "Gaussian")
"""Channel, border and window of the tables in the literature."""

FULL_RANGE = (0.299, 0.587, 0.114)

RETRAINED = 0.1
"""dB by which two trainings of one network may differ: those of the MSRN with 6,078,019 parameters, as published by its
authors and by the paper, are up to this far apart on luma. A combination is told from another only above it."""

PAN_RGB_SSIM = 0.8643
"""SSIM of PAN on Set5 x4 over R, G and B, from its authors' test log (see paper/SOURCES.md), at 32.13 dB on luma."""

SSIM_FIT_FROM = 31.5
"""Published networks below this PSNR (Set5, dB) are left out of the line of luma SSIM over PSNR."""


@dataclass(frozen=True)
class Measured:
    """One method on one benchmark: means over the images, by combination."""

    benchmark: str
    model: str
    images: int
    psnr: dict[tuple[str, int], float]
    ssim: dict[tuple[str, int, str], float]
    training: dict[str, Any] | None
    environment: dict[str, str]
    file_name: str


# Measuring


def planes(image: Image, channel: str) -> Planes:
    """What ``channel`` compares of a uint8 image, as float64 planes in 0..255; a grey image is compared as it is."""
    if image.ndim == 2:
        return [image.astype(np.float64)]
    if channel == "RGB":
        return [image[..., index].astype(np.float64) for index in range(3)]
    if channel == "luma, full range":
        return [image.astype(np.float64) @ np.array(FULL_RANGE)]
    luma = rgb_to_luma(image)
    return [np.floor(luma + 0.5) if channel == "luma, rounded" else luma]


def inner(plane: NDArray[np.float64], border: int) -> NDArray[np.float64]:
    """``plane`` without ``border`` pixels along each side."""
    height, width = plane.shape
    return plane[border : height - border, border : width - border]


def ssim_map(one: NDArray[np.float64], other: NDArray[np.float64], window: str) -> tuple[NDArray[np.float64], int]:
    """SSIM at every pixel, and how near to a border its window sticks out."""
    gaussian = window == "Gaussian"
    _, full = structural_similarity(  # type: ignore[no-untyped-call]  # scikit-image has no types
        one,
        other,
        gaussian_weights=gaussian,
        sigma=1.5,
        win_size=None if gaussian else 7,
        use_sample_covariance=not gaussian,
        data_range=255,
        full=True,
    )
    return full, 5 if gaussian else 3


def compare(sr: Image, hr: Image) -> tuple[dict[str, float], dict[str, float]]:
    """PSNR (dB) and SSIM of a result against the original under every combination; see the module text for the keys.

    Both uint8, of one shape, (H, W) or (H, W, 3). Shaving before or after the SSIM map is taken is the same: only
    windows that lie inside the shaved image count. Raises UserError for an image that border and window use up.
    """
    smallest = 2 * max(SHAVES) + 11
    if min(hr.shape[:2]) < smallest:
        raise UserError(f"protocol: expected images of at least {smallest} pixels each way, got {hr.shape[:2]}")
    psnr: dict[str, float] = {}
    ssim: dict[str, float] = {}
    for channel in CHANNELS:
        pairs = list(zip(planes(sr, channel), planes(hr, channel), strict=True))
        for shave in SHAVES:
            error = fmean(float(np.mean((inner(one, shave) - inner(other, shave)) ** 2)) for one, other in pairs)
            psnr[f"{channel}/{shave}"] = float(10 * np.log10(255**2 / error)) if error else inf
        for window in WINDOWS:
            maps = [ssim_map(one, other, window) for one, other in pairs]
            for shave in SHAVES:
                ssim[f"{channel}/{shave}/{window}"] = fmean(
                    float(inner(full, shave + reach).mean()) for full, reach in maps
                )
    return psnr, ssim


def measure(method: Subject, data: Prepared) -> dict[str, Any]:
    """The record of ``method`` on prepared images (`replication.evaluate.prepare`)."""
    images = []
    for name, hr in tqdm(data.images.items(), desc=f"{method.model} on {data.benchmark}", unit="image", leave=False):
        lr = imresize(hr, 1 / SCALE).astype(np.uint8)
        psnr, ssim = compare(method.upscale(lr), hr)
        finite = {key: None if value == inf else value for key, value in psnr.items()}
        images.append({"name": name, "psnr": finite, "ssim": ssim})
    return {
        "key": key(method, data.digest),
        "benchmark": data.benchmark,
        "images": images,
        "training": method.training,
        "environment": records.environment(),
        "command": f"python -m analysis.protocol --benchmark {data.benchmark}",
    }


def key(method: Subject, data_digest: str) -> dict[str, Any]:
    """What a measurement depends on."""
    return {
        "model": method.model,
        "weights": method.weights,
        "data": data_digest,
        "scale": SCALE,
        "combinations": VERSION,
    }


# Records


def folder(results: Path) -> Path:
    """Where these records are: below those of `replication.records`, which does not look into folders."""
    return records.folder(results) / "protocol"


def file_name(record: dict[str, Any]) -> str:
    """The file name of a record."""
    digest = records.Key(
        record["key"]["model"],
        record["key"]["weights"],
        record["key"]["data"],
        {"combinations": {"version": record["key"]["combinations"]}},
        record["key"]["scale"],
    ).digest
    return f"{record['benchmark']}-x{record['key']['scale']}-{record['key']['model']}-{digest[:8]}.json"


def load_all(results: Path) -> list[dict[str, Any]]:
    """Every record of a results folder. Raises UserError naming a file that is damaged or misnamed."""
    found = []
    for path in sorted(folder(results).glob("*.json")):
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            if file_name(record) != path.name:
                raise ValueError(f"its content belongs to a file named {file_name(record)}")
            if record["key"]["combinations"] == VERSION:
                means(record)  # complete?
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise UserError(f"{path} is damaged: {error!r}") from error
        found.append(record)
    return found


def means(record: dict[str, Any]) -> Measured:
    """A record's means over its images, by combination. Raises KeyError or ValueError where something is missing."""
    images = record["images"]
    if not images:
        raise ValueError("it holds no image")
    psnr = {
        (channel, shave): fmean(_number(image["psnr"][f"{channel}/{shave}"]) for image in images)
        for channel in CHANNELS
        for shave in SHAVES
    }
    ssim = {
        (channel, shave, window): fmean(float(image["ssim"][f"{channel}/{shave}/{window}"]) for image in images)
        for channel in CHANNELS
        for shave in SHAVES
        for window in WINDOWS
    }
    return Measured(
        record["benchmark"],
        record["key"]["model"],
        len(images),
        psnr,
        ssim,
        record["training"],
        record["environment"],
        file_name(record),
    )


def _number(value: float | None) -> float:
    return inf if value is None else float(value)


def current(results: Path) -> list[Measured]:
    """The recorded measurements of each method with today's shipped weights, in the order of sets and methods."""
    digests: dict[str, str | None] = {BICUBIC: None}
    for model in METHODS:
        path = None if model == BICUBIC else weights.shipped(model, SCALE)
        if path is not None:
            digests[model] = weights.digest(path)
    newest: dict[tuple[str, str], dict[str, Any]] = {}
    for record in sorted(load_all(results), key=lambda one: str(one["environment"].get("date", ""))):
        of = record["key"]
        if of["combinations"] == VERSION and of["model"] in digests and of["weights"] == digests[of["model"]]:
            newest[record["benchmark"], of["model"]] = record
    order = [(name, model) for name in (*BENCHMARKS, EMBEDDED) for model in METHODS]
    return [means(newest[pair]) for pair in order if pair in newest]


def update(
    results: Path, data: Path | None = None, names: Sequence[str] | None = None, *, force: bool = False
) -> tuple[list[Path], list[str]]:
    """Measure what is here and not recorded; return the new records and what could not be measured, in words.

    ``names``: benchmarks (default: Set5 where it is or is recorded, else the embedded set). Bicubic is measured always,
    the networks where weights ship with the package. Raises UserError for data that are there but wrong.
    """
    root = benchmarks.data_root(data)
    known = load_all(results)
    if names is None:
        here = benchmarks.find("Set5", root) is not None or any(one["benchmark"] == "Set5" for one in known)
        names = ["Set5"] if here else [EMBEDDED]
    records.check_writable(results)
    written, missing = [], []
    methods = {model: subject(model, SCALE) for model in METHODS}
    missing += [f"{table1.NAMES[model]}: {NOT_TRAINED}" for model, method in methods.items() if method is None]
    for name in names:
        benchmark = benchmarks.find(name, root)
        if benchmark is None:
            if not any(one["benchmark"] == name for one in known):
                missing.append(f"{name}: not in the data folder and not recorded")
            continue
        prepared = prepare(benchmark, SCALE)
        for method in methods.values():
            if method is None:
                continue
            if not force and any(one["key"] == key(method, prepared.digest) for one in known):
                continue
            record = measure(method, prepared)
            path = folder(results) / file_name(record)
            write_text(path, json.dumps(record, indent=1, sort_keys=True, allow_nan=False) + "\n")
            written.append(path)
    return written, missing


# What the paper's numbers differ by


def expected_ssim(name: str, psnr: float) -> float:
    """Luma SSIM that published networks have on benchmark ``name`` at that PSNR on luma: a least-squares line."""
    own = ("SMSRN", "MSRN (as retrained in SMSRN paper)")
    rows = [row for row in paper.published() if row.model not in own and name in row.psnr and name in row.ssim]
    rows = [row for row in rows if row.psnr.get("Set5", 0) >= SSIM_FIT_FROM]
    slope, offset = np.polyfit([row.psnr[name] for row in rows], [row.ssim[name] for row in rows], 1)
    return float(slope * psnr + offset)


def paper_psnr_moves(name: str) -> float:
    """The paper's PSNR of MSRN on ``name`` less that of the same network as its authors publish it (luma), in dB."""
    return paper.table1().msrn.scores[name].psnr - paper.published_row(table1.PUBLISHED_MSRN).psnr[name]


def paper_ssim_moves(name: str, model: str) -> float:
    """The paper's SSIM of ``model`` on ``name`` less the luma SSIM that published networks have at its PSNR."""
    in_paper = paper.table1()
    score = (in_paper.msrn if model == "msrn" else in_paper.smsrn).scores[name]
    return score.ssim - expected_ssim(name, score.psnr)


@dataclass(frozen=True)
class Candidate:
    """One combination: what it moves on each measured set by method, and how far that is from the paper's difference.

    ``distance``: root of the mean square over the measured sets and methods.
    """

    combination: tuple[str | int, ...]
    moves: dict[tuple[str, str], float]
    distance: float

    def mean(self, model: str) -> float | None:
        """What it moves for one method, mean over the sets."""
        values = [value for (_, method), value in self.moves.items() if method == model]
        return fmean(values) if values else None


def psnr_candidates(measured: Sequence[Measured]) -> list[Candidate]:
    """Every combination for PSNR, the one nearest to the paper first."""
    reference = LITERATURE[:2]
    return _ranked(
        {
            (channel, shave): {
                (one.benchmark, one.model): one.psnr[channel, shave] - one.psnr[reference] for one in measured
            }
            for channel in CHANNELS
            for shave in SHAVES
        },
        {(one.benchmark, one.model): paper_psnr_moves(one.benchmark) for one in measured},
    )


def ssim_candidates(measured: Sequence[Measured]) -> list[Candidate]:
    """Every combination for SSIM, the one nearest to the paper first. Bicubic is compared with the paper's MSRN."""
    return _ranked(
        {
            (channel, shave, window): {
                (one.benchmark, one.model): one.ssim[channel, shave, window] - one.ssim[LITERATURE] for one in measured
            }
            for channel in CHANNELS
            for shave in SHAVES
            for window in WINDOWS
        },
        {
            (one.benchmark, one.model): paper_ssim_moves(one.benchmark, "smsrn" if one.model == "smsrn" else "msrn")
            for one in measured
        },
    )


def _ranked(moves: dict[Any, dict[tuple[str, str], float]], wanted: dict[tuple[str, str], float]) -> list[Candidate]:
    found = [
        Candidate(combination, by, sqrt(fmean((by[pair] - wanted[pair]) ** 2 for pair in wanted)))
        for combination, by in moves.items()
    ]
    return sorted(found, key=lambda one: one.distance)


def compared(measured: Sequence[Measured]) -> list[Measured]:
    """The measurements on sets of the paper's table: only these can be compared with it."""
    return [one for one in measured if one.benchmark in BENCHMARKS]


# The page


def differences_table() -> str:
    """The paper's numbers beside the literature's."""
    in_paper, repository = paper.table1(), paper.published_row(table1.PUBLISHED_MSRN)
    rows = []
    for name in BENCHMARKS:
        msrn, smsrn = in_paper.msrn.scores[name], in_paper.smsrn.scores[name]
        rows.append(
            [
                name,
                f"{msrn.psnr:.2f}",
                f"{repository.psnr[name]:.2f}",
                f"{paper_psnr_moves(name):+.2f}",
                *(
                    text
                    for model, score in (("msrn", msrn), ("smsrn", smsrn))
                    for text in (
                        f"{score.ssim:.4f}",
                        f"{expected_ssim(name, score.psnr):.4f}",
                        f"{paper_ssim_moves(name, model):+.4f}",
                    )
                ),
            ]
        )
    headers = ["", "MSRN PSNR, paper", "its authors", "differ", "MSRN SSIM, paper", "usual on luma", "differ"]
    return table(rows, [*headers, "SMSRN SSIM, paper", "usual on luma", "differ"], "github")


def candidates_table(candidates: Sequence[Candidate], measured: Sequence[Measured], digits: int) -> str:
    """What each combination moves, the nearest to the paper's difference first."""
    models = [model for model in METHODS if any(one.model == model for one in measured)]
    rows = []
    for one in candidates:
        moved = [one.mean(model) for model in models]
        cells = [f"{value:+.{digits}f}" for value in moved if value is not None]
        rows.append([words(one.combination), *cells, f"{one.distance:.{digits}f}"])
    names = [f"moves {table1.NAMES[model]}" for model in models]
    return table(rows, ["combination", *names, "from the paper's"], "github")


def conclusion(measured: Sequence[Measured]) -> str:
    """What the measurements say of the paper's protocol, in words."""
    usable = compared(measured)
    if not usable:
        return "Nothing is recorded on a set of the paper's table, so nothing is concluded."
    psnr, ssim = psnr_candidates(usable), ssim_candidates(usable)
    near = [one for one in psnr if one.distance <= psnr[0].distance + RETRAINED]
    fitting = list(dict.fromkeys(str(one.combination[0]) for one in near))
    fits = " and ".join(title(channel) for channel in fitting)
    far = {channel: min(one.distance for one in psnr if one.combination[0] == channel) for channel in CHANNELS}
    excluded = [f"{title(channel)} (at least {far[channel]:.1f} dB)" for channel in CHANNELS if channel not in fitting]
    nearest = [next(one for one in ssim if one.combination[0] == channel) for channel in CHANNELS]
    by_channel = sorted(nearest, key=lambda one: one.distance)
    channel, _, window = ssim[0].combination
    other = next(one for one in ssim if one.combination[0] == channel and one.combination[2] != window)
    literature = next(one for one in ssim if one.combination == LITERATURE)
    return (
        f"PSNR: the nearest combinations, equal within the {RETRAINED} dB by which two trainings of one network "
        f"differ, are on {fits}; border and rounding move less than that. Too far from the paper: "
        f"{'; '.join(excluded) or 'none'}. SSIM, distance from the paper's difference by channel: "
        f"{'; '.join(f'{words(one.combination)}: {one.distance:.4f}' for one in by_channel)}; the literature's own "
        f"protocol: {literature.distance:.4f}. With the {other.combination[2]} window {title(str(channel))} is "
        f"{other.distance:.4f} away. So the paper's PSNR fits {fits}, and its SSIM fits {title(str(channel))}."
    )


def title(channel: str) -> str:
    """A channel's name for running text."""
    name, _, detail = channel.partition(", ")
    return f"{name} ({detail})" if detail else name


def words(combination: tuple[str | int, ...]) -> str:
    """A combination in words."""
    channel, shave, *window = combination
    return ", ".join([title(str(channel)), f"border {shave}", *(f"{name} window" for name in window)])


def markdown(measured: Sequence[Measured]) -> str:
    """The page as Markdown, from recorded measurements."""
    usable = compared(measured)
    pan, msrn = paper.published_row("PAN"), paper.table1().msrn.scores["Set5"]
    parts = [
        "# Which protocol is it?",
        "Made by `python -m analysis.protocol` from `records/protocol/`.",
        wrap(
            "The paper does not name the channel, the border or the SSIM window of its PSNR and SSIM. Below: how far "
            "its numbers are from those that others publish on luma; what each choice moves, measured; and which "
            "choice moves numbers as far as that."
        ),
        "## The result",
        wrap(conclusion(measured)),
        "## What the paper's numbers differ by",
        differences_table(),
        wrap(
            "PSNR: against the same network as its authors publish it. SSIM, usual on luma: what published networks "
            f"from {SSIM_FIT_FROM} dB on (analysis/paper/sota_x4.csv) have at the same PSNR, by a line through them. "
            f"A second witness: PAN has {pan.psnr['Set5']:.2f} dB and an SSIM of {pan.ssim['Set5']:.4f} on Set5 (luma) "
            f"and {PAN_RGB_SSIM} over R, G and B by its authors' log, which is {PAN_RGB_SSIM - pan.ssim['Set5']:+.4f}; "
            f"the paper's MSRN has {msrn.psnr:.2f} dB and {msrn.ssim:.4f}."
        ),
    ]
    if usable:
        parts += [
            "## What each choice moves: PSNR (dB)",
            wrap(f"Against {words(LITERATURE[:2])}; mean over the sets that are recorded."),
            candidates_table(psnr_candidates(usable), usable, 2),
            "## What each choice moves: SSIM",
            wrap(f"Against {words(LITERATURE)}; mean over the sets that are recorded."),
            candidates_table(ssim_candidates(usable), usable, 4),
            wrap(
                "From the paper's: root mean square, over sets and methods, of what a choice moves less what the paper "
                "differs by. Each network is compared with its own column of the paper, bicubic with MSRN's; bicubic "
                "images are blurrier than any network's, and a choice need not move both alike."
            ),
        ]
    parts += [
        "## The choices",
        "\n".join(f"- {name}: {meaning}." for name, meaning in {**CHANNELS, **WINDOWS}.items())
        + f"\n- Border: {', '.join(map(str, SHAVES))} pixels left out along each side.",
        "## Records",
        records_table(measured),
    ]
    return "\n\n".join(parts) + "\n"


def records_table(measured: Sequence[Measured]) -> str:
    """Where each measurement is, with what the literature's protocol and RGB give."""
    rows = []
    for one in measured:
        share = table1.training_share(one.training) if one.training else ""
        luma = f"{one.psnr['luma, rounded', SCALE]:.2f} / {one.ssim[LITERATURE]:.4f}"
        rgb = f"{one.psnr['RGB', SCALE]:.2f} / {one.ssim['RGB', SCALE, 'Gaussian']:.4f}"
        date, where = one.environment.get("date", ""), one.environment.get("machine", "")
        rows.append([f"`{one.file_name}`", str(one.images), luma, rgb, share, date, where])
    headers = ["record", "images", "luma", "RGB", "share of the paper's training", "recorded", "machine"]
    untrained = [table1.NAMES[model] for model in METHODS if model != BICUBIC and not weights.shipped(model, SCALE)]
    note = f"\n\n{', '.join(untrained)}: {NOT_TRAINED}, so not measured." if untrained else ""
    return table(rows, headers, "github") + note


def write(results: Path) -> list[Path]:
    """Write ``protocol.md`` from the records in the results folder; return its path. Measures nothing."""
    path = results / "protocol.md"
    write_text(path, markdown(current(results)))
    return [path]


def main(argv: Sequence[str] | None = None) -> int | None:
    """Measure what is missing, write the page and say what follows. Raises UserError for data that are wrong."""
    parser = Parser(
        prog="python -m analysis.protocol",
        description=(
            "Find the metric protocol behind the paper's PSNR and SSIM: measure bicubic and the trained networks\n"
            "under every combination of channel, border and SSIM window, and compare what each moves with how far\n"
            "the paper's numbers are from the literature's. What is recorded already is not measured again."
        ),
        epilog=(
            "examples:\n"
            "  python -m analysis.protocol                                  Set5, or the embedded set without it\n"
            "  python -m analysis.protocol --benchmark Set5 Set14 B100\n"
        ),
    )
    parser.add_argument(
        "--benchmark",
        nargs="+",
        choices=(*BENCHMARKS, EMBEDDED),
        help="default: Set5 where it is or is recorded, else the embedded set",
    )
    parser.add_argument("--data", type=Path, metavar="DIR", help="data folder (default: $REPLICATION_DATA or data)")
    parser.add_argument(
        "--results", type=Path, metavar="DIR", default=Path("results"), help="results folder (default: %(default)s)"
    )
    parser.add_argument("--force", action="store_true", help="measure again what is recorded already")
    arguments = parser.parse_args(argv)
    written, missing = update(arguments.results, arguments.data, arguments.benchmark, force=arguments.force)
    print(wrap(conclusion(current(arguments.results))))
    for line in missing:
        print(line)
    for path in [*written, *write(arguments.results)]:
        print(f"wrote {path}")
    return None


if __name__ == "__main__":
    run(main)
