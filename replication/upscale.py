"""Upscale any picture: in tiles that overlap by the network's receptive field, so that no seam can exist.

A pixel of the result depends on the picture only within the receptive field. Each tile is computed with that much of
its surroundings and cropped, and the true border of the picture is the border of its tile: the tiled result equals that
of the whole picture at once, to float precision, and memory does not grow with the picture beyond the result itself.

**Memory.** Resident memory stays below the sum of: the interpreter with its libraries (0.3 GB); the picture, twice; the
result; `TILE_MEMORY`, while the network runs; and 4 bytes per pixel of the result, while Pillow encodes. PyTorch gives
the network's memory back before that, so that only the larger of the last two counts; the other backends keep it. At x4
a picture of 3840x2160 stays below 2 GiB with 8 bits per channel and below 3 GiB with 16, whatever the backend.

**Alpha.** The network upscales the colours, bicubic interpolation the alpha channel: the network is trained on
photographs, and on a matte it would sharpen what is soft on purpose. The colours of pixels that are wholly transparent
are arbitrary, often black; before upscaling they are replaced by those of the nearest pixel that shows, or they
would bleed into the visible edge as a dark fringe.

This module does not need PyTorch until the ``torch`` backend is asked for.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isqrt
from pathlib import Path

import numpy as np
from scipy.ndimage import distance_transform_edt
from tqdm import tqdm

from replication.backends import BACKENDS, load_network
from replication.errors import Parser, UserError, run
from replication.images.photo import SUFFIXES, Pixels, check_writable, has_alpha, kind_of, read_photo, write_photo
from replication.images.resize import imresize
from replication.network import DEFAULT_MODEL, DEFAULT_SCALE, Network

TILE_MEMORY = 2**30
"""Bytes that the network may use for one tile when ``tile`` is not given."""


# ---------------------------------------------------------------- tiles


@dataclass(frozen=True)
class Window:
    """One tile along one axis: the network sees [start, stop), and [first, last) of it is kept."""

    start: int
    stop: int
    first: int
    last: int


def windows(size: int, tile: int, radius: int) -> list[Window]:
    """Cover ``size`` pixels by windows of equal length, at most ``tile``; what is kept of them joins without a gap.

    Everything kept is at least ``radius`` away from any end of its window that is not an end of the picture.
    """
    if size <= tile:
        return [Window(0, size, 0, size)]
    count = -(-(size - 2 * radius) // (tile - 2 * radius))
    length = -(-(size - 2 * radius) // count) + 2 * radius  # no longer than needed: equal shares
    starts = [index * (size - length) // (count - 1) for index in range(count)]
    joints = [0, *(start + length - radius for start in starts[:-1]), size]
    return [
        Window(start, start + length, first, last)
        for start, first, last in zip(starts, joints[:-1], joints[1:], strict=True)
    ]


def _tile_shape(height: int, width: int, network: Network, tile: int | None) -> tuple[int, int]:
    """Largest height and width of a tile: ``tile`` squared, or what `TILE_MEMORY` allows, square where it can be."""
    smallest = 2 * network.radius + 1
    if tile is not None:
        if tile < smallest:
            raise UserError(
                f"tile: expected at least {smallest} pixels, which is twice the overlap of {network.radius} and one, "
                f"got {tile}"
            )
        return tile, tile
    pixels = max(TILE_MEMORY // network.bytes_per_pixel, smallest**2)
    tile_height = min(height, max(isqrt(pixels), pixels // width))
    return tile_height, max(pixels // tile_height, smallest)


# ---------------------------------------------------------------- pictures


def upscale(
    image: Pixels, network: Network | None = None, *, tile: int | None = None, progress: str | None = None
) -> Pixels:
    """Upscale a picture by ``network`` (`load_network()` unless given).

    ``image``: uint8 in 0..255 or uint16 in 0..65535; (H, W) grey, (H, W, 2) grey and alpha, (H, W, 3) RGB, or
    (H, W, 4) RGB and straight alpha. Returns the same kind, ``scale`` times larger, rounded and clipped. Grey goes
    through the network as three equal channels and is the mean of the three results. ``tile``: side in pixels of what
    the network sees at once, overlap included; None: as large as `TILE_MEMORY` allows. ``progress``: label of a
    progress bar over the tiles. Raises UserError for another kind of array and for a tile too small for the overlap.

    >>> upscale(np.zeros((5, 7, 3), np.uint8)).shape
    (20, 28, 3)
    """
    if image.dtype not in (np.uint8, np.uint16):
        raise UserError(f"upscale: expected uint8 or uint16, got {image.dtype}")
    if 0 in image.shape or not (image.ndim == 2 or (image.ndim == 3 and image.shape[2] in (2, 3, 4))):
        raise UserError(f"upscale: expected non-empty (H, W) or (H, W, 2, 3 or 4), got shape {image.shape}")
    network = network or load_network()
    height, width = image.shape[:2]
    scale = network.scale
    tile_height, tile_width = _tile_shape(height, width, network, tile)
    rows = windows(height, tile_height, network.radius)
    columns = windows(width, tile_width, network.radius)
    source = _without_hidden_colors(image) if has_alpha(image) else image
    result = np.empty((scale * height, scale * width, *image.shape[2:]), image.dtype)
    with tqdm(total=len(rows) * len(columns), desc=progress, unit="tile", disable=progress is None) as bar:
        for row in rows:
            for column in columns:
                part = _upscaled(source[row.start : row.stop, column.start : column.stop], network)
                result[scale * row.first : scale * row.last, scale * column.first : scale * column.last] = part[
                    scale * (row.first - row.start) : scale * (row.last - row.start),
                    scale * (column.first - column.start) : scale * (column.last - column.start),
                ]
                bar.update()
    return result


def _upscaled(image: Pixels, network: Network) -> Pixels:
    """One tile, border and all; see `upscale`."""
    highest = np.iinfo(image.dtype).max
    samples = (image.reshape(*image.shape[:2], -1) / np.float32(highest)).astype(np.float32)
    colors, alpha = (samples[..., :-1], samples[..., -1:]) if has_alpha(image) else (samples, None)
    grey = colors.shape[2] == 1
    pixels = np.repeat(colors, 3, axis=2) if grey else colors
    output = network.run(np.ascontiguousarray(pixels.transpose(2, 0, 1)[None]))[0]
    parts = [output.mean(0, keepdims=True) if grey else output]
    if alpha is not None:
        parts.append(imresize(alpha, network.scale).transpose(2, 0, 1))
    result = np.concatenate(parts) if len(parts) > 1 else parts[0]
    result = np.clip(np.rint(result * np.float32(highest)), 0, highest).astype(image.dtype)
    return result.transpose(1, 2, 0).reshape(*result.shape[1:], *image.shape[2:])


def _without_hidden_colors(image: Pixels) -> Pixels:
    """Give wholly transparent pixels the colour of the nearest one that shows (any, if none does)."""
    hidden = image[..., -1] == 0
    if not hidden.any() or hidden.all():
        return image
    nearest = distance_transform_edt(hidden, return_distances=False, return_indices=True)
    filled = image.copy()
    filled[hidden, :-1] = image[*nearest[:, hidden], :-1]
    return filled


# ---------------------------------------------------------------- command


def upscale_file(source: Path, target: Path, network: Network, *, tile: int | None = None) -> tuple[str, ...]:
    """Upscale one file into another and return what had to be changed on the way, in words.

    The colour profile is kept. Raises UserError naming the file that cannot be read or written; before the network
    runs where that can be known. ``target`` is written whole or not at all.
    """
    photo = read_photo(source)
    check_writable(target, photo, scale=network.scale)
    try:
        pixels = upscale(photo.pixels, network, tile=tile, progress=source.name)
        write_photo(target, replace(photo, pixels=pixels))
    except MemoryError as error:
        height, width = photo.pixels.shape[:2]
        raise UserError(f"{source}: {width}x{height} pixels at x{network.scale} do not fit into memory") from error
    return photo.notes


@dataclass(frozen=True)
class Plan:
    """What to do: pairs of source and target, and what was seen in a folder and left out, in words."""

    pairs: list[tuple[Path, Path]]
    left_out: list[str]
    batch: bool


def plan(sources: Sequence[Path], output: Path | None, scale: int) -> Plan:
    """Find the pictures in ``sources`` (files and folders) and name their targets.

    A target is ``output`` when that is a file's name and there is one source, else ``<name>_x<scale>.png`` in the
    folder ``output`` or beside its source. Of a folder, files whose names end in ``_x<scale>`` are left out: results of
    an earlier run. Raises UserError for a source that does not exist, for no pictures at all, and for two pictures with
    one target.
    """
    batch = len(sources) > 1 or sources[0].is_dir()
    into_file = output is not None and not output.is_dir() and output.suffix != ""
    if into_file and output is not None:
        if batch:
            raise UserError(f"{output}: expected a folder for several pictures, got the name of a file")
        kind_of(output)
    files, left_out = _pictures(sources, f"_x{scale}")
    pairs: list[tuple[Path, Path]] = []
    taken: dict[Path, Path] = {}
    for file in files:
        target = (output if output and not into_file else file.parent) / f"{file.stem}_x{scale}.png"
        if into_file and output is not None:
            target = output
        if target in taken:
            raise UserError(f"{taken[target]} and {file} would both become {target}: give them one at a time")
        taken[target] = file
        pairs.append((file, target))
    return Plan(pairs, left_out, batch)


def _pictures(sources: Sequence[Path], result_ending: str) -> tuple[list[Path], list[str]]:
    """The picture files that ``sources`` stand for, and what was left out of folders, in words."""
    files: list[Path] = []
    left_out = []
    for source in dict.fromkeys(sources):
        if not source.is_dir():
            files.append(source)
            continue
        inside = sorted(path for path in source.iterdir() if path.is_file() and not path.name.startswith("."))
        pictures = [path for path in inside if path.suffix.lower() in SUFFIXES]
        found = [path for path in pictures if not path.stem.endswith(result_ending)]
        if not found:
            raise UserError(f"{source}: expected a folder with pictures, found none among {len(inside)} files")
        files += found
        for count, what in (
            (len(inside) - len(pictures), "not named as a picture"),
            (len(pictures) - len(found), f"named as a result ({result_ending})"),
        ):
            if count:
                left_out.append(f"{source}: left out {count} file{'s' if count > 1 else ''} {what}")
    return list(dict.fromkeys(files)), left_out


def parser() -> Parser:
    """The command line."""
    result = Parser(
        prog="python -m replication.upscale",
        description=(
            "Upscale pictures of any kind: grey, colour, palette, transparency, 8 or 16 bits, CMYK. Orientation is\n"
            "applied and the colour profile kept. Large pictures are computed in overlapping tiles without seams.\n"
            "A picture that cannot be used is one line, and the others go on; the exit status is then 1 (2 if it was\n"
            "the only one given). JPEG and WebP are written at quality 95; PNG and TIFF are lossless."
        ),
        epilog=(
            "examples:\n"
            "  python -m replication.upscale photo.jpg                      makes photo_x4.png beside it\n"
            "  python -m replication.upscale photo.jpg -o large.tif\n"
            "  python -m replication.upscale holiday/ -o holiday_large/     every picture in the folder\n"
            "  python -m replication.upscale photo.jpg --backend onnxruntime     exports the network for the occasion\n"
            "  python -m replication.upscale photo.jpg --backend onnxruntime --weights smsrn_x4.onnx\n"
        ),
    )
    result.add_argument("picture", nargs="+", type=Path, help="files or folders (not searched below their first level)")
    result.add_argument(
        "-o", "--output", type=Path, metavar="PATH", help="file or folder (default: <name>_x<scale>.png beside each)"
    )
    result.add_argument("--model", metavar="NAME", help=f"smsrn or msrn (default: {DEFAULT_MODEL}, or what FILE holds)")
    result.add_argument(
        "--scale", type=int, metavar="N", help=f"2, 3, 4 or 8 (default: {DEFAULT_SCALE}, or what FILE holds)"
    )
    result.add_argument(
        "--weights",
        type=Path,
        metavar="FILE",
        help=".safetensors, or .onnx for the other backends (see replication.export); default: the shipped ones",
    )
    result.add_argument("--backend", choices=list(BACKENDS), default="torch", help="default: %(default)s")
    result.add_argument(
        "--tile",
        type=_tile,
        metavar="auto|N",
        default="auto",
        help=f"side of a tile in pixels, or what fits {TILE_MEMORY / 2**30:g} GiB (default: %(default)s)",
    )
    result.add_argument("--force", action="store_true", help="replace results that exist")
    result.add_argument("--threads", type=int, metavar="N", help="processor threads (default: the backend's choice)")
    return result


def _tile(text: str) -> int | None:
    if text == "auto":
        return None
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected auto or a number of pixels, got {text!r}") from None


def main(argv: Sequence[str] | None = None) -> int | None:
    """Run the command line; see `parser`."""
    arguments = parser().parse_args(argv)
    network = load_network(
        arguments.model,
        scale=arguments.scale,
        weights_file=arguments.weights,
        backend=arguments.backend,
        threads=arguments.threads,
    )
    _tile_shape(1, 1, network, arguments.tile)  # a tile too small for the overlap is no picture's fault
    todo = plan(arguments.picture, arguments.output, network.scale)
    for line in todo.left_out:
        print(line)
    done, existing, failed = 0, 0, 0
    for source, target in todo.pairs:
        try:
            if target.exists() and not arguments.force:
                if not todo.batch:
                    raise UserError(f"{target} exists already: --force replaces it")
                existing += 1
                continue
            notes = upscale_file(source, target, network, tile=arguments.tile)
        except UserError as error:
            if not todo.batch:
                raise
            failed += 1
            print(f"error: {error}", file=sys.stderr)
        else:
            done += 1
            print(f"{source} -> {target}" + "".join(f" ({note})" for note in notes))
    if todo.batch:
        summary = f"{done} of {len(todo.pairs)} pictures upscaled"
        summary += f"; {existing} had a result already (--force replaces it)" if existing else ""
        print(summary + (f"; {failed} failed, see above" if failed else ""))
    return 1 if failed else None


if __name__ == "__main__":
    run(main)
