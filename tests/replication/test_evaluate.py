"""Evaluation: the protocol on known pictures, what is measured again and what is not, and bad input."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from replication import evaluate, records, weights
from replication.data.benchmarks import Benchmark, BenchmarkImage
from replication.errors import UserError
from replication.images.io import read_image, write_image
from replication.images.metrics import psnr, ssim, table_protocols
from replication.images.resize import imresize
from replication.models import build


def picture(seed: int, height: int = 50, width: int = 41, *, grey: bool = False) -> evaluate.Image:
    smooth = np.random.default_rng(seed).random((height // 4 + 1, width // 4 + 1) + (() if grey else (3,)))
    return np.clip(255 * imresize(smooth, 4)[:height, :width], 0, 255).astype(np.uint8)


@pytest.fixture
def found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Benchmark]:
    """What evaluation finds on this machine: a small Set5 with a colour and a grey picture, and nothing else."""
    images = []
    for name, pixels in (("bird", picture(1)), ("bridge", picture(2, grey=True))):
        write_image(tmp_path / f"{name}.png", pixels)
        images.append(BenchmarkImage(name, tmp_path / f"{name}.png"))
    sets = {"Set5": Benchmark("Set5", tuple(images))}
    monkeypatch.delenv("REPLICATION_DATA", raising=False)
    monkeypatch.setattr(evaluate.benchmarks, "find", lambda name, root=None, *, scale=4: sets.get(name))
    return sets


@pytest.fixture
def no_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluate.weights, "shipped", lambda model, scale: None)


@pytest.fixture
def weights_file(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    path = tmp_path / "trained.safetensors"
    metadata = {"model": "smsrn", "scale": 4, "step": 10, "paper_fraction": 0.01, "recipe": {"unneeded": True}}
    weights.write(path, build("smsrn"), metadata)
    return path


class Fixed(nn.Module):
    """Nearest-neighbour x4 with another offset on each channel, so that every step around it can be checked."""

    offsets = (0.0, 0.1, 0.5)

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.interpolate(x, scale_factor=4) + torch.tensor(self.offsets).view(1, 3, 1, 1)


def test_bicubic_is_measured_by_the_protocol(found: dict[str, Benchmark], tmp_path: Path) -> None:
    row = evaluate.evaluate(["bicubic"], ["Set5"], scale=4, results=tmp_path / "results")[0]
    assert row.record
    for measured, image in zip(row.record.images, found["Set5"].images, strict=True):
        hr = read_image(image.path)[:48, :40]
        sr = imresize(imresize(hr, 1 / 4), 4)
        luma, rgb = table_protocols(4)["luma"], table_protocols(4)["rgb"]
        unrounded, public = table_protocols(4)["unrounded"], table_protocols(4)["public_code"]
        others = (measured.psnr_unrounded, measured.ssim_unrounded, measured.psnr_public_code)
        assert others == (psnr(sr, hr, unrounded), ssim(sr, hr, unrounded), psnr(sr, hr, public))
        expected = (psnr(sr, hr, luma), ssim(sr, hr, luma), psnr(sr, hr, rgb), ssim(sr, hr, rgb))
        assert (measured.name, measured.height, measured.width) == (image.name, 48, 40)
        assert (measured.psnr_y, measured.ssim_y, measured.psnr_rgb, measured.ssim_rgb) == expected
    assert records.load_all(tmp_path / "results") == [row.record]
    assert (row.record.key.weights, row.record.training) == (None, None)


def test_the_networks_output_is_rounded_and_clipped_per_channel() -> None:
    lr = np.array([[[0, 100, 200], [255, 255, 255]]], np.uint8)
    sr = evaluate.network_upscaler(Fixed())(lr)
    # 0.1 · 255 = 25.5 and 0.5 · 255 = 127.5: 125.5 rounds to even, 280.5 and 327.5 clip.
    assert sr.dtype == np.uint8
    assert sr.shape == (4, 8, 3)
    assert (sr[:, :4] == [0, 126, 255]).all()
    assert (sr[:, 4:] == [255, 255, 255]).all()


def test_a_grey_picture_stays_grey_by_the_mean_of_the_channels() -> None:
    sr = evaluate.network_upscaler(Fixed())(np.full((2, 3), 50, np.uint8))
    assert sr.shape == (8, 12)
    assert (sr == 50 + round(255 * 0.2)).all()


def test_a_network_is_recorded_with_its_weights(
    found: dict[str, Benchmark], weights_file: Path, tmp_path: Path
) -> None:
    row = evaluate.evaluate(["smsrn"], ["Set5"], scale=4, results=tmp_path, weights_file=weights_file)[0]
    assert row.record
    assert row.record.key.weights == weights.digest(weights_file)
    assert row.record.training == {"step": 10, "paper_fraction": 0.01}
    assert str(tmp_path) not in records.to_json(row.record)
    stage = {"step": 8, "seed": 3, "recipe_digest": "ab", "data": "3 images of a set", "precision": "bf16"}
    facts = {"model": "smsrn", "scale": 4, "step": 10, "earlier": [{**stage, "machine": "a machine"}]}
    weights.write(restarted := tmp_path / "restarted.safetensors", build("smsrn"), facts)
    assert evaluate.subject("smsrn", 4, restarted).training == {"step": 10, "earlier": [stage]}
    network = build("smsrn")
    weights.load_file(network, weights_file, model="smsrn", scale=4)
    lr = imresize(read_image(found["Set5"].images[0].path)[:48, :40], 1 / 4).astype(np.float32) / 255
    with torch.no_grad():
        output = network.eval()(torch.from_numpy(lr.transpose(2, 0, 1))[None])[0].numpy().transpose(1, 2, 0)
    expected = np.clip(np.round(255 * output), 0, 255).astype(np.uint8)
    hr = read_image(found["Set5"].images[0].path)[:48, :40]
    assert row.record.images[0].psnr_y == pytest.approx(psnr(expected, hr, table_protocols(4)["luma"]), abs=0.01)


def test_what_is_recorded_is_not_measured_again(
    found: dict[str, Benchmark], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(force: bool = False) -> evaluate.Row:
        return evaluate.evaluate(["bicubic"], ["Set5"], scale=4, results=tmp_path / "results", force=force)[0]

    assert run().status == "measured now"
    with monkeypatch.context() as patch:
        patch.setattr(evaluate, "measure", lambda *_: pytest.fail("measured again"))
        again = run()
    assert again.record
    assert again.status == evaluate.recorded(again.record)
    assert run(force=True).status == "measured now"
    write_image(found["Set5"].images[0].path, picture(3))
    assert run().status == "measured now"
    assert len(records.load_all(tmp_path / "results")) == 2


def test_an_untrained_network_is_never_run(
    found: dict[str, Benchmark],
    no_weights: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(evaluate, "measure", lambda *_: pytest.fail("ran with random weights"))
        with pytest.raises(UserError, match="smsrn x4: no weights are shipped for it, so that it needs --weights"):
            evaluate.main(["--model", "smsrn", "--benchmark", "Set5", "--results", str(tmp_path / "results")])
    evaluate.main(["--benchmark", "Set5", "--results", str(tmp_path / "results")])
    assert "smsrn x4: not trained" in capsys.readouterr().out
    assert [record.key.model for record in records.load_all(tmp_path / "results")] == ["bicubic"]


def test_without_the_images_the_recorded_values_are_shown(
    found: dict[str, Benchmark], no_weights: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--model", "bicubic", "--results", str(tmp_path / "results")]
    evaluate.main(arguments)
    first = capsys.readouterr().out
    assert "measured now" in first
    assert "not here and not recorded: B100, Set14, Urban100" in first
    found.clear()
    evaluate.main([*arguments, "--benchmark", "Set5"])
    shown = capsys.readouterr().out
    assert "measured now" not in shown
    made = records.load_all(tmp_path / "results")[0]
    assert f"recorded {made.environment['date']} on {made.environment['machine']}" in shown
    assert f"{made.mean('psnr_y'):.2f}" in shown
    with pytest.raises(UserError, match="B100: not in the data folder"):
        evaluate.main([*arguments, "--benchmark", "Set5", "B100"])


def test_images_are_saved_on_request(found: dict[str, Benchmark], tmp_path: Path) -> None:
    for _ in range(2):  # the second time the measurement is recorded already
        out = tmp_path / "out"
        evaluate.main(
            ["--model", "bicubic", "--benchmark", "Set5", "--results", str(tmp_path), "--save-images", str(out)]
        )
        saved = read_image(out / "Set5" / "bird_x4_bicubic.png")
        hr = read_image(found["Set5"].images[0].path)[:48, :40]
        assert (saved == imresize(imresize(hr, 1 / 4), 4)).all()
        assert read_image(out / "Set5" / "bridge_x4_bicubic.png").ndim == 2
        (out / "Set5" / "bird_x4_bicubic.png").unlink()


@pytest.mark.parametrize(("height", "width"), [(1, 1), (18, 60), (60, 19)])
def test_an_image_too_small_is_named(found: dict[str, Benchmark], tmp_path: Path, height: int, width: int) -> None:
    write_image(tmp_path / "tiny.png", np.zeros((height, width, 3), np.uint8))
    found["Set5"] = Benchmark("Set5", (BenchmarkImage("tiny", tmp_path / "tiny.png"),))
    with pytest.raises(UserError, match=rf"tiny.png: expected at least 20x20 pixels for x4, got {height}x{width}"):
        evaluate.evaluate(["bicubic"], ["Set5"], scale=4, results=tmp_path / "results")


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
def test_the_smallest_size_is_enough(found: dict[str, Benchmark], tmp_path: Path, scale: int) -> None:
    side = -(-(11 + 2 * scale) // scale) * scale
    write_image(tmp_path / "small.png", picture(4, side, side))
    found["Set5"] = Benchmark("Set5", (BenchmarkImage("small", tmp_path / "small.png"),))
    row = evaluate.evaluate(["bicubic"], ["Set5"], scale=scale, results=tmp_path / "results")[0]
    assert row.record
    assert row.record.key.scale == scale


def test_a_flat_picture_is_recorded_as_infinite(found: dict[str, Benchmark], tmp_path: Path) -> None:
    write_image(tmp_path / "flat.png", np.full((40, 40, 3), 90, np.uint8))
    found["Set5"] = Benchmark("Set5", (BenchmarkImage("flat", tmp_path / "flat.png"),))
    row = evaluate.evaluate(["bicubic"], ["Set5"], scale=4, results=tmp_path / "results")[0]
    assert records.load_all(tmp_path / "results") == [row.record]
    assert "inf" in evaluate.table([row])


@pytest.mark.parametrize(
    "arguments",
    [["--model", "srcnn"], ["--scale", "5"], ["--benchmark", "Set6"], ["--threads", "0"]],
)
def test_values_that_cannot_be_exit_with_status_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        evaluate.main(arguments)
    assert caught.value.code == 2
    assert arguments[-1] in capsys.readouterr().err


@pytest.mark.parametrize("scale", [1, 5])
def test_an_unknown_scale_is_named(scale: int) -> None:
    with pytest.raises(UserError, match=f"unknown scale {scale}"):
        evaluate.subject("bicubic", scale)


@pytest.mark.parametrize("models", [["bicubic"], ["smsrn", "msrn"]])
def test_weights_need_exactly_one_network(models: list[str], weights_file: Path) -> None:
    with pytest.raises(UserError, match="--weights: expected one network"):
        evaluate.main(["--model", *models, "--weights", str(weights_file)])


def test_weights_of_another_model_are_refused(found: dict[str, Benchmark], weights_file: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"trained\.safetensors"):
        evaluate.main(["--model", "msrn", "--weights", str(weights_file), "--results", str(tmp_path)])


def test_a_damaged_record_stops_before_anything_is_written(found: dict[str, Benchmark], tmp_path: Path) -> None:
    (tmp_path / "records").mkdir()
    (tmp_path / "records" / "old.json").write_text("{")
    with pytest.raises(UserError, match=r"old\.json"):
        evaluate.main(["--model", "bicubic", "--benchmark", "Set5", "--results", str(tmp_path)])
    assert [path.name for path in (tmp_path / "records").iterdir()] == ["old.json"]


def test_the_shipped_weights_are_the_ones_that_count(
    weights_file: Path, found: dict[str, Benchmark], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluate.evaluate(["smsrn"], ["Set5"], scale=4, results=tmp_path, weights_file=weights_file)
    known = records.load_all(tmp_path)
    monkeypatch.setattr(evaluate.weights, "shipped", lambda model, scale: weights_file if model == "smsrn" else None)
    assert evaluate.recorded_row(known, "Set5", "smsrn", 4).record == known[0]
    assert evaluate.recorded_row(known, "Set14", "smsrn", 4).status == "not measured"
    assert evaluate.recorded_row(known, "Set5", "msrn", 4).status == "not trained"
    torch.manual_seed(1)
    weights.write(weights_file, build("smsrn"), {"model": "smsrn", "scale": 4})
    assert evaluate.recorded_row(known, "Set5", "smsrn", 4).status == "not measured"


def test_a_public_checkpoint_is_measured_as_the_same_weights(found: dict[str, Benchmark], tmp_path: Path) -> None:
    """Its biases are those of 0..255, and two layers shift the mean; names as a wrapper and an average leave them."""
    torch.manual_seed(0)
    model = build("msrn")
    weights.write(tmp_path / "own.safetensors", model, {"model": "msrn", "scale": 4}, dtype=torch.float32)
    state = {name: value * 255 if name.endswith("bias") else value for name, value in model.state_dict().items()}
    for kind, sign in (("sub", -1), ("add", 1)):
        state[f"{kind}_mean.weight"] = torch.eye(3).view(3, 3, 1, 1)
        state[f"{kind}_mean.bias"] = sign * 255 * model.mean.flatten()
    torch.save({"params_ema": {f"module.{name}": value for name, value in state.items()}}, tmp_path / "public.pt")
    means = []
    for name in ("own.safetensors", "public.pt"):
        options = ["--model", "msrn", "--benchmark", "Set5", "--results", str(tmp_path / name[:3])]
        evaluate.main([*options, "--weights", str(tmp_path / name)])
        (record,) = records.load_all(tmp_path / name[:3])
        assert record.key.weights == weights.digest(tmp_path / name)
        means.append(record.mean("psnr_y"))
    assert means[0] == pytest.approx(means[1], abs=1e-3)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--results", "file"], "cannot write into .*records: .*file is not a folder"),
        (
            ["--results", "results", "--save-images", "file/images"],
            "cannot write into .*images: .*file is not a folder",
        ),
    ],
)
def test_a_folder_that_cannot_be_is_known_before_measuring(
    found: dict[str, Benchmark], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], words: str
) -> None:
    (tmp_path / "file").write_text("mine")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(evaluate, "measure", lambda *_: pytest.fail("measured for nothing"))
    with pytest.raises(UserError, match=words):
        evaluate.main(["--model", "bicubic", "--benchmark", "Set5", *options])
    assert (tmp_path / "file").read_text() == "mine"
