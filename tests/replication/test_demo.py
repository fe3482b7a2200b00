"""The page, in a browser without a window: upload, slide, take the result, and what goes wrong; and its parts."""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from helpers import NEAREST, enlarged

from replication import demo
from replication.errors import MissingPackageError, UserError
from replication.images.photo import Photo, read_photo, write_photo
from replication.images.resize import imresize

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PIXELS = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
PATIENCE = 120_000
"""Milliseconds: a machine may be busy."""


# The parts


@pytest.mark.parametrize(("height", "width"), [(5, 7), (1, 1), (900, 401)])
def test_both_sides_show_the_same_part(tmp_path: Path, height: int, width: int) -> None:
    """With bicubic interpolation as the network, both are equal."""
    pixels = np.random.default_rng(1).integers(0, 256, (height, width, 3), dtype=np.uint8)
    write_photo(tmp_path / "a.png", Photo(pixels))
    write_photo(tmp_path / "b.png", Photo(imresize(pixels, 2)))
    bicubic, network = demo.compared(tmp_path / "a.png", tmp_path / "b.png", 2)
    np.testing.assert_array_equal(bicubic, network)
    assert bicubic.shape == (2 * min(height, demo.SHOWN), 2 * min(width, demo.SHOWN), 3)


def test_every_kind_is_shown_as_rgb_on_white() -> None:
    for pixels, shown in (
        (np.full((2, 3), 7, np.uint8), [7, 7, 7]),
        (np.full((2, 3), 257 * 9, np.uint16), [9, 9, 9]),
        (np.full((2, 3, 2), (0, 51), np.uint8), [204, 204, 204]),
        (np.full((2, 3, 4), (255, 0, 0, 0), np.uint8), [255, 255, 255]),
        (np.full((2, 3, 4), 257 * np.array((1, 2, 3, 255)), np.uint16), [1, 2, 3]),
    ):
        result = demo.as_shown(pixels)
        assert (result.shape, result.dtype) == ((2, 3, 3), np.uint8)
        assert result[0, 0].tolist() == shown


def test_too_many_pixels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "MOST_PIXELS", 1200)
    frame = PIL.Image.fromarray(PIXELS)
    frame.save(tmp_path / "fits.png")
    demo.check_size(tmp_path / "fits.png")
    frame.save(tmp_path / "two.gif", save_all=True, append_images=[frame.rotate(180)])
    with pytest.raises(UserError, match=r"^two\.gif: expected at most 0\.0012 megapixels here, got 2 frames of 40x30"):
        demo.check_size(tmp_path / "two.gif")


def test_the_result_is_that_of_the_command(tmp_path: Path) -> None:
    write_photo(tmp_path / "a.png", Photo(PIXELS.astype(np.uint16) * 257))
    _, path, line = demo.enlarge(tmp_path / "a.png", NEAREST, tmp_path)
    np.testing.assert_array_equal(read_photo(path).pixels, enlarged(PIXELS).astype(np.uint16) * 257)
    assert line == "a_x2.png: 80x60 pixels"


def test_without_gradio(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gradio", None)
    with pytest.raises(MissingPackageError, match=r'gradio cannot be used .* pip install "\.\[demo\]"'):
        demo.main([])


@pytest.mark.parametrize("port", ["0", "65536"])
def test_port_that_cannot_be(port: str) -> None:
    with pytest.raises(UserError, match="--port: expected 1 to 65535"):
        demo.main(["--port", port])


# In a browser

PROGRAM = """
from replication import demo
from replication.errors import run
from replication.network import Network

def nearest(pixels):
    return pixels.repeat(2, axis=2).repeat(2, axis=3)

demo.load_network = lambda model, **options: Network(nearest, 2, 1, 100)
run(demo.main)
"""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A running page, with nearest neighbours for a network."""
    pytest.importorskip("gradio", reason="needs the extra demo")
    folder = tmp_path_factory.mktemp("server")
    (folder / "program.py").write_text(PROGRAM, encoding="utf-8")
    with socket.socket() as one:
        one.bind((demo.ADDRESS, 0))
        port = one.getsockname()[1]
    with (folder / "errors").open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, str(folder / "program.py"), "--port", str(port)],
            env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE, stderr=errors, text=True,
        )  # fmt: skip
    assert process.stdout
    ready = process.stdout.readline()
    try:
        assert f"http://{demo.ADDRESS}:{port}/ is ready" in ready, (folder / "errors").read_text()
        yield f"http://{demo.ADDRESS}:{port}/"
        assert "Traceback" not in (folder / "errors").read_text()
    finally:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="needs Playwright")
    if CHROMIUM is None:
        pytest.skip("needs Chromium")
    options = "no-sandbox disable-gpu no-first-run disable-background-networking disable-component-update disable-sync"
    with playwright.sync_playwright() as driver:
        one = driver.chromium.launch(executable_path=CHROMIUM, args=[f"--{name}" for name in options.split()])
        yield one
        one.close()


@pytest.fixture
def view(address: str, browser: Any) -> Iterator[Any]:
    """The page, opened; it must ask nobody but its own server."""
    one = browser.new_page()
    one.set_default_timeout(PATIENCE)
    asked: list[str] = []
    one.on("request", lambda request: asked.append(request.url))
    one.goto(address)
    one.wait_for_selector("#enlarge")
    yield one
    assert [url for url in asked if not url.startswith((address, "data:", "blob:"))] == []
    one.close()


def upload(view: Any, path: Path) -> None:
    view.wait_for_selector("#picture input[type=file]", state="attached")
    view.set_input_files("#picture input[type=file]", str(path))
    view.get_by_text(path.name[:5]).first.wait_for()
    view.click("#enlarge")


def result_line(view: Any) -> str:
    view.wait_for_function("document.querySelector('#line textarea').value != ''")
    return str(view.input_value("#line textarea"))


def test_upload_slide_download(view: Any, tmp_path: Path) -> None:
    write_photo(tmp_path / "small.png", Photo(PIXELS))
    upload(view, tmp_path / "small.png")
    assert result_line(view) == "small_x2.png: 80x60 pixels"
    handle = view.locator("#slider .handle, #slider .inner").first
    handle.wait_for()
    box = handle.bounding_box()
    before = view.locator("#slider img").evaluate_all("all => all.map(one => getComputedStyle(one).clipPath)")
    view.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    view.mouse.down()
    view.mouse.move(box["x"] - 100, box["y"] + box["height"] / 2, steps=5)
    view.mouse.up()
    after = view.locator("#slider img").evaluate_all("all => all.map(one => getComputedStyle(one).clipPath)")
    assert handle.bounding_box()["x"] < box["x"] - 50
    assert (len(after), before != after) == (2, True)
    with view.expect_download() as download:
        view.click("#download")
    assert download.value.suggested_filename == "small_x2.png"
    download.value.save_as(tmp_path / "result.png")
    np.testing.assert_array_equal(read_photo(tmp_path / "result.png").pixels, enlarged(PIXELS))


def test_example(view: Any) -> None:
    view.get_by_text("rocket.jpg").click()
    view.locator("#picture").get_by_text("rocket", exact=False).first.wait_for()
    view.click("#enlarge")
    assert result_line(view) == "rocket_x2.png: 1280x854 pixels, of which the middle 800x800 are shown"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("wrong.png", "wrong.png: expected an image"),
        ("large.png", "large.png: expected at most 4 megapixels here, got 3000x2000"),
        ("bombs.png", "bombs.png: "),
    ],
)
def test_a_bad_picture_is_one_line_and_the_page_goes_on(view: Any, tmp_path: Path, name: str, words: str) -> None:
    path = tmp_path / name
    if name == "wrong.png":
        path.write_bytes(b"no picture at all")
    else:
        size = (3000, 2000) if name == "large.png" else (30_000, 30_000)
        PIL.Image.new("1", size).save(path)
    upload(view, path)
    shown = view.locator(".toast-body").first
    shown.wait_for()
    assert words in shown.inner_text()
    assert str(tmp_path) not in shown.inner_text()
    view.locator(".toast-body button").first.click()
    view.locator("#picture button[aria-label='Clear'], #picture button[aria-label='Remove']").first.click()
    write_photo(tmp_path / "after.png", Photo(PIXELS))
    upload(view, tmp_path / "after.png")
    assert result_line(view) == "after_x2.png: 80x60 pixels"


def test_nobody_else_can_come_in(address: str) -> None:
    """The server listens on 127.0.0.1, not on every address of this machine, of which 127.0.0.2 is one on Linux."""
    port = int(address.rstrip("/").rpartition(":")[2])
    with socket.socket() as one:
        assert one.connect_ex((demo.ADDRESS, port)) == 0
    with socket.socket() as other:
        assert other.connect_ex(("127.0.0.2", port)) != 0
