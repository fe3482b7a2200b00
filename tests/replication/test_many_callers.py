"""One network, many callers: threads, forked processes, and spawned ones that get it pickled, on every backend."""

import io
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from replication import backends, network
from replication.backends import BACKENDS, load_network
from replication.errors import ArgumentError
from replication.models import MODELS
from replication.models.msrn import MSRN
from replication.network import Network, Trained, torch_network
from replication.upscale import upscale

PATIENCE = 120
"""Seconds after which a process is taken to hang; it needs one or two."""
RANDOM = np.random.default_rng(0)
IMAGES = [RANDOM.integers(0, 256, (60, 50 + number, 3), dtype=np.uint8) for number in range(12)]


@pytest.fixture(scope="module")
def source() -> Trained:
    torch.manual_seed(0)
    return Trained(MSRN(MODELS["smsrn"], scale=2, width=16, blocks=1).eval(), "smsrn", "0" * 64)


@pytest.fixture(scope="module")
def folder(source: Trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Holds the network as ONNX."""
    from replication.export import onnx_bytes

    pytest.importorskip("onnxscript", reason="needs the onnx extra")
    found = tmp_path_factory.mktemp("networks")
    (found / "n.onnx").write_bytes(onnx_bytes(source))
    return found


@pytest.fixture(autouse=True)
def two_threads() -> Iterator[None]:
    """More than one, or nothing could hang."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def ready(backend: str, source: Trained, request: pytest.FixtureRequest) -> Network:
    if backend == "torch":
        return torch_network(source.module)
    pytest.importorskip(backend, reason="needs the extra of that backend")
    return load_network(backend=backend, weights_file=request.getfixturevalue("folder") / "n.onnx")


@pytest.fixture(params=BACKENDS)
def one(request: pytest.FixtureRequest, source: Trained) -> Network:
    return ready(request.param, source, request)


def test_threads(one: Network) -> None:
    expected = [upscale(image, one) for image in IMAGES]
    with ThreadPoolExecutor(6) as pool:
        for found, wanted in zip(pool.map(lambda image: upscale(image, one), IMAGES), expected, strict=True):
            np.testing.assert_array_equal(found, wanted)


def test_pickled(one: Network) -> None:
    again = pickle.loads(pickle.dumps(one))
    assert (again.scale, again.radius, again.bytes_per_pixel) == (one.scale, one.radius, one.bytes_per_pixel)
    np.testing.assert_array_equal(upscale(IMAGES[0], again), upscale(IMAGES[0], one))


def test_pickled_by_names_that_another_process_has(one: Network) -> None:
    packages = set()

    class Reader(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> Any:
            packages.add(module.partition(".")[0])
            return super().find_class(module, name)

    Reader(io.BytesIO(pickle.dumps(one))).load()
    assert packages <= {"replication", "torch", "collections"}


def test_spawned(source: Trained, request: pytest.FixtureRequest) -> None:
    pytest.importorskip("onnxruntime", reason="needs the onnx extra")
    networks = [ready(name, source, request) for name in ("torch", "onnxruntime")]
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        for one in networks:
            found = pool.submit(upscale, IMAGES[0], one).result(PATIENCE)
            assert np.abs(found.astype(int) - upscale(IMAGES[0], one)).max() <= 1


def test_an_export_that_waits_is_made_once_and_before_it_is_sent(
    source: Trained, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnxruntime", reason="needs the onnx extra")
    content = (folder / "n.onnx").read_bytes()
    made: list[Trained] = []
    monkeypatch.setattr("replication.export.onnx_bytes", lambda one: (made.append(one), content)[1])
    late = backends._exported_later("onnxruntime", source, tmp_path / "kept.onnx", 1)
    expected = upscale(IMAGES[0], torch_network(source.module)).astype(int)
    assert made == []
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: upscale(IMAGES[0], late), range(4)):
            assert np.abs(found - expected).max() <= 1
    assert made == [source]
    other = backends._exported_later("onnxruntime", source, tmp_path / "kept.onnx", 1)
    assert np.abs(upscale(IMAGES[0], pickle.loads(pickle.dumps(other))) - expected).max() <= 1
    assert made == [source, source]


DROPPED_IN_A_THREAD = """
import os, signal, sys, threading
from pathlib import Path
from replication.backends import load_network

seen = []
signal.signal(signal.SIGUSR1, lambda *_: seen.append(1))
networks = [load_network(backend=sys.argv[1], weights_file=Path(sys.argv[2]))]
thread = threading.Thread(target=networks.clear)
thread.start()
thread.join()
os.kill(os.getpid(), signal.SIGUSR1)
sys.exit(0 if seen else 2)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="needs a signal of the user's own")
@pytest.mark.parametrize("backend", BACKENDS[1:])
def test_signals_arrive_after_another_thread_has_dropped_the_network(backend: str, folder: Path) -> None:
    pytest.importorskip(backend, reason="needs the extra of that backend")
    command = [sys.executable, "-c", DROPPED_IN_A_THREAD, backend, str(folder / "n.onnx")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)
    assert (done.returncode, done.stderr) == (0, "")


def in_a_fork(work: Any, *arguments: object) -> object:
    """What ``work`` gives, or the error that it raises, in a process forked from this one. Fails when it hangs."""
    context = get_context("fork")
    answer, end = context.Pipe(duplex=False)

    def child() -> None:
        try:
            end.send(work(*arguments))
        except Exception as error:
            end.send(error)

    process = context.Process(target=child)
    process.start()
    came = answer.poll(PATIENCE)
    if not came:
        process.kill()
    process.join()
    assert came, "it hangs"
    return answer.recv()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_forked(one: Network) -> None:
    expected = upscale(IMAGES[0], one)
    found = in_a_fork(upscale, IMAGES[0], one)
    assert isinstance(found, np.ndarray), found
    assert np.abs(found.astype(int) - expected).max() <= 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_process_that_loads_its_own(source: Trained) -> None:
    expected = upscale(IMAGES[0], torch_network(source.module))

    def own() -> object:
        return network.forked(), torch.get_num_threads(), upscale(IMAGES[0], torch_network(source.module))

    forked, threads, found = in_a_fork(own)  # type: ignore[misc]
    assert (forked, threads, network.forked()) == (True, 1, False)
    assert np.abs(found.astype(int) - expected).max() <= 1
    refused = in_a_fork(lambda: backends._load_torch(None, None, None, 2))
    assert isinstance(refused, ArgumentError)
    assert "threads: expected 1 in a process that was forked" in str(refused)
