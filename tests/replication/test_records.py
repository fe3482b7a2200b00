"""Records: what is kept, what is refused, and that a repeated measurement changes no file."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from replication import records
from replication.errors import UserError
from replication.records import Evaluation, ImageResult, Key


def image(name: str = "baby", **values: float) -> ImageResult:
    numbers = {
        "psnr_y": 31.25,
        "ssim_y": 0.9,
        "psnr_rgb": 29.5,
        "ssim_rgb": 0.85,
        "psnr_unrounded": 31.27,
        "ssim_unrounded": 0.901,
        "psnr_public_code": 31.27,
        "seconds": 0.5,
    }
    return ImageResult(name, 64, 48, **(numbers | values))


def record(**changes: object) -> Evaluation:
    key = Key("smsrn", "ab" * 32, "cd" * 32, records.protocols(4), 4)
    environment = {"python": "3.12", "torch": "2", "machine": "a computer", "date": "2026-01-02"}
    made = Evaluation(key, "Set5", (image(), image("bird")), {"step": 7}, environment, "python -m replication.evaluate")
    return replace(made, **changes)  # type: ignore[arg-type]


def test_a_record_survives_the_file(tmp_path: Path) -> None:
    made = record()
    assert records.save(tmp_path, made) == tmp_path / "records" / made.file_name
    assert records.load_all(tmp_path) == [made]


def test_the_name_tells_the_key_apart() -> None:
    made = record()
    assert made.file_name == f"Set5-x4-smsrn-{made.key.digest[:8]}.json"
    others = [
        replace(made.key, model="msrn"),
        replace(made.key, weights=None),
        replace(made.key, data="ef" * 32),
        replace(made.key, protocol=records.protocols(2)),
        replace(made.key, scale=2),
    ]
    assert len({key.digest for key in [made.key, *others]}) == 6


def test_means_are_of_unrounded_values() -> None:
    made = record(images=(image(psnr_y=30.004), image("bird", psnr_y=30.005)))
    assert made.mean("psnr_y") == pytest.approx(30.0045, abs=1e-12)


def test_equal_images_have_an_infinite_psnr_and_valid_json() -> None:
    made = record(images=(image(psnr_y=math.inf), image("bird")))
    text = records.to_json(made)
    assert json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert json.loads(text)["images"][0]["psnr_y"] is None
    assert records.from_json(text, "here", Evaluation) == made
    assert made.mean("psnr_y") == math.inf


def test_the_same_measurement_on_another_day_leaves_the_file_alone(tmp_path: Path) -> None:
    made = record()
    path = records.save(tmp_path, made)
    assert path
    before = path.read_bytes()
    later = replace(
        made,
        images=tuple(replace(one, seconds=9.0) for one in made.images),
        environment={**made.environment, "date": "2027-03-04"},
    )
    assert records.save(tmp_path, later) is None
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "changes",
    [
        {"images": (image(psnr_y=31.2500001), image("bird"))},
        {"environment": {"python": "3.12", "torch": "3", "machine": "a computer", "date": "2026-01-02"}},
        {"training": {"step": 8}},
    ],
)
def test_another_measurement_replaces_the_file(tmp_path: Path, changes: dict[str, object]) -> None:
    records.save(tmp_path, record())
    assert records.save(tmp_path, record(**changes))
    assert records.load_all(tmp_path) == [record(**changes)]


def test_no_folder_means_no_records(tmp_path: Path) -> None:
    assert records.load_all(tmp_path / "nothing") == []


DAMAGES = {
    "cut short": lambda text: text[: len(text) // 2],
    "no json": lambda text: "hello",
    "a list": lambda text: "[]",
    "a field less": lambda text: text.replace('"ssim_rgb": 0.85,', "", 1),
    "an unknown field": lambda text: text.replace('"seconds": 0.5,', '"seconds": 0.5, "lpips": 1,', 1),
    "a text for a number": lambda text: text.replace("31.25", '"31.25"', 1),
    "not a number": lambda text: text.replace("31.25", "NaN", 1),
    "ssim without a value": lambda text: text.replace('"ssim_y": 0.9', '"ssim_y": null', 1),
    "no image": lambda text: json.dumps(json.loads(text) | {"images": []}),
    "another key": lambda text: text.replace("ab" * 32, "ba" * 32),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_a_damaged_record_is_named_and_not_overwritten(tmp_path: Path, damage: object) -> None:
    assert callable(damage)
    path = records.save(tmp_path, record())
    assert path
    damaged = damage(path.read_text())
    assert damaged != path.read_text()
    path.write_text(damaged)
    with pytest.raises(UserError, match=path.name) as caught:
        records.load_all(tmp_path)
    assert "\n" not in str(caught.value)
    assert path.read_text() == damaged


def test_saving_over_a_damaged_record_is_refused(tmp_path: Path) -> None:
    path = records.save(tmp_path, record())
    assert path
    path.write_text("{")
    with pytest.raises(UserError, match=path.name):
        records.save(tmp_path, record())
    assert path.read_text() == "{"


@pytest.mark.parametrize("place", ["results", "results/below"])
def test_a_file_in_place_of_the_folder_is_said_before_measuring(tmp_path: Path, place: str) -> None:
    (tmp_path / "results").write_text("mine")
    with pytest.raises(UserError, match="cannot write"):
        records.check_writable(tmp_path / place)
    with pytest.raises(UserError, match="cannot write"):
        records.save(tmp_path / place, record())
    assert (tmp_path / "results").read_text() == "mine"


def test_checking_leaves_nothing_behind(tmp_path: Path) -> None:
    records.check_writable(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_find_takes_the_newest_with_these_weights_and_protocols() -> None:
    made = record()
    newer = replace(made, key=replace(made.key, data="00" * 32), environment={**made.environment, "date": "2026-05-06"})
    other_weights = replace(made, key=replace(made.key, weights="99" * 32))
    other_protocol = replace(newer, key=replace(made.key, protocol={"luma": {"shave": 0}}))
    known = [newer, made, other_weights, other_protocol]
    wanted = {"benchmark": "Set5", "model": "smsrn", "scale": 4, "weights": "ab" * 32}
    assert records.find(known, **wanted) is newer  # type: ignore[arg-type]
    assert records.find(known, **(wanted | {"weights": None})) is None  # type: ignore[arg-type]
    assert records.find(known, **(wanted | {"benchmark": "Set14"})) is None  # type: ignore[arg-type]


def test_the_largest_difference_is_over_images_and_channels() -> None:
    old = record(images=(image(psnr_y=math.inf), image("bird")))
    new = record(images=(image(psnr_y=math.inf, ssim_rgb=0.8499), image("bird", psnr_rgb=29.7)))
    assert records.largest_difference(old, new) == (pytest.approx(0.2), pytest.approx(0.0001))
    assert records.largest_difference(old, old) == (0, 0)


def test_the_environment_names_versions_and_no_host() -> None:
    found = records.environment()
    assert set(found) == {"python", "torch", "numpy", "scikit-image", "replication", "machine", "date"}
    assert "cores" in found["machine"]
