"""``python -m replication.data``: what image sets are here, whether they are right, and where to get the others."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from tabulate import tabulate
from tqdm import tqdm

from replication.data import benchmarks
from replication.data.download import SOURCES, Source, count_images, obtain
from replication.data.overlap import details, overlaps
from replication.data.patches import list_images
from replication.errors import DamagedFileError, Parser, UserError, run
from replication.files import write_text
from replication.images.io import read_image

DESCRIPTION = """\
Say which image sets are in the data folder, verify every benchmark image by its pixels, and say where the missing
sets are published. With --download, get sets that have a public address. With --overlap, say whether images that you
want to train on show the same picture as a benchmark's, whole or cropped, in any format; one that was resized or turned
as a whole is not found.

The data folder is --data, else $REPLICATION_DATA, else ./data. Benchmarks are found in any of these layouts:
  benchmarks/<set>/*                  any of PNG, BMP, JPEG
  benchmark/<set>/HR/*                as the EDSR authors' archive unpacks
  <set>/image_SRF_4/*_HR.png          as SelfExSR's archives unpack
Training images are expected in train/BSDS400 and DIV2K/DIV2K_train_HR.

Exit status: 0 if everything that is there is right (sets may be absent), 1 if an image is not the published one or
shares its picture with a benchmark, 2 for an error."""

EPILOG = """\
examples:
  python -m replication.data
  python -m replication.data --data ~/datasets
  python -m replication.data --download Set5 B100
  python -m replication.data --overlap ~/photographs
  python -m replication.data --data ~/originals --make-manifest benchmarks.json"""


def parser() -> Parser:
    """The command line."""
    command = Parser(
        prog="python -m replication.data",
        description=DESCRIPTION,
        epilog=EPILOG,
    )
    command.add_data()
    action = command.add_mutually_exclusive_group()
    action.add_argument("--download", nargs="+", metavar="NAME", help=f"sets to download: {', '.join(SOURCES)}")
    action.add_argument(
        "--overlap",
        nargs="+",
        type=Path,
        metavar="FOLDER",
        help="folders of training images to compare with benchmarks",
    )
    action.add_argument(
        "--make-manifest",
        type=Path,
        metavar="FILE",
        help="write the digests of the full images in <data>/benchmarks/<set>/ to FILE; this is how benchmarks.json "
        "was made, and taken as the truth are the images that are there",
    )
    return command


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; the exit status is 1 if an image that is there is wrong. Raises UserError for bad input."""
    arguments = parser().parse_args(argv)
    root = benchmarks.data_root(arguments.data, must_exist=not arguments.download)
    if arguments.make_manifest:
        write_text(arguments.make_manifest, benchmarks.make_manifest(root))
        print(f"wrote {arguments.make_manifest}")
        return 0
    if arguments.overlap:
        return compare(arguments.overlap, root)
    if arguments.download:
        download(arguments.download, root)
        return 0
    return status(root, f" --data {shlex.quote(str(root))}" if arguments.data else "")


def download(names: Sequence[str], root: Path) -> None:
    """Get the named sets, in order. Raises UserError at a failure, and before anything at an unknown name."""
    unknown = [name for name in names if name not in SOURCES]
    if unknown:
        raise UserError(f"unknown set {unknown[0]!r}: expected {', '.join(SOURCES)}")
    for name in dict.fromkeys(names):
        source = SOURCES[name]
        print(f"{name}: {source.published}")
        print(f"{name}: {source.images} images, complete and checked, in {obtain(source, root)}")
    kept = sorted(path for path in (root / "downloads").glob("*") if path.is_file())
    if kept:
        print(f"Archives that may now be deleted: {', '.join(str(path) for path in kept)}")


def compare(folders: Sequence[Path], root: Path) -> int:
    """Print which images of the folders show a picture of a benchmark that is here; return 1 if any does.

    Raises UserError for a folder that is missing or holds no image, and for an image that cannot be read.
    """
    paths = [path for folder in folders for path in list_images(folder, "any")]
    sets = [one for name in (benchmarks.EMBEDDED, *benchmarks.BENCHMARKS) if (one := benchmarks.find(name, root))]
    shown = {f"{one.name} {image.name}": details(image.load()) for one in sets for image in one.images}
    used = {str(path): details(read_image(path)) for path in tqdm(paths, "training images", leave=False)}
    found = overlaps(shown, used)
    for (picture, path), same in found.items():
        print(f"{path} shows {picture} (correlation of details {same:.2f})")
    images = f"{len(paths)} image{'s' if len(paths) > 1 else ''}"
    compared = " and ".join(f"{len(one.images)} of {one.name}" for one in sets)
    sharing = len({path for _, path in found})
    shows = f"{sharing or 'none'} show{'' if sharing > 1 else 's'}"
    print(f"{images}, compared with {compared}: {shows} a picture of them")
    return 1 if found else 0


def status(root: Path, option: str = "") -> int:
    """Print what is there and what is not; return 1 if an image that is there is wrong.

    ``option``: the ``--data`` argument to repeat in the suggested command.
    """
    print(f"Data folder: {root}{'' if root.is_dir() else ' (does not exist)'}\n")
    lines, problems, absent = [("set", "images", "state", "where")], [], []
    for name in (benchmarks.EMBEDDED, *benchmarks.BENCHMARKS):
        try:
            found = benchmarks.find(name, root)
            wrong = benchmarks.verify(found) if found else []
        except DamagedFileError as error:
            found, wrong = None, [str(error)]
        problems += wrong
        if wrong:
            lines.append((name, "", "WRONG", "see below"))
        elif found:
            lines.append((name, str(len(found.images)), "verified", f"{found.folder} ({found.layout})"))
        else:
            lines.append((name, "", "absent", ""))
            absent.append(SOURCES[name])
    for source in (source for source in SOURCES.values() if source.name not in benchmarks.BENCHMARKS):
        count = count_images(root / source.destination)
        if count != source.images:
            absent.append(source)
        state = "for training" if count == source.images else "incomplete" if count else "absent"
        where = str(root / source.destination) if count else ""
        lines.append((source.name, f"{count} of {source.images}" if count else "", state, where))
    print(tabulate(lines[1:], lines[0], tablefmt="plain", disable_numparse=True))
    for problem in problems:
        print(f"\nwrong: {problem}")
    if absent:
        print("\nWhere the missing sets are published:")
        print("\n".join(address(source) for source in absent))
        print(f"\nTo download one: python -m replication.data{option} --download NAME")
    return 1 if problems else 0


def address(source: Source) -> str:
    """Where a set is published, for the terminal."""
    return f"  {source.name}: {source.published}\n    {source.archive.url} ({source.archive.megabytes} MB)"


if __name__ == "__main__":
    run(main)
