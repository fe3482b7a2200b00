"""Measure models on benchmarks: PSNR and SSIM on luma and on RGB, and seconds, per image.

Protocol: the HR image is cropped to a multiple of the scale; the LR image is ``imresize(HR, 1/scale)`` in 8 bits; the
result is rounded and clipped to 8 bits before anything is compared (`replication.images.metrics.table_protocols`).
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from time import perf_counter
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tabulate import tabulate
from torch import nn
from tqdm import tqdm

from replication import history, records, sharing, weights
from replication.data import benchmarks
from replication.data.benchmarks import BENCHMARKS, EMBEDDED, Benchmark, BenchmarkImage
from replication.errors import ArgumentError, Parser, UserError, at_least, run
from replication.files import check_folder
from replication.images.io import write_image
from replication.images.metrics import SSIM_WINDOW, psnr, ssim, table_protocols
from replication.images.resize import crop_to_multiple, imresize
from replication.models import MODELS, OTHERS, build_any
from replication.models.msrn import SCALES
from replication.models.official import load_official
from replication.network import CHECKPOINTS, scales_in_words
from replication.records import Evaluation, ImageResult, Key
from replication.unfinished import Unfinished

Image = NDArray[np.uint8]
Upscale = Callable[[Image], Image]
"""LR image, uint8 (H, W) or (H, W, 3) in 0..255 -> the same kind of image, ``scale`` times larger."""

BICUBIC = "bicubic"
METHODS = (BICUBIC, *reversed(MODELS))
"""What can be measured, from small to large."""

MEASURED_NOW, NOT_MEASURED, NOT_TRAINED = "measured now", "not measured", "not trained"


@dataclass(frozen=True)
class Subject:
    """A method ready to be measured: how to run it, and its weights' digest and training (None for bicubic)."""

    model: str
    scale: int
    weights: str | None
    training: dict[str, Any] | None
    upscale: Upscale


@dataclass(frozen=True)
class Row:
    """One line of the final table: what is known about a method on a benchmark, and where it comes from."""

    benchmark: str
    model: str
    record: Evaluation | None
    status: str


def network_upscaler(network: nn.Module) -> Upscale:
    """Make a trained network an image-to-image function; see `Upscale`.

    A grey image is fed as three equal channels, as the public EDSR and MSRN code feeds it, and the grey result is the
    mean of the three output channels: greyscale images are compared as they are, without a luma formula.
    """
    network = network.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # gap in torch's stubs

    def upscale(lr: Image) -> Image:
        rgb = lr if lr.ndim == 3 else np.repeat(lr[:, :, None], 3, axis=2)
        pixels = torch.from_numpy(np.ascontiguousarray(rgb.transpose(2, 0, 1))).float().div(255)[None]
        with torch.inference_mode():
            output: torch.Tensor = network(pixels.contiguous(memory_format=torch.channels_last))[0]
            if lr.ndim == 2:
                output = output.mean(0, keepdim=True)
            image: Image = output.mul(255).round().clamp(0, 255).byte().permute(1, 2, 0).contiguous().numpy()
        return image if lr.ndim == 3 else image[:, :, 0]

    return upscale


def subject(model: str, scale: int, weights_file: Path | None = None) -> Subject | None:
    """Make ``model`` ready with ``weights_file`` or its shipped weights; None when it is not trained.

    Raises UserError for an unknown model or scale and for a weights file that does not fit.
    """
    if scale not in SCALES:
        raise ArgumentError(f"unknown scale {scale!r}: expected one of {', '.join(map(str, SCALES))}")
    if model == BICUBIC:
        return Subject(model, scale, None, None, lambda lr: imresize(lr, scale).astype(np.uint8))
    network = build_any(model, scale=scale)
    if weights_file is None:
        weights_file = weights.shipped(model, scale)
        if weights_file is None:
            return None
        metadata = weights.load_shipped(network, model, scale)
    elif weights_file.suffix.lower() in CHECKPOINTS:
        load_official(network, weights_file)
        metadata = {}
    else:
        metadata = weights.load_file(network, weights_file, model=model, scale=scale)
    training = {name: metadata[name] for name in records.TRAINING_FACTS if name in metadata}
    if stages := metadata.get("earlier"):
        training["earlier"] = history.conditions(stages)
    return Subject(model, scale, weights.digest(weights_file), training, network_upscaler(network))


def evaluated(image: BenchmarkImage, scale: int) -> Image:
    """The HR image as it is evaluated: cropped to a multiple of ``scale``.

    Raises UserError naming the file when it is unreadable or too small for the scale and the metrics' border.
    """
    hr = image.load()
    smallest = -(-(SSIM_WINDOW + 2 * scale) // scale) * scale  # the window inside a border of `scale`, as a multiple
    if min(hr.shape[:2]) < smallest:
        raise UserError(
            f"{image.path}: expected at least {smallest}x{smallest} pixels for x{scale}, "
            f"got {hr.shape[0]}x{hr.shape[1]}"
        )
    return crop_to_multiple(hr, scale).astype(np.uint8)


@dataclass(frozen=True)
class Prepared:
    """A benchmark ready to be measured at one scale: HR images by name, and the digest of names, shapes and pixels."""

    benchmark: str
    images: dict[str, Image]
    digest: str


def prepare(benchmark: Benchmark, scale: int) -> Prepared:
    """Load, check and crop every image before anything is measured. Raises UserError naming a file that is wrong."""
    total = hashlib.sha256()
    images = {}
    for image in tqdm(benchmark.images, desc=f"loading {benchmark.name}", unit="image", leave=False):
        hr = evaluated(image, scale)
        total.update(f"{image.name} {hr.shape}\n".encode())
        total.update(np.ascontiguousarray(hr).tobytes())
        images[image.name] = hr
    return Prepared(benchmark.name, images, total.hexdigest())


def key_of(subject: Subject, data: Prepared) -> Key:
    """The key under which the measurement of ``subject`` on ``data`` is recorded."""
    return Key(subject.model, subject.weights, data.digest, records.protocols(subject.scale), subject.scale)


def compare(sr: Image, hr: Image, scale: int) -> dict[str, float]:
    """Every metric of a record for a result and its original, both uint8 and of one shape; PSNR in dB."""
    protocols = table_protocols(scale)
    luma, rgb, unrounded = protocols["luma"], protocols["rgb"], protocols["unrounded"]
    return {
        "psnr_y": psnr(sr, hr, luma),
        "ssim_y": ssim(sr, hr, luma),
        "psnr_rgb": psnr(sr, hr, rgb),
        "ssim_rgb": ssim(sr, hr, rgb),
        "psnr_unrounded": psnr(sr, hr, unrounded),
        "ssim_unrounded": ssim(sr, hr, unrounded),
        "psnr_public_code": psnr(sr, hr, protocols["public_code"]),
    }


def luma_psnr(upscale: Upscale, hr: Image, scale: int) -> float:
    """PSNR in dB, on luma as in a record, of what ``upscale`` makes of the downscaled ``hr``."""
    return psnr(upscale(imresize(hr, 1 / scale).astype(np.uint8)), hr, table_protocols(scale)["luma"])


def psnr_change(before: nn.Module, after: nn.Module, scale: int, data: Path | None) -> tuple[str, float]:
    """By how much the mean luma PSNR of one network is above that of another: (set measured, change in dB).

    Measured on Set5 where it is, else on the photographs inside scikit-image.
    """
    benchmark = benchmarks.at_hand("Set5", benchmarks.data_root(data), scale=scale)
    images = prepare(benchmark, scale).images.values()
    means = [fmean(luma_psnr(way, hr, scale) for hr in images) for way in map(network_upscaler, (before, after))]
    return benchmark.name, means[1] - means[0]


def measure_image(subject: Subject, name: str, hr: Image) -> tuple[ImageResult, Image]:
    """Downscale, upscale and compare one image; also return the upscaled one. Seconds are those of upscaling alone."""
    lr = imresize(hr, 1 / subject.scale).astype(np.uint8)
    start = perf_counter()
    sr = subject.upscale(lr)
    seconds = perf_counter() - start
    scores = compare(sr, hr, subject.scale)
    return ImageResult(name=name, height=hr.shape[0], width=hr.shape[1], seconds=seconds, **scores), sr


def measure(
    subject: Subject,
    data: Prepared,
    save_images: Path | None = None,
    team: sharing.Team | None = None,
    unfinished: Unfinished | None = None,
) -> Evaluation:
    """Measure every image with a progress bar.

    ``save_images``: folder for the upscaled images, ``<folder>/<benchmark>/<image>_x<scale>_<model>.png``.
    ``team``: the processes that share the images; each gets the whole record. ``unfinished``: what an earlier run has
    measured of it, which is not measured again; what this one measures is added.
    """
    team = team or sharing.Team()
    options = f"--model {subject.model} --benchmark {data.benchmark} --scale {subject.scale}"
    blank = Evaluation(
        key=key_of(subject, data),
        benchmark=data.benchmark,
        images=(),
        training=subject.training,
        environment=records.environment(),
        command=f"python -m replication.evaluate {options}",
    )
    known = _united(team.gathered(unfinished.found(blank) if unfinished else {}))
    own = team.share([(name, hr) for name, hr in data.images.items() if name not in known])
    results: dict[str, ImageResult] = {}
    label = f"{data.benchmark} x{subject.scale} {subject.model}"
    with tqdm(own, disable=not team.leads, desc=label, unit="image") as bar:
        for name, hr in bar:
            results[name], sr = measure_image(subject, name, hr)
            bar.set_postfix_str(f"mean PSNR {fmean(one.psnr_y for one in results.values()):.2f} dB")
            if save_images is not None:
                write_image(save_images / data.benchmark / f"{name}_x{subject.scale}_{subject.model}.png", sr)
            if unfinished is not None:
                unfinished.keep(replace(blank, images=tuple(results.values())))
    known |= _united(team.gathered(results))
    return replace(blank, images=tuple(known[name] for name in data.images))


def _united(parts: Sequence[dict[str, ImageResult]]) -> dict[str, ImageResult]:
    return {name: image for part in parts for name, image in part.items()}


def evaluate(
    models: Sequence[str],
    names: Sequence[str],
    *,
    scale: int,
    results: Path,
    data: Path | None = None,
    weights_file: Path | None = None,
    force: bool = False,
    save_images: Path | None = None,
    team: sharing.Team | None = None,
) -> list[Row]:
    """Measure ``models`` on the benchmarks ``names``, save the records, and return one row per pair.

    A pair whose key is recorded already is not measured again unless ``force`` or ``save_images`` asks for it. A
    benchmark that is not on this machine shows the recorded values, if any. A model without weights is never run.
    ``team``: the processes that share the images of each pair; the first saves. Of a pair that was cut off, only the
    images that are left are measured.
    """
    team = team or sharing.Team()
    root = benchmarks.data_root(data)
    known = team.led(lambda: _store(results, save_images))
    ready = {model: subject(model, scale, weights_file) for model in models}
    rows = []
    for name in names:
        benchmark = benchmarks.find(name, root, scale=scale)
        prepared = prepare(benchmark, scale) if benchmark and any(ready.values()) else None
        _check_same(team, name, prepared, ready.values())
        for note in benchmark.notes(scale) if benchmark and team.leads else ():
            print(note)
        for model, method in ready.items():
            if method is None:
                rows.append(Row(name, model, None, NOT_TRAINED))
            elif prepared is None:
                there = records.find(known, benchmark=name, model=model, scale=scale, weights=method.weights)
                rows.append(Row(name, model, there, recorded(there) if there else NOT_MEASURED))
            else:
                key = key_of(method, prepared)
                there = next((record for record in known if record.key == key and record.benchmark == name), None)
                if there is None or force or save_images is not None:
                    again = force or save_images is not None
                    unfinished = None if again else Unfinished.of(results, records.file_name(name, key))
                    record = measure(method, prepared, save_images, team, unfinished)
                    if team.leads:
                        records.save(results, record)
                        if unfinished is not None:
                            unfinished.discard()
                    rows.append(Row(name, model, record, MEASURED_NOW))
                else:
                    rows.append(Row(name, model, there, recorded(there)))
    return rows


def _store(results: Path, save_images: Path | None) -> list[Evaluation]:
    """What is recorded. Raises UserError when nothing can be written where records or images are to go."""
    known = records.load_all(results)
    records.check_writable(results)
    if save_images is not None:
        check_folder(save_images)
    return known


def _check_same(team: sharing.Team, name: str, prepared: Prepared | None, ready: Iterable[Subject | None]) -> None:
    """Raise UserError when the processes, on several machines perhaps, have other images or weights."""
    own = (prepared.digest if prepared else None, [method.weights if method else None for method in ready])
    if any(one != own for one in team.gathered(own)):
        raise UserError(f"{name}: expected the same images and weights for every process, got different ones")


def recorded(record: Evaluation) -> str:
    """Where and when a record was made, in words."""
    return f"recorded {record.environment['date']} on {record.environment['machine']}"


def recorded_row(known: Sequence[Evaluation], benchmark: str, model: str, scale: int) -> Row:
    """What the ``known`` records say of ``model`` with its shipped weights; the status says why there is none."""
    digest = weights.shipped_digest(model, scale)
    if digest is None and model != BICUBIC:
        return Row(benchmark, model, None, NOT_TRAINED)
    record = records.find(known, benchmark=benchmark, model=model, scale=scale, weights=digest)
    return Row(benchmark, model, record, recorded(record) if record else NOT_MEASURED)


def table(rows: Sequence[Row]) -> str:
    """The rows as a table of means for the terminal; rows without a record say why."""
    cells = []
    for row in rows:
        values: list[str] = [""] * 6
        if row.record:
            values = [str(len(row.record.images))]
            values += [*row.record.cells(), f"{row.record.mean('seconds'):.2f}"]
        cells.append([row.benchmark, row.model, *values, row.status])
    header = ["set", "model", "images", "PSNR Y", "SSIM Y", "PSNR RGB", "SSIM RGB", "s/image", "source"]
    return tabulate(cells, header, disable_numparse=True, colalign=["left"] * 2 + ["right"] * 6 + ["left"])


def parser() -> Parser:
    """The command line."""
    result = Parser(
        prog="python -m replication.evaluate",
        description=(
            "Measure models on benchmarks: PSNR (dB) and SSIM per image, on BT.601 luma (as the literature's tables)\n"
            "and on RGB. LR images are made by MATLAB-compatible bicubic downsampling, a border of SCALE pixels is\n"
            "left out. Every measurement becomes a JSON record; one that is recorded already is shown, not repeated."
        ),
        epilog=(
            "examples:\n"
            "  python -m replication.evaluate                          everything that is here\n"
            "  python -m replication.evaluate --model bicubic smsrn --benchmark Set5 embedded\n"
            "  python -m replication.evaluate --model smsrn --weights runs/smsrn.safetensors --benchmark Set5\n"
            "  torchrun --nproc-per-node 2 -m replication.evaluate     the images shared by two processes\n"
        ),
    )
    result.add_argument(
        "--model",
        nargs="+",
        choices=(*METHODS, *OTHERS),
        default=list(METHODS),
        metavar="NAME",
        help=f"{', '.join(METHODS)} (default: these), or {' or '.join(OTHERS)} with --weights",
    )
    result.add_argument(
        "--benchmark",
        nargs="+",
        choices=(*BENCHMARKS, EMBEDDED),
        help="default: the embedded set and every benchmark that is found or recorded",
    )
    result.add_argument("--scale", type=int, choices=SCALES, default=4, help=scales_in_words("%(default)s"))
    result.add_argument(
        "--weights",
        type=Path,
        metavar="FILE",
        help="weights in place of the shipped ones (one model): .safetensors, or .pt of the public MSRN code",
    )
    result.add_data()
    result.add_results()
    result.add_argument("--force", action="store_true", help="measure again what is recorded already")
    result.add_argument("--save-images", type=Path, metavar="DIR", help="write the upscaled images (measures again)")
    result.add_argument("--threads", type=at_least(1), metavar="N", help="processor threads (default: torch's choice)")
    return result


def main(argv: Sequence[str] | None = None) -> int | None:
    """Run the command line; see `parser`."""
    arguments = parser().parse_args(argv)
    models = list(dict.fromkeys(arguments.model))
    if arguments.weights and (len(models) != 1 or models == [BICUBIC]):
        raise UserError(f"--weights: expected one network with --model, got {' '.join(models)}")
    if arguments.threads is not None:
        torch.set_num_threads(arguments.threads)
    asked = list(dict.fromkeys(arguments.benchmark or (*BENCHMARKS, EMBEDDED)))
    team = sharing.join()
    rows = evaluate(
        models,
        asked,
        scale=arguments.scale,
        results=arguments.results,
        data=arguments.data,
        weights_file=arguments.weights,
        force=arguments.force,
        save_images=arguments.save_images,
        team=team,
    )
    team.dismiss()
    if not team.leads:
        return None
    absent = sorted({row.benchmark for row in rows if row.status == NOT_MEASURED})
    if arguments.benchmark and absent:
        raise UserError(
            f"{', '.join(absent)}: not in the data folder and not recorded; "
            "`python -m replication.data` says where to get it"
        )
    untrained = sorted({row.model for row in rows if row.status == NOT_TRAINED})
    if untrained and models != list(METHODS):
        raise UserError(f"{untrained[0]} x{arguments.scale}: no weights are shipped for it, so that it needs --weights")
    shown = [row for row in rows if row.record]
    print(table(shown))
    for model in untrained:
        print(f"{model} x{arguments.scale}: not trained (no weights are shipped for it), so not measured")
    if absent:
        print(f"not here and not recorded: {', '.join(absent)} (`python -m replication.data` says where to get them)")
    return None


if __name__ == "__main__":
    run(main)
