"""A page on this machine alone: drop a picture, compare it with bicubic interpolation by a slider, download the result.

It is served on the loopback address, and nothing of it is fetched from or sent to anywhere else: Gradio's statistics,
version check and web fonts are off. The result is the file that `replication.upscale` writes; of a large one the page
shows the middle at full resolution.
"""

import os
import tempfile
import threading
from collections.abc import Callable, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from replication.backends import BACKENDS, load_network
from replication.data import benchmarks
from replication.errors import Parser, UserError, run
from replication.images.animation import animation
from replication.images.photo import Pixels, has_alpha, read_photo
from replication.images.resize import imresize
from replication.models import MODELS
from replication.network import DEFAULT_MODEL, Network, extra
from replication.upscale import upscale_file

ADDRESS = "127.0.0.1"
MOST_PIXELS = 4_000_000
"""Of a picture, all frames together: about a minute of work for SMSRN on two cores."""
MOST_BYTES = 100_000_000
"""Of a file."""
SHOWN = 400
"""Side in pixels of the part of a picture that the page shows; what it shows is ``scale`` times larger."""
REACH = 4
"""Pixels around a part that its bicubic interpolation needs, and more."""
WHITE = 255


def middle(size: int) -> slice:
    """The middle of ``size`` pixels, at most `SHOWN` of them."""
    start = max(0, (size - SHOWN) // 2)
    return slice(start, start + min(size, SHOWN))


def as_shown(pixels: Pixels) -> NDArray[np.uint8]:
    """Pixels of any kind (`replication.images.photo`) as RGB of 8 bits, (H, W, 3), on white where transparent."""
    samples = pixels.reshape(*pixels.shape[:2], -1) / np.float32(np.iinfo(pixels.dtype).max)
    if has_alpha(pixels):
        alpha = samples[..., -1:]
        samples = samples[..., :-1] * alpha + 1 - alpha
    if samples.shape[2] == 1:
        samples = samples.repeat(3, axis=2)
    return np.asarray(np.rint(WHITE * samples), np.uint8)


def compared(source: Path, result: Path, scale: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The middle of a picture enlarged by bicubic interpolation, and the same part of ``result``: RGB of 8 bits."""
    before, after = read_photo(source).pixels, read_photo(result).pixels
    rows, columns = middle(before.shape[0]), middle(before.shape[1])
    top, left = max(0, rows.start - REACH), max(0, columns.start - REACH)
    part = as_shown(before[top : rows.stop + REACH, left : columns.stop + REACH])
    larger = imresize(part, scale)[scale * (rows.start - top) :, scale * (columns.start - left) :]
    shown = as_shown(
        after[scale * rows.start : scale * rows.stop, scale * columns.start : scale * columns.stop],
    )
    return np.asarray(larger[: shown.shape[0], : shown.shape[1]], np.uint8), shown


def check_size(source: Path) -> None:
    """Raise UserError for a picture that is too large for a page to wait for."""
    info = animation(source)
    height, width = (info.height, info.width) if info else read_photo(source).pixels.shape[:2]
    frames = len(info) if info else 1
    if frames * height * width > MOST_PIXELS:
        words = f"{frames} frames of {width}x{height}" if info else f"{width}x{height}"
        raise UserError(
            f"{source.name}: expected at most {MOST_PIXELS / 1e6:g} megapixels here, got {words}; "
            "python -m replication.upscale takes any size"
        )


def enlarge(
    source: Path, network: Network, folder: Path
) -> tuple[tuple[NDArray[np.uint8], NDArray[np.uint8]], Path, str]:
    """Upscale a picture into a new folder below ``folder``: what to compare, the file, and a line about it.

    Raises UserError for a picture that cannot be read, and for one of more than `MOST_PIXELS`.
    """
    check_size(source)
    target = Path(tempfile.mkdtemp(dir=folder), f"{source.stem}_x{network.scale}.png")
    notes = upscale_file(source, target, network)
    pair = compared(source, target, network.scale)
    height, width = read_photo(target).pixels.shape[:2]
    line = f"{target.name}: {width}x{height} pixels"
    if pair[1].shape[:2] != (height, width):
        line += f", of which the middle {pair[1].shape[1]}x{pair[1].shape[0]} are shown"
    return pair, target, "; ".join((line, *notes))


def installed_backends() -> list[str]:
    """The backends whose packages are here."""
    return [name for name in BACKENDS if find_spec(name) is not None]


def gradio_alone(uploads: Path) -> Any:
    """Gradio, imported so that it reports to nobody. Raises MissingPackageError when it is not installed."""
    os.environ.update(GRADIO_ANALYTICS_ENABLED="False", HF_HUB_OFFLINE="1", GRADIO_TEMP_DIR=str(uploads))
    return extra("gradio", "demo")


def page(gradio: Any, folder: Path, load: Callable[[str, str], Network]) -> Any:
    """The page. ``folder``: where results are written; ``load``: makes a network of a model and a backend."""

    def upscaled(
        file: str | None,
        model: str,
        backend: str,
        progress: Any = gradio.Progress(track_tqdm=True),  # noqa: B008
    ) -> tuple[Any, ...]:
        try:
            if file is None:
                raise UserError("expected a picture, got none: drop one, or choose an example")
            pair, result, line = enlarge(Path(file), load(model, backend), folder)
        except UserError as error:
            words = str(error).replace(f"{Path(file).parent}{os.sep}", "") if file else str(error)
            raise gradio.Error(words, duration=None, print_exception=False) from error
        return pair, gradio.update(value=str(result), interactive=True), line

    with gradio.Blocks(title="SMSRN", analytics_enabled=False) as blocks:
        gradio.Markdown("# SMSRN: four times larger\nLeft of the line: bicubic interpolation. Right: the network.")
        with gradio.Row():
            with gradio.Column(scale=1):
                file = gradio.File(label="Picture", type="filepath", elem_id="picture")
                model = gradio.Dropdown(list(MODELS), value=DEFAULT_MODEL, label="Model")
                backend = gradio.Dropdown(installed_backends(), value=BACKENDS[0], label="Backend")
                button = gradio.Button("Enlarge", variant="primary", elem_id="enlarge")
                paths = [str(image.path) for image in benchmarks.embedded().images]
                gradio.Examples(paths, inputs=file, label="Examples: photographs of scikit-image")
            with gradio.Column(scale=3):
                slider = gradio.ImageSlider(
                    label="Bicubic | network", format="png", elem_id="slider", max_height=800, buttons=["fullscreen"]
                )
                line = gradio.Textbox(label="Result", interactive=False, elem_id="line")
                download = gradio.DownloadButton("Download", interactive=False, elem_id="download")
        button.click(upscaled, [file, model, backend], [slider, download, line], api_name=False)
    return blocks


def serve(port: int | None, threads: int | None) -> None:
    """Show the page until Ctrl-C. ``port``: None: the first free one from 7860."""

    @cache
    def load(model: str, backend: str) -> Network:
        return load_network(model, backend=backend, threads=threads)

    with tempfile.TemporaryDirectory() as folder:
        gradio = gradio_alone(Path(folder, "uploads"))
        blocks = page(gradio, Path(folder), load)
        # Fonts of the system: the usual ones are fetched from elsewhere.
        theme = gradio.themes.Default(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"])
        load(DEFAULT_MODEL, BACKENDS[0])
        try:
            _, url, _ = blocks.launch(
                server_name=ADDRESS,
                server_port=port,
                share=False,
                quiet=True,
                ssr_mode=False,
                prevent_thread_lock=True,
                allowed_paths=[folder],
                max_file_size=MOST_BYTES,
                footer_links=[],
                theme=theme,
            )
        except OSError as error:
            raise UserError(f"cannot listen on {ADDRESS}, port {port or '7860 to 7959'}: {error}") from error
        print(f"{url} is ready for a browser on this machine; Ctrl-C ends it", flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            print("ended")
        finally:
            blocks.close(verbose=False)


def parser() -> Parser:
    """The command line."""
    result = Parser(
        prog="python -m replication.demo",
        description=(
            "A page on this machine alone: drop a picture, compare it with bicubic interpolation by a slider, choose\n"
            'model and backend, take the result. Needs Gradio: python -m pip install ".[demo]"'
        ),
        epilog="example:\n  python -m replication.demo --port 8000\n",
    )
    result.add_argument("--port", type=int, metavar="N", help="default: the first free one from 7860")
    result.add_argument("--threads", type=int, metavar="N", help="processor threads (default: the backend's choice)")
    return result


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line; see `parser`."""
    arguments = parser().parse_args(argv)
    if arguments.port is not None and not 1 <= arguments.port <= 65535:
        raise UserError(f"--port: expected 1 to 65535, got {arguments.port}")
    serve(arguments.port, arguments.threads)


if __name__ == "__main__":
    run(main)
