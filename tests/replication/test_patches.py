import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader

from replication.data import patches
from replication.data.patches import Pairs, PatchDataset
from replication.errors import UserError
from replication.images.io import read_image, write_image
from replication.images.resize import crop_to_multiple, imresize
from replication.train import load_batches


def noise(height: int, width: int, seed: int) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three small images: two of noise, one grey."""
    path = tmp_path / "images"
    path.mkdir()
    write_image(path / "a.png", noise(50, 44, 0))
    write_image(path / "b.png", noise(41, 63, 1))
    write_image(path / "c.png", noise(48, 48, 2)[:, :, 0])
    return path


def prepare(folder: Path, scaling: tuple[float, ...] = (1.0,), scale: int = 4) -> Pairs:
    sources = [patches.Source(path) for path in patches.list_images(folder, "any")]
    return patches.prepare(sources, scale, scaling, folder.parent / "cache")


def dataset(pairs: Pairs, **changes: Any) -> PatchDataset:
    return PatchDataset(pairs, **{"hr_patch": 32, "flips": True, "rotations": True, "seed": 0, **changes})


# -- which images ------------------------------------------------------------------------------------------------------


def test_images_are_sorted_and_other_files_are_left_out(folder: Path) -> None:
    for name in ("readme.txt", ".hidden.png"):
        (folder / name).touch()
    assert [path.name for path in patches.list_images(folder, "any")] == ["a.png", "b.png", "c.png"]


def test_a_missing_folder_a_file_and_an_empty_folder_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"expected a folder at .*none, found nothing"):
        patches.list_images(tmp_path / "none", "any")
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"expected a folder at .*file, found a file"):
        patches.list_images(tmp_path / "file", "any")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"empty holds no image"):
        patches.list_images(tmp_path / "empty", "any")


def test_missing_div2k_images_are_named_and_its_validation_images_left_out(tmp_path: Path) -> None:
    for number in range(1, 811):
        (tmp_path / f"{number:04d}.png").touch()
    assert [path.name for path in patches.list_images(tmp_path, "DIV2K")] == list(patches.DIV2K_TRAINING)
    for name in ("0005.png", "0800.png"):
        (tmp_path / name).unlink()
    with pytest.raises(UserError, match=r"800 training images, 2 missing: 0005\.png, 0800\.png"):
        patches.list_images(tmp_path, "DIV2K")


# -- what is prepared --------------------------------------------------------------------------------------------------


def test_pairs_are_the_cropped_image_and_our_bicubic_of_it(folder: Path) -> None:
    pairs = prepare(folder)
    assert [(pair.name, pair.height, pair.width) for pair in pairs.index] == [
        ("images/a.png", 48, 44), ("images/b.png", 40, 60), ("images/c.png", 48, 48),
    ]  # fmt: skip
    for pair, original in zip(pairs.index, (noise(50, 44, 0), noise(41, 63, 1)), strict=False):
        hr, lr = pairs.images(pair)
        assert np.array_equal(hr, original[: pair.height, : pair.width])
        assert np.array_equal(lr, imresize(hr, 1 / 4))
    hr, _ = pairs.images(pairs.index[2])
    assert np.array_equal(hr, np.repeat(noise(48, 48, 2)[:, :, :1], 3, axis=2))


def test_shrunk_copies_are_made_of_every_image(folder: Path) -> None:
    pairs = prepare(folder, scaling=(1.0, 0.5))
    assert [(pair.name, pair.scaling) for pair in pairs.index[:2]] == [("images/a.png", 1.0), ("images/a.png", 0.5)]
    hr, lr = pairs.images(pairs.index[1])
    assert np.array_equal(hr, imresize(noise(50, 44, 0), 0.5)[:24, :20])
    assert np.array_equal(lr, imresize(hr, 1 / 4))


def test_prepared_images_are_used_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = prepare(folder)

    def fail(*arguments: object) -> None:
        pytest.fail("images were prepared a second time")

    monkeypatch.setattr(patches, "_fill", fail)
    again = prepare(folder)
    assert (again.index, again.digest) == (first.index, first.digest)
    assert np.array_equal(again.hr, first.hr)


def test_a_changed_image_is_prepared_anew(folder: Path) -> None:
    first = prepare(folder)
    write_image(folder / "a.png", noise(50, 44, 9))
    second = prepare(folder)
    assert first.digest != second.digest
    assert np.array_equal(second.images(second.index[0])[0], noise(50, 44, 9)[:48, :44])


def test_another_scale_or_scaling_is_prepared_beside_the_first(folder: Path) -> None:
    first, other, shrunk = prepare(folder), prepare(folder, scale=2), prepare(folder, scaling=(1.0, 0.9))
    assert len({pairs.folder for pairs in (first, other, shrunk)}) == 3
    assert len({pairs.digest for pairs in (first, other, shrunk)}) == 1, "the originals are the same"


@pytest.mark.parametrize("failure", [KeyboardInterrupt(), OSError(28, "No space left on device")])
def test_an_interrupted_preparation_leaves_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch, failure: BaseException
) -> None:
    calls = []

    def resize(image: NDArray[np.uint8], scale: float) -> NDArray[np.uint8]:
        calls.append(scale)
        if len(calls) == 2:
            raise failure
        return imresize(image, scale).astype(np.uint8)

    monkeypatch.setattr(patches, "imresize", resize)
    expected = UserError if isinstance(failure, OSError) else KeyboardInterrupt
    with pytest.raises(expected):
        prepare(folder)
    assert len(calls) == 2
    assert list((folder.parent / "cache").iterdir()) == []


def test_two_runs_that_prepare_the_same_images_do_not_disturb_each_other(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill = patches._fill

    def slower(*arguments: Any) -> None:
        fill(*arguments)
        monkeypatch.setattr(patches, "_fill", fill)
        prepare(folder)  # the other run is done first

    monkeypatch.setattr(patches, "_fill", slower)
    assert len(prepare(folder).index) == 3
    assert len(list((folder.parent / "cache").iterdir())) == 1


def test_a_cache_that_cannot_be_written_is_one_clear_line(folder: Path) -> None:
    (folder.parent / "cache").touch()
    with pytest.raises(UserError, match="cannot write training cache"):
        prepare(folder)


@pytest.mark.parametrize("name", ["hr", "lr", "index.json"])
def test_a_damaged_cache_is_named(folder: Path, name: str) -> None:
    file = prepare(folder).folder / name
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(UserError, match=r"cache .* is damaged: remove it"):
        prepare(folder)


def test_every_image_that_cannot_be_used_is_named(folder: Path) -> None:
    (folder / "d.png").write_bytes((folder / "a.png").read_bytes()[:500])
    (folder / "e.png").write_bytes(b"no image")
    write_image(folder / "f.png", noise(3, 40, 3))
    with pytest.raises(UserError) as error:
        prepare(folder)
    assert str(error.value).startswith("3 training image(s)")
    assert all(name in str(error.value) for name in ("d.png", "e.png", "f.png"))
    assert "a.png" not in str(error.value)
    assert "\n" not in str(error.value)


def test_an_image_that_has_gone_is_named(folder: Path) -> None:
    paths = patches.list_images(folder, "any")
    paths[1].unlink()
    with pytest.raises(UserError, match=r"cannot read training image .*b\.png"):
        patches.prepare([patches.Source(path) for path in paths], 4, (1.0,), folder.parent / "cache")


def test_pickling_carries_the_folder_and_not_the_pixels(folder: Path) -> None:
    pairs = prepare(folder)
    index = pairs.folder / "index.json"
    index.write_text(index.read_text().replace(pairs.digest, "0" * 64))
    copy = pickle.loads(pickle.dumps(pairs))
    assert copy.digest == "0" * 64, "must have been opened anew"
    assert np.array_equal(copy.lr, pairs.lr)


# -- what a sample is --------------------------------------------------------------------------------------------------


def test_an_item_depends_on_seed_and_index_and_on_nothing_else(folder: Path) -> None:
    pairs = prepare(folder)
    forward = [dataset(pairs)[index] for index in range(12)]
    data = dataset(pairs)
    backward = [data[index] for index in reversed(range(12))][::-1]
    assert all(
        torch.equal(a, b) for one, two in zip(forward, backward, strict=True) for a, b in zip(one, two, strict=True)
    )
    other = dataset(pairs, seed=1)
    assert not any(torch.equal(forward[index][1], other[index][1]) for index in range(12))
    assert not any(torch.equal(forward[index][1], forward[index + 1][1]) for index in range(11))


def test_loader_processes_do_not_change_the_data(folder: Path) -> None:
    data = dataset(prepare(folder))
    plain, workers = (
        list(DataLoader(data, batch_sampler=patches.batches(range(3), 4, 0, 1), num_workers=count)) for count in (0, 2)
    )
    assert len(plain) == 3
    for one, two in zip(plain, workers, strict=True):
        assert torch.equal(one[0], two[0])
        assert torch.equal(one[1], two[1])


def test_low_resolution_patches_lie_where_the_original_does_in_every_orientation(folder: Path) -> None:
    data = dataset(prepare(folder))
    for index in range(40):
        low, high = data[index]
        assert (low.shape, high.shape) == ((3, 8, 8), (3, 32, 32))
        assert low.dtype == high.dtype == torch.uint8
        expected = imresize(high.permute(1, 2, 0).numpy(), 1 / 4).transpose(2, 0, 1)
        # At the patch's border the kernel sees other pixels; rounding after each pass depends on the order of the axes.
        difference = low.numpy().astype(int)[:, 2:-2, 2:-2] - expected.astype(int)[:, 2:-2, 2:-2]
        assert np.abs(difference).max() <= 1


@pytest.mark.parametrize(
    ("flips", "rotations", "count"), [(True, True, 8), (False, True, 4), (True, False, 2), (False, False, 1)]
)
def test_the_orientations_are_those_that_the_recipe_names(
    tmp_path: Path, flips: bool, rotations: bool, count: int
) -> None:
    image = noise(32, 32, 5)
    (tmp_path / "images").mkdir()
    write_image(tmp_path / "images" / "only.png", image)
    data = dataset(prepare(tmp_path / "images"), flips=flips, rotations=rotations)
    allowed = [np.rot90(image, turns) for turns in range(4 if rotations else 1)]
    allowed += [turned[:, ::-1] for turned in allowed] if flips else []
    seen = set()
    for index in range(100):
        high = data[index][1].permute(1, 2, 0).numpy()
        (which,) = (number for number, candidate in enumerate(allowed) if np.array_equal(high, candidate))
        seen.add(which)
    assert len(seen) == len(allowed) == count


def test_positions_reach_every_corner(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    rows, columns = np.mgrid[:40, :40].astype(np.uint8)
    write_image(tmp_path / "images" / "grid.png", np.stack([rows, columns, rows], axis=2))
    data = dataset(prepare(tmp_path / "images"), flips=False, rotations=False)
    corners = {tuple(data[index][1][:2, 0, 0].tolist()) for index in range(100)}
    assert corners == {(top, left) for top in (0, 4, 8) for left in (0, 4, 8)}


def test_an_image_smaller_than_a_patch_is_named(folder: Path) -> None:
    with pytest.raises(UserError, match=r"b\.png is smaller than a patch: expected at least 44x44 pixels, got 40x60"):
        dataset(prepare(folder), hr_patch=44)


def test_an_image_too_small_is_named_beside_a_larger_one_of_its_name(folder: Path) -> None:
    sources = [patches.Source(folder / "a.png", factor) for factor in (1.0, 0.5)]
    with pytest.raises(UserError, match=r"a\.png is smaller than a patch: expected at least 32x32 pixels, got 24x20"):
        dataset(patches.prepare(sources, 4, (1.0,), folder.parent / "cache"))


def test_a_shrunk_copy_smaller_than_a_patch_is_left_out(folder: Path) -> None:
    data = dataset(prepare(folder, scaling=(1.0, 0.9, 0.5)))
    assert [(pair.name, pair.scaling) for pair in data.fits] == [
        (f"images/{name}.png", scaling) for name in "abc" for scaling in (1.0, 0.9)
    ]
    for index in range(20):
        assert data[index][1].shape == (3, 32, 32)


def test_a_patch_that_is_no_multiple_of_the_scale_names_the_recipe_key(folder: Path) -> None:
    with pytest.raises(UserError, match="'hr_patch': expected a multiple of the scale 4, got 30"):
        dataset(prepare(folder), hr_patch=30)


# -- how processes share -----------------------------------------------------------------------------------------------


def test_the_shares_of_all_processes_make_up_the_batch() -> None:
    whole = [list(batch) for batch in patches.batches(range(3, 6), 6, 0, 1)]
    assert whole == [[18, 19, 20, 21, 22, 23], [24, 25, 26, 27, 28, 29], [30, 31, 32, 33, 34, 35]]
    shares = [[list(batch) for batch in patches.batches(range(3, 6), 6, rank, 3)] for rank in range(3)]
    assert [[*one, *two, *three] for one, two, three in zip(*shares, strict=True)] == whole


def test_a_batch_that_cannot_be_shared_evenly_is_refused_at_once() -> None:
    with pytest.raises(UserError, match="'batch_size': 10 cannot be shared by 3 processes"):
        patches.batches(range(0), 10, 0, 3)


# -- shrunk folders, sampling by area, samples gathered on a device ----------------------------------------------------


def test_a_source_is_shrunk_before_anything_else(folder: Path) -> None:
    path = folder / "a.png"
    half = patches.prepare([patches.Source(path, 0.5)], 4, (1.0,), folder.parent / "cache")
    whole = patches.prepare([patches.Source(path)], 4, (1.0,), folder.parent / "cache")
    expected = crop_to_multiple(imresize(read_image(path), 0.5), 4)
    np.testing.assert_array_equal(half.images(half.index[0])[0], expected)
    assert half.digest != whole.digest
    assert half.folder != whole.folder


def test_by_area_large_images_are_drawn_more_often(tmp_path: Path) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    for name, side in (("large", 96), ("small", 32)):
        write_image(folder / f"{name}.png", np.zeros((side, side, 3), np.uint8))
    pairs = prepare(folder)
    for sampling, expected in (("image", 0.5), ("area", 0.9)):
        data = PatchDataset(pairs, hr_patch=32, flips=False, rotations=False, seed=0, sampling=sampling)
        drawn = [data.place(index).pair.name == "images/large.png" for index in range(2000)]
        assert np.mean(drawn) == pytest.approx(expected, abs=0.03)


@pytest.mark.parametrize("free", [-1, 0])
def test_a_gpu_that_cannot_hold_all_images_is_fed_by_loaders(
    folder: Path, free: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs = prepare(folder)
    needed = 2 * (pairs.hr.size + pairs.lr.size)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (needed + free, 0))
    assert patches.fits(pairs, torch.device("cuda")) == (free == 0)
    assert patches.fits(pairs, torch.device("cpu"))
    data = PatchDataset(pairs, hr_patch=32, flips=False, rotations=False, seed=0, sampling="area")
    monkeypatch.setattr(patches, "fits", lambda pairs, device: False)
    monkeypatch.setattr(patches, "ResidentPatches", None)
    batches = load_batches(data, [[0, 1]], workers=0, device=torch.device("meta"), layout=torch.channels_last)
    assert [(one.device.type, tuple(one.shape)) for pair in batches for one in pair] == [
        ("meta", (2, 3, 8, 8)), ("meta", (2, 3, 32, 32)),
    ]  # fmt: skip


@pytest.mark.parametrize(("flips", "rotations"), [(True, True), (True, False), (False, True), (False, False)])
def test_gathering_on_a_device_gives_the_same_samples(folder: Path, flips: bool, rotations: bool) -> None:
    pairs = prepare(folder, scaling=(1.0, 0.9))
    data = PatchDataset(pairs, hr_patch=32, flips=flips, rotations=rotations, seed=3, sampling="area")
    resident = patches.ResidentPatches(data, torch.device("cpu"))
    low, high = resident.batch(range(40, 80))
    assert (low.shape, high.shape) == ((40, 3, 8, 8), (40, 3, 32, 32))
    turned = {(data.place(index).turns, data.place(index).mirror) for index in range(40, 80)}
    assert len(turned) == (4 if rotations else 1) * (2 if flips else 1)
    for row, index in enumerate(range(40, 80)):
        assert torch.equal(low[row], data[index][0])
        assert torch.equal(high[row], data[index][1])
