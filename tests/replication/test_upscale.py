"""Upscaling: tiles without seams, bounded memory, every kind of picture, and backends without PyTorch."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch
from helpers import NEAREST, enlarged, nearest
from hypothesis import given
from hypothesis import strategies as st

from replication import backends, runtimes, upscale, weights
from replication.backends import load_network
from replication.errors import ArgumentError, UserError
from replication.images.alpha import REACH
from replication.images.photo import Photo, write_photo
from replication.images.resize import imresize
from replication.models import MODELS, build
from replication.models.msrn import MSRN
from replication.network import Batch, Network, receptive_radius, torch_network

ROOT = Path(__file__).resolve().parents[2]
RANDOM = np.random.default_rng(0)
RGBA = RANDOM.integers(1, 256, (13, 17, 4), dtype=np.uint8)  # no alpha of 0: what it hides is replaced
KINDS = {"grey": 0, "grey and alpha": [0, 3], "rgb": [0, 1, 2], "rgb and alpha": [0, 1, 2, 3]}


def small(name: str, scale: int) -> MSRN:
    torch.manual_seed(0)
    return MSRN(MODELS[name], scale=scale, width=4, blocks=2)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Networks this small are slower with more."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


# Overlap and tiles


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
@pytest.mark.parametrize("name", MODELS)
def test_radius_is_how_far_a_pixel_reaches(name: str, scale: int) -> None:
    """With positive weights and nothing else nothing cancels: the result is not zero exactly where a pixel reaches."""
    model = small(name, scale).double()
    model.mean.zero_()
    for key, value in model.state_dict().items():
        value.copy_(value.abs() if key.endswith("weight") else torch.zeros_like(value))
    radius = receptive_radius(model)
    centre, size = radius + 2, 2 * radius + 5
    x = torch.zeros(1, 3, size, size, dtype=torch.float64)
    x[:, :, centre, centre] = 1
    with torch.inference_mode():
        touched = model(x)[0].any(0)
    for axis in (0, 1):
        reached = touched.any(axis).nonzero().flatten() // scale - centre
        assert (int(reached.min()), int(reached.max())) == (-radius, radius)


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
@pytest.mark.parametrize("name", MODELS)
def test_radius_of_the_real_networks(name: str, scale: int) -> None:
    """Head 1, eight blocks of 2 + 2, tail 1, and the upsampler between 1 and 2."""
    with torch.device("meta"):
        assert receptive_radius(build(name, scale=scale)) == 36


@given(st.integers(1, 2000), st.integers(0, 40), st.integers(1, 300))
def test_windows_cover_without_gaps(size: int, radius: int, interior: int) -> None:
    tile = 2 * radius + interior
    tiles = upscale.windows(size, tile, radius)
    assert [one.first for one in tiles] == [0, *(one.last for one in tiles[:-1])]
    assert tiles[-1].last == size
    (length,) = {one.stop - one.start for one in tiles}
    if len(tiles) > 1:
        assert len(tiles) * (length - 2 * radius) < size - 2 * radius + len(tiles), "longer than needed"
    for one in tiles:
        assert 0 <= one.start <= one.first < one.last <= one.stop <= size
        assert one.stop - one.start <= tile
        assert one.start == 0 or one.first - one.start >= radius
        assert one.stop == size or one.stop - one.last >= radius


@pytest.mark.parametrize("kind", KINDS)
def test_tiled_equals_whole(kind: str) -> None:
    """16 bits show a difference of a 65535th."""
    network = torch_network(small("smsrn", 4))
    smallest = 2 * network.radius + 1
    image = RANDOM.integers(0, 65536, (smallest + 6, smallest + 5, 4), dtype=np.uint16)[..., KINDS[kind]]
    whole = upscale.upscale(image, network)
    for tile in (smallest + 3, smallest + 9):
        tiled = upscale.upscale(image, network, tile=tile)
        assert tiled.shape == (4 * image.shape[0], 4 * image.shape[1], *image.shape[2:])
        assert np.abs(tiled.astype(int) - whole).max() <= 1
    seams = upscale.upscale(image, replace(network, radius=3), tile=smallest + 3)  # what too small an overlap would do
    assert np.abs(seams.astype(int) - whole).max() > 1


def test_whole_is_what_the_network_gives() -> None:
    model = small("smsrn", 2)
    image = RGBA[..., :3]
    with torch.inference_mode():
        expected = model(torch.tensor(image).permute(2, 0, 1)[None] / 255)[0].permute(1, 2, 0) * 255
    found = upscale.upscale(image, torch_network(model))
    assert np.abs(found - expected.clamp(0, 255).numpy()).max() <= 0.501


@pytest.mark.parametrize("size", [(300, 500), (500, 300), (40, 5000), (5000, 40), (1, 1)])
def test_auto_tile_keeps_to_the_memory(monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]) -> None:
    monkeypatch.setattr(upscale, "TILE_MEMORY", 1_000_000)
    seen: list[int] = []
    network = replace(NEAREST, run=lambda pixels: (seen.append(pixels.shape[2] * pixels.shape[3]), nearest(pixels))[1])
    image = RANDOM.integers(0, 256, size, dtype=np.uint8)
    np.testing.assert_array_equal(upscale.upscale(image, network), enlarged(image))
    assert max(seen) * network.bytes_per_pixel <= 1_000_000
    assert len(seen) <= 2 * -(-image.size * network.bytes_per_pixel // 1_000_000) - 1, "needlessly small tiles"


MEMORY = """
from pathlib import Path
import numpy as np
from replication.network import torch_network
from replication.models import build

def memory(name):  # bytes; VmRSS: resident now, VmHWM: the most so far, of this program alone
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(name))

network = torch_network(build("smsrn"))
network.run(np.zeros((1, 3, 24, 24), np.float32))
before = memory("VmRSS")
network.run(np.zeros((1, 3, 120, 120), np.float32))
print((memory("VmHWM") - before) / 120**2, network.bytes_per_pixel)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from Linux's /proc")
def test_memory_per_pixel() -> None:
    done = subprocess.run([sys.executable, "-c", MEMORY], cwd=ROOT, capture_output=True, text=True, check=True)
    measured, stated = map(float, done.stdout.split())
    assert measured <= stated
    assert measured >= stated / 4, "far from what is stated: tiles are needlessly small, or nothing was measured"


@pytest.mark.parametrize("tile", [-1, 0, 72])
def test_tile_smaller_than_the_overlap(tile: int) -> None:
    with pytest.raises(ArgumentError, match=r"tile: expected at least 73 pixels"):
        upscale.upscale(RGBA, replace(NEAREST, radius=36), tile=tile)


# Kinds of pictures


def test_grey_is_the_mean_of_three_channels() -> None:
    seen: list[Batch] = []

    def run(pixels: Batch) -> Batch:
        seen.append(pixels)
        return nearest(pixels) + np.array([0.0, 0.1, 0.2], np.float32).reshape(1, 3, 1, 1)

    found = upscale.upscale(np.array([[100, 250]], np.uint8), replace(NEAREST, run=run))
    assert found.tolist() == [[126, 126, 255, 255]] * 2  # 0.1 · 255 = 25.5: 125.5 to even; 275.5 is clipped
    assert all((one == one[:, :1]).all() for one in seen)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("kind", KINDS)
def test_colors_and_alpha_by_the_network(kind: str, dtype: type[np.uint8]) -> None:
    image = RGBA.copy()
    image[..., 3] = 40 + image[..., 3] // 2  # nothing so faint that its colour gives way
    image = image[..., KINDS[kind]].astype(dtype) * dtype(np.iinfo(dtype).max // 255)
    found = upscale.upscale(image, NEAREST)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, enlarged(image))


def sharpened(pixels: Batch) -> Batch:
    """Overshoots at edges, differs from channel to channel, and gives 1.02 for 1: what a trained network may do."""
    plane = imresize(pixels[0].transpose(1, 2, 0), 2).transpose(2, 0, 1)[None]
    gain = np.array([1.5, 1.7, 1.6], np.float32).reshape(1, 3, 1, 1)
    return ((plane - plane.mean()) * gain + plane.mean() * 1.02).astype(np.float32)


SHARPENED = replace(NEAREST, run=sharpened, radius=2)


def test_what_is_opaque_or_transparent_stays_so() -> None:
    image = np.full((20, 30, 4), 255, np.uint8)
    image[:, 15:, 3] = 0
    for network in (
        SHARPENED,
        replace(NEAREST, run=lambda pixels: np.float32(0.9) * nearest(pixels) + np.float32(0.05)),
    ):
        alpha = upscale.upscale(image, network)[..., 3]
        assert (alpha[:, :28] == 255).all(), "up to the last pixel but one"
        assert (alpha[:, 32:] == 0).all()
        assert (upscale.upscale(np.full_like(image, 77), network)[..., 3] == 77).all()


def test_half_transparent_edges_are_those_of_opaque_ones_in_every_tile() -> None:
    """A network that does not keep edges of low contrast: what it makes of alpha must not depend on how much shows."""

    def run(pixels: Batch) -> Batch:
        return np.where(nearest(pixels) > 0.7, np.float32(1), nearest(pixels) * np.float32(0.8))

    low = replace(NEAREST, run=run)
    opaque = RGBA.copy()
    opaque[..., 3] = np.where(RGBA[..., 3] > 128, 240, 0)
    half = opaque.copy()
    half[..., 3] //= 2
    expected, found = upscale.upscale(opaque, low), upscale.upscale(half, low)
    assert set(np.unique(expected[..., 3])) == {0, 240}
    np.testing.assert_array_equal(found[..., 3], expected[..., 3] // 2)
    opaque[:7] = half[:7]  # tiles that hold nothing else
    np.testing.assert_array_equal(upscale.upscale(opaque, low, tile=6), upscale.upscale(opaque, low))


def test_grey_stays_grey() -> None:
    """R = G = B in, R = G = B out, in every kind of picture, and beside colours too."""
    grey = RGBA[..., :1].repeat(3, 2)
    assert np.ptp(upscale.upscale(RGBA[..., :3], SHARPENED).astype(int), axis=2).max() > 9, "this network adds colour"
    assert np.ptp(upscale.upscale(grey, SHARPENED), axis=2).max() == 0
    found = upscale.upscale(np.dstack([grey, RGBA[..., 3]]), SHARPENED)
    assert np.ptp(found[..., :3], axis=2).max() == 0
    np.testing.assert_array_equal(upscale.upscale(grey, SHARPENED)[..., 0], upscale.upscale(grey[..., 0], SHARPENED))
    half = grey.copy()
    half[:, :5] = RGBA[:, :5, :3]
    apart = np.ptp(upscale.upscale(half, SHARPENED).astype(int), axis=2)
    assert apart[:, 2 * (5 + REACH) :].max() == 0
    assert apart[:, :10].max() > 9


@pytest.mark.parametrize("alpha", [0, 1])
@pytest.mark.parametrize("network", [SHARPENED, NEAREST], ids=["sharpened", "nearest"])
def test_black_that_hardly_shows_does_not_bleed(alpha: int, network: Network) -> None:
    image = np.zeros((32, 32, 4), np.uint8)
    image[..., 3] = alpha
    image[8:24, 8:24] = 255
    found = upscale.upscale(image, network).astype(float)
    on_white = found[..., :3] * found[..., 3:] / 255 + 255 - found[..., 3:]
    assert on_white.min() >= 250
    opaque = upscale.upscale(image[..., :3], network).astype(float)
    bled = opaque * found[..., 3:] / 255 + 255 - found[..., 3:]
    assert bled.min() < 250 or network is NEAREST, "this network would have shown it"


def test_a_shadow_keeps_its_colour() -> None:
    """Half transparent black beside opaque white is no arbitrary colour."""
    image = np.full((12, 24, 4), 255, np.uint8)
    image[:, 12:] = (0, 0, 0, 128)
    np.testing.assert_array_equal(upscale.upscale(image, NEAREST), enlarged(image))


def test_no_dark_fringe_around_what_is_transparent() -> None:
    """A white disc; what is outside it is transparent black. Any network that looks around itself shows black."""
    y, x = np.mgrid[-20:20, -20:20]
    image = np.zeros((40, 40, 4), np.uint8)
    image[x**2 + y**2 < 200] = 255

    def bicubic(pixels: Batch) -> Batch:
        return imresize(pixels[0].transpose(1, 2, 0), 2).transpose(2, 0, 1)[None].astype(np.float32)

    network = replace(NEAREST, run=bicubic, radius=2)
    found = upscale.upscale(image, network, tile=16)
    assert found[found[..., 3] > 0][:, :3].min() == 255
    assert upscale.upscale(image[..., :3], network).min() == 0, "this network would have shown a fringe"
    for alpha in (0, 255):  # nothing shows, or everything: as it is
        image[..., 3] = alpha
        np.testing.assert_array_equal(
            upscale.upscale(image, network)[..., :3], upscale.upscale(image[..., :3], network)
        )


def test_the_picture_given_is_not_changed() -> None:
    image = RGBA.copy()
    image[:5, :, 3] = 0
    before = image.copy()
    image.flags.writeable = False
    upscale.upscale(image, NEAREST)
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize(
    "image",
    [RGBA / 255, RGBA.astype(np.int32), RGBA[:0], RGBA[None], RGBA.repeat(2, 2), RGBA[0, 0]],
    ids=["float", "int32", "empty", "batch", "8 channels", "1-d"],
)
def test_other_arrays_are_refused(image: np.ndarray) -> None:
    with pytest.raises(ArgumentError, match=r"^upscale: expected"):
        upscale.upscale(image, NEAREST)


def test_tiles_that_cost_far_more_than_the_whole() -> None:
    network = replace(NEAREST, radius=36)
    image = np.zeros((200, 300), np.uint8)
    with pytest.raises(ArgumentError, match=r"tile: 73x73 pixels make 29,184 tiles .* 2592 times .* 144 pixels"):
        upscale.upscale(image, network, tile=73)
    assert upscale.upscale(image, network, tile=144).shape == (400, 600)
    assert upscale.upscale(image[:70, :60], network, tile=73).shape == (140, 120), "one tile costs nothing more"
    one_size = replace(network, size=(90, 400))
    with pytest.raises(ArgumentError, match=r"tile: 400x90 pixels make 16 tiles .* 6 times .* takes 144x144 pixels or"):
        upscale.upscale(np.zeros((200, 500), np.uint8), one_size)
    assert upscale.upscale(image[:90], one_size).shape == (180, 600), "a smaller picture is one tile"


def test_arrays_and_pictures_as_people_have_them() -> None:
    grey = RGBA[..., 0]
    expected = upscale.upscale(grey, NEAREST)
    np.testing.assert_array_equal(upscale.upscale(grey[..., None], NEAREST), expected[..., None])
    deep = grey.astype(np.uint16) * 257
    np.testing.assert_array_equal(upscale.upscale(deep.astype(">u2"), NEAREST), upscale.upscale(deep, NEAREST))
    for mode in ("L", "LA", "RGB", "RGBA"):
        picture = PIL.Image.fromarray(RGBA).convert(mode)
        found = upscale.upscale(picture, NEAREST)
        assert (found.mode, found.size) == (mode, (34, 26))
        np.testing.assert_array_equal(np.array(found), upscale.upscale(np.array(picture), NEAREST))
    assert upscale.upscale(PIL.Image.fromarray(deep), NEAREST).mode == "I;16"
    with pytest.raises(ArgumentError, match="got mode F"):
        upscale.upscale(PIL.Image.new("F", (3, 3)), NEAREST)


def test_the_network_is_loaded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[Network] = []
    upscale._default_network.cache_clear()
    monkeypatch.setattr(upscale, "load_network", lambda: (loaded.append(NEAREST), NEAREST)[1])
    for _ in range(3):
        assert upscale.upscale(RGBA).shape == (26, 34, 4)
    upscale._default_network.cache_clear()
    assert len(loaded) == 1


# Backends


def test_weights_file_tells_model_and_scale(tmp_path: Path) -> None:
    path = tmp_path / "own.safetensors"
    weights.write(path, build("smsrn", scale=2), {"model": "smsrn", "scale": 2})
    network = load_network(weights_file=path)
    assert network.run(np.zeros((1, 3, 4, 5), np.float32)).shape == (1, 3, 8, 10)
    for options in ({"scale": 4}, {"model": "msrn"}):
        with pytest.raises(UserError, match=r"own\.safetensors holds smsrn x2, expected"):
            load_network(weights_file=path, **options)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"backend": "tensorrt"}, "unknown backend 'tensorrt': expected one of torch, onnxruntime, openvino"),
        ({"model": "esrgan"}, "unknown model 'esrgan'"),
        ({"scale": 5}, "unknown scale 5"),
        ({"scale": 8}, "smsrn x8 is not trained"),
        ({"threads": 100_000}, "threads: expected 1 to .* got 100000"),
        ({"threads": 0}, "threads: expected 1 to .* got 0"),
        ({"weights_file": Path("none.safetensors")}, r"none\.safetensors"),
        ({"weights_file": Path("none.onnx")}, r"none\.onnx: torch takes \.safetensors"),
    ],
)
def test_networks_that_cannot_be_loaded(monkeypatch: pytest.MonkeyPatch, options: dict, words: str) -> None:
    monkeypatch.setattr(weights, "shipped", lambda model, scale: None)
    with pytest.raises(UserError, match=words) as caught:
        load_network(**options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("module", "extra"), [("onnxruntime", "onnx"), ("openvino", "openvino")])
def test_a_missing_backend_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch, module: str, extra: str) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(UserError, match=rf'{module} cannot be used .*pip install "\.\[{extra}\]"'):
        load_network(backend=module)


@pytest.mark.parametrize(
    ("facts", "options", "words"),
    [
        ({}, {}, "without"),
        ({"model": "smsrn", "scale": "two", "radius": "36"}, {}, "without"),
        ({"model": "smsrn", "scale": "0", "radius": "36"}, {}, "expected a scale and a radius above 0"),
        ({"model": "smsrn", "scale": "4", "radius": "0"}, {}, "expected a scale and a radius above 0"),
        ({"model": "smsrn", "scale": "2", "radius": "36"}, {"scale": 0}, "holds smsrn x2, expected smsrn x0"),
        ({"model": "smsrn", "scale": "2", "radius": "36"}, {"scale": 4}, "holds smsrn x2, expected smsrn x4"),
        ({"model": "smsrn", "scale": "2", "radius": "36"}, {"model": "msrn"}, "holds smsrn x2, expected msrn x2"),
    ],
)
def test_facts_of_an_onnx_file(facts: dict, options: dict, words: str) -> None:
    with pytest.raises(UserError, match=words):
        runtimes._checked_facts(facts, "n.onnx", options.get("model"), options.get("scale"))


def write_onnx(path: Path, *, channels: int = 3, scale: int = 2) -> None:
    """Nearest-neighbour x2 as ONNX, with the facts that an exported network carries, or wrong ones."""
    onnx = pytest.importorskip("onnx", reason="needs the onnx extra")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    factors = helper.make_tensor("factors", kind, [4], [1.0, 1.0, 2.0, 2.0])
    node = helper.make_node("Resize", ["x", "", "factors"], ["y"], mode="nearest")
    shapes = [
        helper.make_tensor_value_info("x", kind, [1, channels, "h", "w"]),
        helper.make_tensor_value_info("y", kind, None),
    ]
    graph = helper.make_graph([node], "nearest", shapes[:1], shapes[1:], [factors])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    helper.set_model_props(model, {"model": "smsrn", "scale": str(scale), "radius": "3"})
    onnx.save(model, path)


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_onnx_file_in_its_runtimes(tmp_path: Path, backend: str) -> None:
    pytest.importorskip(backend, reason="needs the extra of that backend")
    write_onnx(tmp_path / "n.onnx")
    network = load_network(backend=backend, weights_file=tmp_path / "n.onnx", threads=1)
    assert (network.scale, network.radius) == (2, 3)
    running: Any = network.run
    used = {
        "onnxruntime": lambda: running.session.get_session_options().intra_op_num_threads,
        "openvino": lambda: running._compiled.get_property("INFERENCE_NUM_THREADS"),
    }[backend]()
    assert used == 1
    image = RGBA[..., :3]
    for tile in (None, 11):
        np.testing.assert_array_equal(upscale.upscale(image, network, tile=tile), enlarged(image))
    (tmp_path / "bad.onnx").write_bytes(b"not a network")
    for name, words in (("bad.onnx", "cannot read"), ("no.onnx", "cannot read"), ("a.safetensors", "cannot read")):
        with pytest.raises(UserError, match=words) as caught:
            load_network(backend=backend, weights_file=tmp_path / name)
        assert "\n" not in str(caught.value)


@pytest.fixture
def exports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Digests of the weights that were exported, to nearest neighbour, with an empty cache."""
    export = pytest.importorskip("replication.export")
    pytest.importorskip("onnxscript", reason="needs the onnx extra")
    made: list[str] = []
    monkeypatch.setenv("REPLICATION_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(export, "onnx_bytes", lambda source: (made.append(source.digest), b"network")[1])

    def read(content: bytes, source: str, **options: object) -> Network:
        assert content == b"network"
        return NEAREST

    monkeypatch.setitem(backends.ONNX_RUNTIMES, "onnxruntime", read)
    return made


def test_an_exported_network_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exports: list[str]) -> None:
    pytest.importorskip("onnxruntime", reason="needs the onnx extra")
    path = tmp_path / "own.safetensors"

    def used() -> None:
        network = load_network(weights_file=path, backend="onnxruntime")
        assert network.run(np.zeros((1, 3, 2, 2), np.float32)).shape == (1, 3, 4, 4)

    for number, expected in ((1, 1), (1, 1), (2, 2)):
        torch.manual_seed(number)
        weights.write(path, build("smsrn", scale=2), {"model": "smsrn", "scale": 2})
        used()
        assert len(exports) == expected
    for kept in (tmp_path / "cache").iterdir():
        kept.write_bytes(kept.read_bytes()[:-1] + b"?")
    used()
    assert len(exports) == 3, "a damaged one is made anew"
    monkeypatch.setattr(backends, "version", lambda package: "0.1")
    used()
    assert len(exports) == 4, "other versions may export it otherwise"
    monkeypatch.setitem(sys.modules, "torch", None)
    used()
    assert len(exports) == 4, "what is kept needs no PyTorch"


def test_whatever_is_wrong_is_known_before_an_export(tmp_path: Path, exports: list[str]) -> None:
    pytest.importorskip("onnxruntime", reason="needs the onnx extra")
    path, picture, wrong = tmp_path / "own.safetensors", tmp_path / "a.png", tmp_path / "wrong.png"
    weights.write(path, build("smsrn", scale=2), {"model": "smsrn", "scale": 2})
    write_photo(picture, Photo(RGBA))
    wrong.write_bytes(b"no picture")
    (tmp_path / "none").mkdir()
    for arguments, words in (
        ([picture, "--weights", tmp_path / "absent.safetensors"], r"cannot read weights .*absent\.safetensors"),
        ([picture, "--weights", picture], r"a\.png: expected weights as \.safetensors"),
        ([picture, "--weights", path, "--scale", "4"], r"own\.safetensors holds smsrn x2, expected smsrn x4"),
        ([tmp_path / "absent.png", "--weights", path], r"absent\.png: no such file"),
        ([tmp_path / "none", "--weights", path], "expected a folder with pictures"),
        ([wrong, "--weights", path], r"wrong\.png: expected an image"),
        ([picture, "--weights", path, "-o", picture / "b.png"], r"a\.png is not a folder"),
        ([picture, "--weights", path, "-o", tmp_path / "b.jpg"], "no transparency"),
        ([picture, "--weights", path, "--tile", "3"], "tile: expected at least 73"),
    ):
        with pytest.raises(UserError, match=words):
            upscale.main([*map(str, arguments), "--backend", "onnxruntime"])
    assert exports == []
    assert upscale.main([str(picture), "--weights", str(path), "--backend", "onnxruntime"]) is None
    assert len(exports) == 1


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_onnx_file_that_is_not_what_it_says(tmp_path: Path, backend: str) -> None:
    pytest.importorskip(backend, reason="needs the extra of that backend")
    write_onnx(tmp_path / "scale.onnx", scale=3)
    write_onnx(tmp_path / "channels.onnx", channels=1)
    for name, words in (
        ("scale.onnx", r"expected \(1, 3, 24, 27\) for an input of 8x9 pixels, got \(1, 3, 16, 18\)"),
        # On one core OpenVINO gives an empty picture in place of an error.
        ("channels.onnx", r"expected (a network from float32 \(1, 3, H, W\)|.* got \(1, 1, 0, 0\))"),
    ):
        with pytest.raises(UserError, match=words) as caught:
            load_network(backend=backend, weights_file=tmp_path / name)
        assert name in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", [".bin", ".txt", ""])
def test_weights_of_another_kind(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(UserError, match=r"expected weights as \.safetensors"):
        load_network(weights_file=tmp_path / f"w{suffix}")


def test_weights_that_do_not_say_what_they_are(tmp_path: Path) -> None:
    path = tmp_path / "own.safetensors"
    for facts in ({"scale": 4}, {"model": "smsrn", "scale": "4"}):
        weights.write(path, build("smsrn"), facts)
        with pytest.raises(UserError, match=r"own\.safetensors: unknown"):
            load_network(weights_file=path)
