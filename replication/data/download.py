"""Getting the image sets that have a stable public address.

An archive is downloaded to ``<data>/downloads`` through pooch, with a downloader that continues an interrupted
``.part`` file (HTTP range requests). Its images are then copied to a hidden folder next to their destination, checked
there, and moved to their place in one step: a set is either complete and right, or not there at all. Existing folders
are never replaced.

Checks: benchmarks by the pixels of every image (`replication.data.benchmarks`); training sets by the SHA-256 of the
archive and the number of images. The archives' SHA-256 are those that other projects recorded: DIV2K's stand in
TensorFlow Datasets (``url_checksums/div2k.txt``), BSDS500's in several independent public repositories.
"""

import gzip
import http.client
import re
import shutil
import ssl
import tarfile
import tempfile
import time
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

import pooch
from tqdm import tqdm

from replication.data import benchmarks
from replication.errors import DamagedFileError, UserError

ATTEMPTS = 5  # in a row without a single new byte
TIMEOUT = 60.0  # seconds without an answer
CHUNK = 1 << 20
IMAGE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*\.(png|jpg|bmp)", re.IGNORECASE)


@dataclass(frozen=True)
class Archive:
    """A published file: its address, its size in MB (for the reader), and its SHA-256 where known."""

    url: str
    megabytes: int
    sha256: str | None = None


@dataclass(frozen=True)
class Source:
    """Where a set is published, and which folders of ``archive`` make up ``destination`` below the data folder."""

    name: str
    published: str
    images: int
    archive: Archive
    folders: tuple[str, ...]
    destination: str


EDSR = Archive("https://cv.snu.ac.kr/research/EDSR/benchmark.tar", 250)


def _from_edsr(name: str, published: str, images: int) -> Source:
    """A set of the EDSR authors' archive, which keeps its place."""
    folder = f"benchmark/{name}/HR"
    return Source(name, f"{published}; copy of the EDSR authors", images, EDSR, (folder,), folder)


BERKELEY = "https://www2.eecs.berkeley.edu/Research/Projects/CS/vision/grouping"
BSDS300 = Archive(f"{BERKELEY}/segbench/BSDS300-images.tgz", 22)
BSDS500 = Archive(
    f"{BERKELEY}/BSR/BSR_bsds500.tgz", 71, "97e49d31764f3912f0c4122707d53062ac9e783ba0f095e447a4d53c1a41af8e"
)
DIV2K_TRAIN = Archive(
    "https://data.vision.ee.ethz.ch/cvl/DIV2K/DIV2K_train_HR.zip",
    3531,
    "9d0b9c463f6e35b6c62cc6a930ee2224f670b34c1df841a57670f9acf0f6c335",
)
DIV2K_VALID = Archive(
    "https://data.vision.ee.ethz.ch/cvl/DIV2K/DIV2K_valid_HR.zip",
    449,
    "20dd31fd84d777bc1cf5d6b7654a3f569c0aec74458ae094122ad1d0489900fc",
)

SOURCES = {
    source.name: source
    for source in (
        _from_edsr("Set5", "Bevilacqua et al., BMVC 2012", 5),
        _from_edsr("Set14", "Zeyde et al., Curves and Surfaces 2010", 14),
        Source(
            "B100",
            "Martin et al., ICCV 2001: the test images of BSDS300",
            100,
            BSDS300,
            ("BSDS300/images/test",),
            "benchmarks/B100",
        ),
        _from_edsr("Urban100", "Huang et al., CVPR 2015 (https://github.com/jbhuang0604/SelfExSR)", 100),
        Source(
            "BSDS400",
            "Arbelaez et al., PAMI 2011: the images of BSDS500 that are not in B100, for training",
            400,
            BSDS500,
            ("BSR/BSDS500/data/images/train", "BSR/BSDS500/data/images/test"),
            "train/BSDS400",
        ),
        Source(
            "DIV2K_train_HR",
            "Agustsson and Timofte, CVPRW 2017: the paper's training images",
            800,
            DIV2K_TRAIN,
            ("DIV2K_train_HR",),
            "DIV2K/DIV2K_train_HR",
        ),
        Source(
            "DIV2K_valid_HR",
            "Agustsson and Timofte, CVPRW 2017: validation images",
            100,
            DIV2K_VALID,
            ("DIV2K_valid_HR",),
            "DIV2K/DIV2K_valid_HR",
        ),
    )
}


def count_images(folder: Path) -> int:
    """The number of image files directly in ``folder``; 0 if there is no such folder."""
    return sum(1 for path in folder.glob("*") if IMAGE_NAME.fullmatch(path.name))


def obtain(source: Source, root: Path) -> Path:
    """Download, check and install one set below ``root``; return its folder. Does nothing if it is there already.

    Raises UserError when the download fails (what has come is kept and continued next time), when the content is not
    what it should be, or when something else is at the destination. Then no file of the set is in its place.
    """
    destination = root / source.destination
    if _present(source, root, destination):
        return destination
    archive = fetch(source.archive, root / "downloads")
    try:
        staging = Path(tempfile.mkdtemp(prefix=".incoming-", dir=root))
    except OSError as error:
        raise UserError(f"cannot write to the data folder {root}: {error.strerror or error}") from error
    try:
        _extract(source, archive, staging / source.destination)
        _check(source, archive, staging)
        destination.parent.mkdir(parents=True, exist_ok=True)
        (staging / source.destination).replace(destination)
    except OSError as error:
        raise UserError(f"cannot write {destination}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return destination


def fetch(archive: Archive, folder: Path) -> Path:
    """Download one archive into ``folder``, with progress bar and resume, and return its path.

    A complete file that is there already is used. Raises UserError when the network fails or the SHA-256 is wrong.
    """
    path = folder / archive.url.rsplit("/", 1)[-1]
    if archive.sha256 is None and path.is_file():
        return path
    pooch.get_logger().setLevel("WARNING")  # its messages repeat what the progress bar says
    with _no_empty_folders(folder):
        try:
            pooch.retrieve(archive.url, archive.sha256, path.name, folder, downloader=continue_download)
        except ValueError as error:  # pooch's word for a wrong hash; it has removed the file
            raise UserError(
                f"{archive.url}: expected a file with SHA-256 {archive.sha256}, got another one; it was removed"
            ) from error
        except OSError as error:
            raise UserError(f"cannot write to {folder}: {error.strerror or error}") from error
    return path


def continue_download(url: str, output_file: str | Path | IO[bytes], _pooch: Any, check_only: bool = False) -> None:
    """A pooch downloader that keeps what has come in ``<archive>.part`` and goes on from there.

    Raises UserError when the server cannot be reached or the transfer stops `ATTEMPTS` times in a row without progress.
    """
    if not isinstance(output_file, str | Path) or check_only:
        raise ValueError("continue_download writes to a path")
    part = Path(output_file).parent / (url.rsplit("/", 1)[-1] + ".part")
    failures = 0
    while True:
        before = _size(part)
        try:
            _transfer(url, part)
            break
        except (urllib.error.URLError, http.client.HTTPException, ssl.SSLError, TimeoutError, ConnectionError) as error:
            failures = 0 if _size(part) > before else failures + 1
            permanent = isinstance(error, urllib.error.HTTPError) and error.code < 500
            unreachable = isinstance(error, urllib.error.URLError) and before == _size(part) == 0
            if permanent or unreachable or failures == ATTEMPTS:
                raise UserError(_failure(url, part, error)) from error
            time.sleep(failures)
    part.replace(output_file)


def _transfer(url: str, part: Path) -> None:
    """Bring ``part`` to the end of ``url``, from where it stands. Raises ConnectionError if the end does not come."""
    have = _size(part)
    request = urllib.request.Request(url, headers={"User-Agent": "replication", "Accept-Encoding": "identity"})
    if have:
        request.add_header("Range", f"bytes={have}-")
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code != 416:  # "range not satisfiable": the part is complete already, or belongs to another file
            raise
        if error.headers.get("Content-Range", "") == f"bytes */{have}":
            return
        part.unlink()
        raise ConnectionResetError("the file on the server has changed; starting again") from error
    with response:
        continued = response.status == 206 and response.headers.get("Content-Range", "").startswith(f"bytes {have}-")
        start = have if continued else 0
        length = response.headers.get("Content-Length")
        total = start + int(length) if length is not None else None
        name = url.rsplit("/", 1)[-1]
        with (
            open(part, "ab" if continued else "wb") as file,
            tqdm(desc=name, total=total, initial=start, unit="B", unit_scale=True) as bar,
        ):
            while chunk := response.read(CHUNK):
                file.write(chunk)
                bar.update(len(chunk))
    if total is not None and _size(part) < total:
        raise ConnectionResetError(f"the connection ended after {_size(part)} of {total} bytes")


def _failure(url: str, part: Path, error: Exception) -> str:
    """One line on a failed download: why, and what is left of it."""
    reason = f"{getattr(error, 'reason', None) or error}"
    if isinstance(error, urllib.error.HTTPError):
        reason = f"HTTP status {error.code} {reason}"
    kept = _size(part)
    left = f"{kept} bytes are kept in {part}: run the command again to continue" if kept else "nothing was written"
    return f"cannot download {url}: {reason}; {left}"


def _size(path: Path) -> int:
    """Size in bytes; 0 for a file that does not exist."""
    return path.stat().st_size if path.exists() else 0


@contextmanager
def _no_empty_folders(folder: Path) -> Iterator[None]:
    """If the work inside fails, remove the folders that it created and left empty."""
    created = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        yield
    except BaseException:
        for path in created:
            with suppress(OSError):  # not empty, or never created
                path.rmdir()
        raise


def _present(source: Source, root: Path, destination: Path) -> bool:
    """Whether a set is there. Raises UserError when its place is taken by something else."""
    if source.name in benchmarks.BENCHMARKS:
        if benchmarks.find(source.name, root) is not None:
            return True
    elif count_images(destination) == source.images:
        return True
    if destination.exists() and not (destination.is_dir() and not any(destination.iterdir())):
        raise UserError(
            f"{destination}: expected the {source.images} images of {source.name} or no such folder, "
            "got something else: move it away first"
        )
    return False


def _extract(source: Source, archive: Path, target: Path) -> None:
    """Copy the set's images from the archive into ``target``, flat.

    Only regular members directly in the wanted folders count, and only their last name is used, checked to be a plain
    image name: no path inside an archive can lead outside ``target``.
    """
    target.mkdir(parents=True)
    try:
        with tqdm(desc=f"extracting {source.name}", total=source.images, unit="image", leave=False) as bar:
            for member, file in _members(archive):
                if str(member.parent) in source.folders and IMAGE_NAME.fullmatch(member.name):
                    with open(target / member.name, "xb") as copy:
                        shutil.copyfileobj(file, copy)
                    bar.update()
    except (tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, EOFError) as error:
        archive.unlink()
        raise UserError(f"{archive}: expected an archive, got a damaged file ({error}); it was removed") from error


def _members(archive: Path) -> Iterator[tuple[PurePosixPath, IO[bytes]]]:
    """The regular files of a tar or zip archive, opened one after the other."""
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive) as bundle:
            for entry in bundle.infolist():
                if not entry.is_dir():
                    with bundle.open(entry) as file:
                        yield PurePosixPath(entry.filename), file
        return
    with tarfile.open(archive) as tape:
        for member in tape:
            content = tape.extractfile(member) if member.isreg() else None
            if content is not None:
                yield PurePosixPath(member.name), content


def _check(source: Source, archive: Path, staging: Path) -> None:
    """Raise UserError unless the extracted set is complete and, for a benchmark, every image is the published one."""
    if source.name in benchmarks.BENCHMARKS:
        try:
            found = benchmarks.find(source.name, staging)
            problems = benchmarks.verify(found) if found else ["no image of the set in it"]
        except DamagedFileError as error:
            problems = [str(error)]
    else:
        count = count_images(staging / source.destination)
        problems = [] if count == source.images else [f"expected {source.images} images, got {count}"]
    if problems:
        found_here = "; ".join(problems).replace(f"{staging}/", "")
        raise UserError(
            f"{source.archive.url} does not hold {source.name} as published: {found_here}; nothing was installed, "
            f"the archive is kept as {archive} (delete it to download it again)"
        )
