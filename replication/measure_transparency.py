"""Measure upscaled transparency against what was drawn at the larger size, and compare other methods.

Shapes are drawn by supersampling at the larger size and averaged to the smaller one, premultiplied, as a renderer
would; pixels that show nothing are black. Each result is laid on white, black and a colour. The error is the root mean
square difference to the drawing laid on the same, in grey levels of 255.
"""

import json
from collections.abc import Callable, Sequence

import numpy as np
import skimage.data
from numpy.typing import NDArray

from replication.errors import Parser, run
from replication.files import write_text
from replication.images.alpha import upscale_alpha, upscale_colors
from replication.images.resize import imresize
from replication.network import DEFAULT_SCALE, Network, torch_network, trained
from replication.upscale import upscale

Array = NDArray[np.floating]
Method = Callable[[NDArray[np.uint8], Network], Array]

SIDE = 40
"""Of the small pictures, in pixels."""
FINER = 8
"""Samples per pixel of the larger picture, along each axis."""
BACKGROUNDS = {"white": (1.0, 1.0, 1.0), "black": (0.0, 0.0, 0.0), "colour": (0.1, 0.5, 0.8)}


def _radius(y: Array, x: Array) -> Array:
    return np.asarray(np.hypot(y - 0.5, x - 0.5))


SHAPES: dict[str, Callable[[Array, Array], Array]] = {
    "disc": lambda y, x: (_radius(y, x) < 0.31) * 1.0,
    "ring": lambda y, x: (np.abs(_radius(y, x) - 0.3) < 0.04) * 1.0,
    "star": lambda y, x: (_radius(y, x) < 0.22 + 0.14 * np.cos(5 * np.arctan2(y - 0.5, x - 0.5))) * 1.0,
    "line": lambda y, x: (np.abs(y - 0.3 - 0.4 * x) < 0.02) * 1.0,
    "soft disc": lambda y, x: np.clip(1.5 - 4 * _radius(y, x), 0, 1),
    "square": lambda y, x: 1.0 * (np.abs(y - 0.5) < 0.3) * (np.abs(x - 0.5) < 0.3),
    "half transparent square": lambda y, x: 0.5 * (np.abs(y - 0.5) < 0.3) * (np.abs(x - 0.5) < 0.3),
}
"""Coverage at (y, x) in 0..1."""


def inks(size: int) -> dict[str, Array]:
    """What the shapes are filled with: (size, size, 3) in 0..1."""
    photo = skimage.data.astronaut()[20 : 20 + size, 170 : 170 + size] / 255  # type: ignore[no-untyped-call]
    plain = {"grey": (0.8, 0.8, 0.8), "red": (0.9, 0.1, 0.15)}
    return {name: np.broadcast_to(color, (size, size, 3)) for name, color in plain.items()} | {"photograph": photo}


def drawn(shape: str, scale: int) -> Array:
    """Coverage (H, W) of the larger picture."""
    size = SIDE * scale
    y, x = (np.mgrid[: size * FINER, : size * FINER] + 0.5) / (size * FINER)
    return np.asarray(SHAPES[shape](y, x).reshape(size, FINER, size, FINER).mean((1, 3)))


def reduced(colors: Array, coverage: Array, scale: int) -> NDArray[np.uint8]:
    """The small picture: uint8 RGBA, averaged premultiplied, straight, black where nothing shows."""
    whole = np.dstack([colors * coverage[..., None], coverage])
    small = whole.reshape(SIDE, scale, SIDE, scale, 4).mean((1, 3))
    alpha = small[..., 3:]
    small[..., :3] = np.where(alpha >= 0.5 / 255, small[..., :3] / np.maximum(alpha, 1e-9), 0)
    result: NDArray[np.uint8] = np.rint(255 * small).astype(np.uint8)
    return result


def here(image: NDArray[np.uint8], network: Network) -> Array:
    """As `replication.upscale` does it."""
    return upscale(image, network) / 255.0


def bicubic(image: NDArray[np.uint8], network: Network) -> Array:
    """No network: premultiplied colours and alpha interpolated."""
    alpha = image[..., 3:] / 255
    both: Array = np.asarray(
        imresize(np.dstack([image[..., :3] / 255 * alpha, alpha]), network.scale), dtype=np.float64
    )
    return _straight(both[..., :3], both[..., 3])


def bicubic_alpha(image: NDArray[np.uint8], network: Network) -> Array:
    """As `replication.upscale` does it but for alpha, which is interpolated."""
    alpha = np.clip(imresize(image[..., 3] / 255, network.scale), 0, 1)
    return np.dstack([here(image, network)[..., :3], alpha])


def quotient(image: NDArray[np.uint8], network: Network) -> Array:
    """Premultiplied colours and alpha through the network, and divided."""
    samples = (image / np.float32(255)).astype(np.float32)
    colors = upscale_colors(samples[..., :3] * samples[..., 3:], network.enlarge, network.scale)
    alpha = samples[..., 3]
    return _straight(colors, upscale_alpha(alpha, network.enlarge, network.scale, (alpha.min(), alpha.max())))


def _straight(premultiplied: Array, alpha: Array) -> Array:
    alpha = np.clip(alpha, 0, 1)[..., None]
    return np.dstack([np.clip(premultiplied, 0, alpha) / np.maximum(alpha, 1e-6), alpha])


METHODS: dict[str, Method] = {
    "here": here,
    "bicubic": bicubic,
    "bicubic alpha": bicubic_alpha,
    "quotient": quotient,
}


def measure(network: Network) -> dict[str, dict[str, float]]:
    """Mean error over shapes and fillings, by method and background; "alpha" is that of the alpha channel alone."""
    errors: dict[str, dict[str, list[float]]] = {name: {} for name in METHODS}
    scale = network.scale
    for shape in SHAPES:
        coverage = drawn(shape, scale)
        for colors in inks(SIDE * scale).values():
            image = reduced(colors, coverage, scale)
            for name, method in METHODS.items():
                result = np.rint(255 * np.clip(method(image, network), 0, 1)) / 255
                found, alpha = errors[name], result[..., 3:]
                found.setdefault("alpha", []).append(_rms(alpha[..., 0] - coverage))
                for background, color in BACKGROUNDS.items():
                    ground = np.array(color)
                    laid = result[..., :3] * alpha + (1 - alpha) * ground
                    right = colors * coverage[..., None] + (1 - coverage[..., None]) * ground
                    found.setdefault(background, []).append(_rms(laid - right))
    return {name: {key: float(np.mean(all_of)) for key, all_of in by.items()} for name, by in errors.items()}


def _rms(difference: Array) -> float:
    return 255 * float(np.sqrt(np.mean(difference**2)))


def parser() -> Parser:
    """The command line."""
    result = Parser(
        prog="python -m replication.measure_transparency",
        description=f"{__doc__}\nWrites records/transparency/<model>.json into the results folder.",
        epilog="example:\n  python -m replication.measure_transparency --results results\n",
    )
    result.add_argument("--model", default="smsrn", metavar="NAME", help="smsrn or msrn (default: %(default)s)")
    result.add_results()
    return result


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line; see `parser`."""
    arguments = parser().parse_args(argv)
    subject = trained(arguments.model, DEFAULT_SCALE, None)
    errors = measure(torch_network(subject.module))
    record = {
        "model": subject.model,
        "scale": DEFAULT_SCALE,
        "weights": subject.digest,
        "unit": "root mean square error in grey levels of 255, mean over shapes and fillings",
        "errors": {name: {key: round(value, 2) for key, value in by.items()} for name, by in errors.items()},
    }
    columns = ["alpha", *BACKGROUNDS]
    print(" " * 14 + "".join(f"{column:>8}" for column in columns))
    for name, by in errors.items():
        print(f"{name:14}" + "".join(f"{by[column]:8.2f}" for column in columns))
    path = arguments.results / "records" / "transparency" / f"{subject.model}.json"
    write_text(path, json.dumps(record, indent=2) + "\n")
    print(path)


if __name__ == "__main__":
    run(main)
