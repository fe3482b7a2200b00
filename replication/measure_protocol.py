"""Measure methods under every combination of channel, border and SSIM window that a metric protocol can have.

The records are `replication.records.ProtocolStudy`.
"""

from collections.abc import Sequence
from math import inf
from pathlib import Path
from statistics import fmean

import numpy as np
from numpy.typing import NDArray
from skimage.metrics import structural_similarity
from tqdm import tqdm

from replication import records
from replication.data import benchmarks
from replication.data.benchmarks import BENCHMARKS, EMBEDDED
from replication.errors import ArgumentError, DamagedFileError, Parser, run
from replication.evaluate import METHODS, NOT_TRAINED, Prepared, Subject, prepare, subject
from replication.images.color import rgb_to_luma
from replication.images.resize import imresize
from replication.network import DEFAULT_SCALE as SCALE
from replication.records import ProtocolStudy, StudyImage, StudyKey

Image = NDArray[np.uint8]

Planes = list[NDArray[np.float64]]

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

FULL_RANGE = (0.299, 0.587, 0.114)


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
    """PSNR (dB) and SSIM of a result against the original under every combination, by the keys of `StudyImage`.

    Both uint8, of one shape, (H, W) or (H, W, 3). Shaving before or after the SSIM map is taken is the same: only
    windows that lie inside the shaved image count. Raises ArgumentError for an image that border and window use up.
    """
    smallest = 2 * max(SHAVES) + 11
    if min(hr.shape[:2]) < smallest:
        raise ArgumentError(f"protocol: expected images of at least {smallest} pixels each way, got {hr.shape[:2]}")
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


def measure(method: Subject, data: Prepared) -> ProtocolStudy:
    """The record of ``method`` on prepared images (`replication.evaluate.prepare`)."""
    images = []
    for name, hr in tqdm(data.images.items(), desc=f"{method.model} on {data.benchmark}", unit="image", leave=False):
        lr = imresize(hr, 1 / SCALE).astype(np.uint8)
        images.append(StudyImage(name, *compare(method.upscale(lr), hr)))
    return ProtocolStudy(
        key=key(method, data.digest),
        benchmark=data.benchmark,
        images=tuple(images),
        training=method.training,
        environment=records.environment(),
        command=f"python -m replication.measure_protocol --benchmark {data.benchmark}",
    )


def key(method: Subject, data_digest: str) -> StudyKey:
    """What a measurement depends on."""
    return StudyKey(method.model, method.weights, data_digest, SCALE, VERSION)


def load(results: Path) -> list[ProtocolStudy]:
    """The records with today's list of combinations. Raises DamagedFileError naming one that lacks a combination."""
    found = [record for record in records.load(results, ProtocolStudy) if record.key.combinations == VERSION]
    psnr = {f"{channel}/{shave}" for channel in CHANNELS for shave in SHAVES}
    ssim = {f"{one}/{window}" for one in psnr for window in WINDOWS}
    for record in found:
        if any(set(image.psnr) != psnr or set(image.ssim) != ssim for image in record.images):
            path = records.folder(results, ProtocolStudy) / record.file_name
            raise DamagedFileError(f"{path} is damaged: expected every combination of channel, border and window")
    return found


def update(
    results: Path, data: Path | None = None, names: Sequence[str] | None = None, *, force: bool = False
) -> tuple[list[Path], list[str]]:
    """Measure what is here and not recorded; return the new records and what could not be measured, in words.

    ``names``: benchmarks (default: Set5 where it is or is recorded, else the embedded set). Bicubic is measured always,
    the networks where weights ship with the package. Raises UserError for data that are there but wrong.
    """
    root = benchmarks.data_root(data)
    known = load(results)
    if names is None:
        here = benchmarks.find("Set5", root) is not None or any(one.benchmark == "Set5" for one in known)
        names = ["Set5"] if here else [EMBEDDED]
    records.check_writable(results)
    written, missing = [], []
    methods = {model: subject(model, SCALE) for model in METHODS}
    missing += [f"{model}: {NOT_TRAINED}" for model, method in methods.items() if method is None]
    for name in names:
        benchmark = benchmarks.find(name, root)
        if benchmark is None:
            if not any(one.benchmark == name for one in known):
                missing.append(f"{name}: not in the data folder and not recorded")
            continue
        prepared = prepare(benchmark, SCALE)
        for method in methods.values():
            if method is None:
                continue
            if not force and any(one.key == key(method, prepared.digest) for one in known):
                continue
            if path := records.save(results, measure(method, prepared)):
                written.append(path)
    return written, missing


def main(argv: Sequence[str] | None = None) -> None:
    """Measure what is missing and name the records. Raises UserError for data that are wrong."""
    parser = Parser(
        prog="python -m replication.measure_protocol",
        description=(
            "Measure bicubic and the trained networks under every combination of channel, border and SSIM window.\n"
            "What is recorded already is not measured again. `python -m analysis protocol` compares what each\n"
            "combination moves with how far the paper's numbers are from the literature's."
        ),
        epilog=(
            "examples:\n"
            "  python -m replication.measure_protocol                  Set5, or the embedded set without it\n"
            "  python -m replication.measure_protocol --benchmark Set5 Set14 B100\n"
        ),
    )
    parser.add_argument(
        "--benchmark",
        nargs="+",
        choices=(*BENCHMARKS, EMBEDDED),
        help="default: Set5 where it is or is recorded, else the embedded set",
    )
    parser.add_data()
    parser.add_results()
    parser.add_argument("--force", action="store_true", help="measure again what is recorded already")
    arguments = parser.parse_args(argv)
    written, missing = update(arguments.results, arguments.data, arguments.benchmark, force=arguments.force)
    for line in missing:
        print(line)
    for path in written:
        print(f"wrote {path}")


if __name__ == "__main__":
    run(main)
