"""Upscale any picture: in tiles that overlap by the network's receptive field, so that no seam can exist.

A pixel of the result depends on the picture only within the receptive field. Each tile is computed with that much of
its surroundings and cropped, and the true border of the picture is the border of its tile: the tiled result equals that
of the whole picture at once, to float precision, and memory does not grow with the picture beyond the result itself.

**Memory.** Resident memory stays below the sum of: the interpreter with its libraries (0.3 GB); the picture, twice; the
result; `TILE_MEMORY`, while the network runs; and 4 bytes per pixel of the result, while Pillow encodes. PyTorch gives
the network's memory back before that, so that only the larger of the last two counts; the other backends keep it. At x4
a picture of 3840x2160 stays below 2 GiB with 8 bits per channel and below 3 GiB with 16, whatever the backend.

**Alpha and grey.** See `replication.images.alpha`: colours that do not show cannot bleed, alpha goes through the
network as a grey picture (which doubles the work), and grey stays grey.

This module does not need PyTorch until the ``torch`` backend is asked for.
"""

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from math import isqrt
from pathlib import Path
from typing import TypeVar

import numpy as np
import PIL.Image
from numpy.typing import NDArray
from tqdm import tqdm

from replication import sharing
from replication.backends import BACKENDS, backends_in_words, load_network
from replication.batch import DEFAULT_NAME, Naming, Plan, check_pattern, plan, printable
from replication.errors import ArgumentError, Parser, UserError, above_zero, run
from replication.files import check_folder
from replication.images.alpha import upscale_alpha, upscale_colors, visible_colors
from replication.images.animation import Animation, animation, can_hold_frames, frames, write_frames
from replication.images.metadata import Metadata
from replication.images.photo import WRITABLE, Pixels, check_room, check_writable, has_alpha, read_photo, write_photo
from replication.images.resize import imresize_to
from replication.network import DEFAULT_MODEL, Network, scales_in_words

TILE_MEMORY = 2**30
"""Bytes that the network may use for one tile when ``tile`` is not given."""
LARGEST_COST = 4
"""How many times the work of the whole picture its tiles may be: small tiles compute little but their overlap."""

Picture = TypeVar("Picture", Pixels, PIL.Image.Image)


# ---------------------------------------------------------------- tiles


@dataclass(frozen=True)
class Window:
    """One tile along one axis: the network sees [start, stop), and [first, last) of it is kept."""

    start: int
    stop: int
    first: int
    last: int


def windows(size: int, tile: int, radius: int, *, exact: bool = False) -> list[Window]:
    """Cover ``size`` pixels by windows of equal length, at most ``tile``; what is kept of them joins without a gap.

    Everything kept is at least ``radius`` away from any end of its window that is not an end of the picture.
    ``exact``: no window is shorter than ``tile`` (nor than the picture).
    """
    if size <= tile:
        return [Window(0, size, 0, size)]
    count = -(-(size - 2 * radius) // (tile - 2 * radius))
    length = tile if exact else -(-(size - 2 * radius) // count) + 2 * radius  # no longer than needed: equal shares
    starts = [index * (size - length) // (count - 1) for index in range(count)]
    joints = [0, *(start + length - radius for start in starts[:-1]), size]
    return [
        Window(start, start + length, first, last)
        for start, first, last in zip(starts, joints[:-1], joints[1:], strict=True)
    ]


def _tile_shape(height: int, width: int, network: Network, tile: int | None) -> tuple[int, int]:
    """Largest height and width of a tile: ``tile`` squared, or what `TILE_MEMORY` allows, square where it can be.

    A network that takes one size only decides itself.
    """
    smallest = 2 * network.radius + 1
    if network.size is not None:
        if tile is not None:
            raise ArgumentError(
                f"tile: expected none (auto), because this network takes {network.size[0]}x{network.size[1]} pixels "
                f"and no others, got {tile}"
            )
        return network.size
    if tile is not None:
        if tile < smallest:
            raise ArgumentError(
                f"tile: expected at least {smallest} pixels, which is twice the overlap of {network.radius} and one, "
                f"got {tile}"
            )
        return tile, tile
    pixels = max(TILE_MEMORY // network.bytes_per_pixel, smallest**2)
    tile_height = min(height, max(isqrt(pixels), pixels // width))
    return tile_height, max(pixels // tile_height, smallest)


# ---------------------------------------------------------------- pictures


def upscale(
    image: Picture, network: Network | None = None, *, tile: int | None = None, progress: str | None = None
) -> Picture:
    """Upscale a picture by ``network`` (that of `load_network()` unless given, loaded once).

    ``image``: uint8 in 0..255 or uint16 in 0..65535 in any byte order; (H, W) or (H, W, 1) grey, (H, W, 2) grey and
    alpha, (H, W, 3) RGB, or (H, W, 4) RGB and straight alpha; or one of Pillow's. Returns the same kind (in the
    machine's byte order), ``scale`` times larger, rounded and clipped. Grey goes through the network as three equal
    channels and is the mean of the three results. ``tile``: side in pixels of what the network sees at once, overlap
    included; None: as large as `TILE_MEMORY` allows. ``progress``: label of a progress bar over the tiles. Raises
    ArgumentError for another kind of array, for a tile too small for the overlap, and for tiles that would cost more
    than `LARGEST_COST` times the whole picture.

    A network that takes one size only (`Network.size`) gives the same result in tiles of that size; a picture that is
    smaller is continued by its mirror image, which changes the result near the side that is.

    >>> upscale(np.zeros((5, 7, 3), np.uint8)).shape
    (20, 28, 3)
    """
    if isinstance(image, PIL.Image.Image):
        return PIL.Image.fromarray(upscale(_pixels_of(image), network, tile=tile, progress=progress))
    image = np.asarray(image)
    if image.dtype.newbyteorder("=") not in (np.uint8, np.uint16):
        raise ArgumentError(f"upscale: expected uint8 or uint16, got {image.dtype}")
    if 0 in image.shape or not (image.ndim == 2 or (image.ndim == 3 and image.shape[2] in (1, 2, 3, 4))):
        raise ArgumentError(f"upscale: expected non-empty (H, W) or (H, W, 1, 2, 3 or 4), got shape {image.shape}")
    image = image.astype(image.dtype.newbyteorder("="), copy=False)
    network = network or _default_network()
    height, width = image.shape[:2]
    scale = network.scale
    tile_height, tile_width = _tile_shape(height, width, network, tile)
    exact = network.size is not None
    if exact and (height < tile_height or width < tile_width):
        missing = (max(tile_height - height, 0), max(tile_width - width, 0))
        larger = np.pad(image, [(0, missing[0]), (0, missing[1]), (0, 0)][: image.ndim], mode="symmetric")
        return upscale(larger, network, progress=progress)[: scale * height, : scale * width].copy()
    rows = windows(height, tile_height, network.radius, exact=exact)
    columns = windows(width, tile_width, network.radius, exact=exact)
    if tile is not None or exact:
        _check_cost(height, width, rows, columns, network, f"{tile_width}x{tile_height}")
    source, span = image, None
    if has_alpha(image):
        source, span = visible_colors(image), (int(image[..., -1].min()), int(image[..., -1].max()))
    result = np.empty((scale * height, scale * width, *image.shape[2:]), image.dtype)
    with tqdm(total=len(rows) * len(columns), desc=progress, unit="tile", disable=progress is None, leave=False) as bar:
        for row in rows:
            for column in columns:
                part = _upscaled(source[row.start : row.stop, column.start : column.stop], network, span)
                result[scale * row.first : scale * row.last, scale * column.first : scale * column.last] = part[
                    scale * (row.first - row.start) : scale * (row.last - row.start),
                    scale * (column.first - column.start) : scale * (column.last - column.start),
                ]
                bar.update()
    return result


@cache
def _default_network() -> Network:
    return load_network()


def _pixels_of(picture: PIL.Image.Image) -> Pixels:
    """The pixels of one of Pillow's pictures, as grey or RGB, with alpha where it has transparency."""
    if picture.mode.startswith("I;16"):
        return np.array(picture)
    if picture.mode in ("F", "I", "LAB", "HSV"):
        raise ArgumentError(f"upscale: expected a picture of 8 bits per channel or I;16, got mode {picture.mode}")
    mode = "L" if picture.mode in ("1", "L", "LA", "La") else "RGB"
    if picture.has_transparency_data:
        mode = {"L": "LA", "RGB": "RGBA"}[mode]
    return np.array(picture.convert(mode))


def _check_cost(
    height: int, width: int, rows: list[Window], columns: list[Window], network: Network, asked: str
) -> None:
    """Raise ArgumentError when tiles of the asked size would cost far more than the whole picture at once."""
    seen = sum(row.stop - row.start for row in rows) * sum(column.stop - column.start for column in columns)
    cost = seen / (height * width)
    if cost > LARGEST_COST:
        enough = 4 * network.radius
        advice = f"{enough} pixels or more are enough, or auto"
        if network.size is not None:
            advice = f"a network that takes {enough}x{enough} pixels or more is enough, or one that takes any size"
        raise ArgumentError(
            f"tile: {asked} pixels make {len(rows) * len(columns):,} tiles of a picture of "
            f"{width}x{height}, and cost {cost:.0f} times the whole, because each repeats {network.radius} pixels on "
            f"every side; expected {LARGEST_COST} times at most: {advice}"
        )


def _upscaled(image: Pixels, network: Network, span: tuple[int, int] | None) -> Pixels:
    """One tile, border and all; see `upscale`. ``span``: the least and the greatest alpha of the whole picture."""
    highest = np.iinfo(image.dtype).max
    samples = (image.reshape(*image.shape[:2], -1) / np.float32(highest)).astype(np.float32)
    colors, alpha = (samples[..., :-1], samples[..., -1:]) if has_alpha(image) else (samples, None)
    grey = colors.shape[2] == 1
    result = upscale_colors(np.repeat(colors, 3, axis=2) if grey else colors, network.enlarge, network.scale)
    if grey:
        result = result[..., :1]
    if alpha is not None and span is not None:
        lowest, greatest = (value / highest for value in span)
        result = np.dstack([result, upscale_alpha(alpha[..., 0], network.enlarge, network.scale, (lowest, greatest))])
    result = np.clip(np.rint(result * np.float32(highest)), 0, highest).astype(image.dtype)
    return np.asarray(result.reshape(*result.shape[:2], *image.shape[2:]))


@dataclass(frozen=True)
class Size:
    """What a result measures: ``factor`` times the picture, or the largest that fits into ``box`` (width, height).

    Neither: what the network gives. Another size is made of that by `imresize_to`.
    """

    factor: float | None = None
    box: tuple[int, int] | None = None

    def words(self, scale: int) -> str:
        """As part of a name: ``x4`` or ``1920x1080``."""
        if self.box is not None:
            return f"{self.box[0]}x{self.box[1]}"
        return f"x{scale if self.factor is None else self.factor:g}"

    def of(self, height: int, width: int, scale: int) -> tuple[int, int]:
        """Height and width of the result for a picture of ``height`` x ``width``."""
        factor = scale if self.factor is None else self.factor
        if self.box is not None:
            factor = min(self.box[0] / width, self.box[1] / height)
        return max(1, round(height * factor)), max(1, round(width * factor))


@dataclass(frozen=True)
class Options:
    """How every picture of a batch is upscaled and written; ``quiet``: without bars that show how far it is."""

    size: Size = Size()
    tile: int | None = None
    quality: int = 95
    quiet: bool = False
    strip: bool = False


def _resized(pixels: Pixels, height: int, width: int) -> Pixels:
    """``pixels`` in another size, channel by channel, which bounds the memory; rounded and clipped."""
    if pixels.shape[:2] == (height, width):
        return pixels
    highest = np.iinfo(pixels.dtype).max
    planes = pixels.reshape(*pixels.shape[:2], -1)
    result = np.empty((height, width, planes.shape[2]), pixels.dtype)
    for channel in range(planes.shape[2]):
        plane = imresize_to(planes[..., channel].astype(np.float32), height, width)
        result[..., channel] = np.clip(np.rint(plane), 0, highest)
    return result.reshape(height, width, *pixels.shape[2:])


def upscale_file(source: Path, target: Path, network: Network, options: Options | None = None) -> tuple[str, ...]:
    """Upscale one file into another and return what had to be changed on the way, in words.

    What is attached stays, unless ``strip`` is asked for. Raises UserError naming the file that cannot be read or
    written; before the network runs where that can be known. ``target`` is written whole or not at all.
    """
    options = options or Options()
    info = animation(source) if can_hold_frames(target) else None
    if info is not None and options.strip:
        info = replace(info, icc_profile=None, metadata=Metadata())
    if info is not None:
        return _upscale_frames(source, target, network, options, info)
    photo = read_photo(source)
    if options.strip:
        photo = replace(photo, icc_profile=None, metadata=Metadata())
    height, width = photo.pixels.shape[:2]
    new_height, new_width = options.size.of(height, width, network.scale)
    check_room(target, photo.pixels, new_height, new_width)
    check_writable(target, photo)
    with _fits_into_memory(f"{source}: {width}x{height} pixels at x{network.scale}"):
        pixels, notes = photo.pixels, photo.notes
        if new_height > height or new_width > width:
            label = None if options.quiet else printable(source.name)
            pixels = upscale(pixels, network, tile=options.tile, progress=label)
        else:
            notes = (*notes, "no larger than it was: resized without the network")
        pixels = _resized(pixels, new_height, new_width)
        notes += write_photo(target, replace(photo, pixels=pixels), quality=options.quality)
    return notes


@contextmanager
def _fits_into_memory(what: str) -> Iterator[None]:
    """Raise UserError for ``what`` when memory runs out."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "alloc" not in str(error):  # PyTorch's way to say so
            raise
        raise UserError(f"{what} do not fit into memory") from error


def _upscale_frames(source: Path, target: Path, network: Network, options: Options, info: Animation) -> tuple[str, ...]:
    """Upscale an animation frame by frame; see `upscale_file`."""
    height, width = options.size.of(info.height, info.width, network.scale)
    check_room(target, np.zeros((1, 1, 4 * len(info)), np.uint8), height, width)

    def upscaled() -> Iterator[NDArray[np.uint8]]:
        label = None if options.quiet else printable(source.name)
        for frame in tqdm(
            frames(source), desc=label, total=len(info), unit="frame", disable=label is None, leave=False
        ):
            larger = height > info.height or width > info.width
            opaque = frame[..., 3].min() == 255
            pixels = frame[..., :3] if opaque else frame
            result = _resized(upscale(pixels, network, tile=options.tile) if larger else pixels, height, width)
            yield np.dstack([result, np.full((height, width), 255, np.uint8)]) if opaque else result

    with _fits_into_memory(f"{source}: {len(info)} frames of {width}x{height}"):
        notes = write_frames(target, upscaled(), info, quality=options.quality)
    return (f"{len(info)} frames", *info.notes, *notes)


# ---------------------------------------------------------------- command


def parser() -> Parser:
    """The command line."""
    result = Parser(
        prog="python -m replication.upscale",
        description=(
            "Upscale pictures of any kind: grey, colour, palette, transparency, 8 or 16 bits, CMYK. Orientation is\n"
            "applied; colour profile, EXIF, resolution and text stay. Animations stay so in PNG, WebP and GIF.\n"
            "Large pictures are computed in overlapping tiles without seams.\n"
            "A picture that cannot be used is one line, and the others go on; the exit status is then 1 (2 if it was\n"
            "the only one given). PNG and TIFF are lossless."
        ),
        epilog=(
            "examples:\n"
            "  python -m replication.upscale photo.jpg                      makes photo_x4.png beside it\n"
            "  python -m replication.upscale photo.jpg -o large.tif\n"
            "  python -m replication.upscale holiday/ -o holiday_large/     every picture in the folder\n"
            "  python -m replication.upscale holiday/ -r -o large/ --format jpg --quality 90\n"
            "  python -m replication.upscale photo.jpg --to 1920x1080       the largest that fits into that\n"
            "  python -m replication.upscale - < photo.jpg > large.png      standard input and output\n"
            "  python -m replication.upscale photo.jpg --backend onnxruntime     exports the network once\n"
            "  python -m replication.upscale photo.jpg --backend onnxruntime --weights smsrn_x4.onnx\n"
            "  torchrun --nproc-per-node 2 -m replication.upscale holiday/ -o large/     shared by two processes\n"
        ),
    )
    result.add_argument("picture", nargs="+", type=Path, help="files or folders, or - for standard input")
    result.add_argument(
        "-o", "--output", type=Path, metavar="PATH",
        help="file or folder, or - for standard output (default: beside each picture; for standard input, -)",
    )  # fmt: skip
    result.add_argument("-r", "--recursive", action="store_true", help="look into folders below, and mirror them")
    result.add_argument("--format", choices=[name.removeprefix(".") for name in WRITABLE], help="default: png")
    result.add_argument(
        "--quality", type=int, metavar="N", default=95, help="of JPEG and WebP, 1 to 100 (default: %(default)s)"
    )
    result.add_argument(
        "--name", metavar="PATTERN", default=DEFAULT_NAME,
        help="of results, without the ending; fields: {name}, {suffix} of the picture, {size} (default: %(default)s)",
    )  # fmt: skip
    size = result.add_mutually_exclusive_group()
    size.add_argument(
        "--factor", type=above_zero(64), metavar="F",
        help="any factor: the network's result, resized by exact bicubic interpolation (default: the network's)",
    )  # fmt: skip
    size.add_argument("--to", type=_box, metavar="WxH", help="the largest size that fits into W x H pixels, likewise")
    result.add_argument("--model", metavar="NAME", help=f"smsrn or msrn (default: {DEFAULT_MODEL}, or what FILE holds)")
    result.add_argument("--scale", type=int, metavar="N", help=f"of the network: {scales_in_words()}")
    result.add_argument(
        "--weights",
        type=Path,
        metavar="FILE",
        help=(
            ".safetensors, .pt of the public MSRN code, or .onnx for the other backends (see replication.export); "
            "default: the shipped ones"
        ),
    )
    result.add_argument("--backend", choices=list(BACKENDS), default="torch", help=backends_in_words())
    result.add_argument(
        "--tile",
        type=_tile,
        metavar="auto|N",
        default="auto",
        help=(
            f"side of a tile in pixels, or what fits {TILE_MEMORY / 2**30:g} GiB (default: %(default)s). Tiles overlap "
            f"by 36 pixels on every side, so those below 144 cost more than {LARGEST_COST} times the whole of a large "
            "picture and are refused"
        ),
    )
    result.add_argument("--force", action="store_true", help="replace results that exist (never a picture given)")
    result.add_argument(
        "--strip", action="store_true", help="leave out EXIF, resolution, text, colour profile: all but the pixels"
    )
    result.add_argument("-q", "--quiet", action="store_true", help="say nothing but what went wrong")
    result.add_argument("--threads", type=int, metavar="N", help="processor threads (default: the backend's choice)")
    return result


def _tile(text: str) -> int | None:
    if text == "auto":
        return None
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected auto or a number of pixels, got {text!r}") from None


def _box(text: str) -> tuple[int, int]:
    width, _, height = text.lower().partition("x")
    if not (width.isdecimal() and height.isdecimal() and int(width) and int(height)):
        raise argparse.ArgumentTypeError(f"expected width and height in pixels, such as 1920x1080, got {text!r}")
    return int(width), int(height)


STANDARD = Path("-")


def main(argv: Sequence[str] | None = None) -> int | None:
    """Run the command line; see `parser`."""
    arguments = parser().parse_args(argv)
    team = sharing.join()
    piped = STANDARD in arguments.picture or arguments.output == STANDARD
    team.led(lambda: _check(arguments, piped=piped, processes=team.size))
    network = load_network(
        arguments.model,
        scale=arguments.scale,
        weights_file=arguments.weights,
        backend=arguments.backend,
        threads=arguments.threads,
    )
    _tile_shape(1, 1, network, arguments.tile)  # a tile too small for the overlap is no picture's fault
    size = Size(arguments.factor, arguments.to)
    quiet = arguments.quiet or not team.leads  # one bar, of the first process's share
    options = Options(size, arguments.tile, arguments.quality, quiet, arguments.strip)
    suffix = f".{arguments.format or 'png'}"
    naming = Naming(size.words(network.scale), arguments.name, suffix)
    if piped:
        _upscale_piped(arguments.picture[0], arguments.output, naming, network, options, force=arguments.force)
        return None
    todo = team.led(lambda: _planned(arguments, naming))
    if team.leads:
        for line in () if arguments.quiet else todo.left_out:
            print(printable(line))
        for line in todo.problems:
            print(f"error: {printable(line)}", file=sys.stderr)
    counts = _run(todo, team.share(todo.pairs), network, options, force=arguments.force, lines=not arguments.quiet)
    sys.stdout.flush()
    counts = sum(team.gathered(counts), Counter())
    failed = counts["failed"] + len(todo.problems)
    if todo.batch and team.leads and not arguments.quiet:
        summary = f"{counts['done']} of {len(todo.pairs) + len(todo.problems)} pictures upscaled"
        summary += f"; {counts['existing']} had a result already (--force replaces it)" if counts["existing"] else ""
        print(summary + (f"; {failed} failed, see above" if failed else ""), flush=True)
    team.dismiss()
    return 1 if failed else None


def _check(arguments: argparse.Namespace, *, piped: bool, processes: int) -> None:
    """Raise UserError for what can be known to be wrong before the network is loaded."""
    if not 1 <= arguments.quality <= 100:
        raise UserError(f"--quality: expected 1 to 100, got {arguments.quality}")
    if piped:
        check_pattern(arguments.name, batch=False)
    if piped and len(arguments.picture) > 1:
        raise UserError("-: expected one picture from standard input or to standard output")
    _check_streams(arguments)
    if piped and processes > 1:
        raise UserError(f"-: expected one process for standard input and output, got {processes}")
    for source in arguments.picture[: 1 if len(arguments.picture) == 1 else 0]:
        if source != STANDARD and not source.exists():
            raise UserError(f"cannot read the image {source}: no such file or folder")
    if piped and arguments.output not in (None, STANDARD) and not arguments.output.is_dir():
        _check_ending(arguments.output, arguments.format)
    if arguments.output not in (None, STANDARD):
        check_folder(arguments.output if arguments.output.is_dir() else arguments.output.parent)


def _check_streams(arguments: argparse.Namespace) -> None:
    """Raise UserError for a ``-`` that stands for a closed stream (``<&-`` or ``>&-`` in a shell)."""
    reads = STANDARD in arguments.picture
    writes = arguments.output == STANDARD or (reads and arguments.output is None)
    for wanted, stream, name in ((reads, sys.__stdin__, "input"), (writes, sys.__stdout__, "output")):
        if wanted and stream is None:
            raise UserError(f"-: standard {name} is closed")


def _planned(arguments: argparse.Namespace, naming: Naming) -> Plan:
    todo = plan(arguments.picture, arguments.output, naming, recursive=arguments.recursive)
    if not todo.batch:
        _check_ending(todo.pairs[0][1], arguments.format)
    return todo


def _check_ending(target: Path, wanted: str | None) -> None:
    if wanted and target.suffix.lower() != f".{wanted}":
        raise UserError(f"{target}: its ending contradicts --format {wanted}")


def _run(
    todo: Plan, pairs: list[tuple[Path, Path]], network: Network, options: Options, *, force: bool, lines: bool
) -> Counter[str]:
    """Upscale ``pairs`` one after another; of a batch, whatever is wrong with one is a line, and the others go on.

    Returns how many are done, have a result ("existing") or failed. ``lines``: whether a line is printed for each that
    is done.
    """
    counts = Counter[str]()
    with tqdm(total=len(pairs), unit="picture", disable=options.quiet or not todo.batch) as bar:
        for source, target in pairs:
            try:
                if target.exists() and not force:
                    if not todo.batch:
                        raise UserError(f"{target} exists already: --force replaces it")
                    counts["existing"] += 1
                    continue
                notes = upscale_file(source, target, network, options)
            except Exception as error:
                if not todo.batch:
                    raise
                counts["failed"] += 1
                words = str(error) if isinstance(error, UserError) else f"{source}: {type(error).__name__}: {error}"
                tqdm.write(f"error: {printable(words)}", file=sys.stderr)
            else:
                counts["done"] += 1
                if lines:
                    line = f"{source} -> {target}" + "".join(f" ({note})" for note in notes)
                    tqdm.write(printable(line), file=sys.stdout)
            finally:
                bar.update()
    return counts


def _upscale_piped(
    source: Path, output: Path | None, naming: Naming, network: Network, options: Options, *, force: bool
) -> None:
    """Upscale one picture from standard input, to standard output, or both; nothing is written before it is done."""
    with tempfile.TemporaryDirectory() as folder:
        read, written = source, Path(folder, f"result{naming.suffix}")
        if source == STANDARD:
            read = Path(folder, "standard input")
            read.write_bytes(sys.stdin.buffer.read())
        if output not in (None, STANDARD):
            assert output is not None
            written = output / naming.name_of(Path("standard_input")) if output.is_dir() else output
            if written.exists() and not force:
                raise UserError(f"{written} exists already: --force replaces it")
        try:
            notes = upscale_file(read, written, network, options)
        except UserError as error:
            raise UserError(str(error).replace(f"{folder}/", "").replace(f"{folder}\\", "")) from error
        if notes and not options.quiet:
            print(printable(f"{read.name}: {'; '.join(notes)}"), file=sys.stderr)
        if output in (None, STANDARD):
            sys.stdout.buffer.write(written.read_bytes())
            sys.stdout.buffer.flush()


if __name__ == "__main__":
    run(main)
