"""What a measurement that was cut off has measured already, image by image, so that the next run does only the rest."""

import secrets
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from replication import records
from replication.errors import DamagedFileError
from replication.files import write_text
from replication.records import Evaluation, ImageResult


@dataclass(frozen=True)
class Unfinished:
    """The parts of one measurement, of which ``folder`` holds nothing else; each process writes a file of its own."""

    folder: Path
    own: str = field(default_factory=lambda: f"{secrets.token_hex(8)}.json")

    @classmethod
    def of(cls, results: Path, file_name: str) -> "Unfinished":
        """The parts of the measurement whose record will have that name."""
        return cls(records.folder(results) / "unfinished" / file_name.removesuffix(".json"))

    def found(self, like: Evaluation) -> dict[str, ImageResult]:
        """Images measured under the key and in the environment of ``like``, by name; not what is damaged."""
        images: dict[str, ImageResult] = {}
        for path in sorted(self.folder.glob("*.json")):
            try:
                part = records.from_json(path.read_text(encoding="utf-8"), str(path), Evaluation)
            except (DamagedFileError, OSError, UnicodeDecodeError):
                continue
            if part.key == like.key and _same_place(part, like):
                images |= {image.name: image for image in part.images}
        return images

    def keep(self, part: Evaluation) -> None:
        """Write what this process has measured so far."""
        write_text(self.folder / self.own, records.to_json(part))

    def discard(self) -> None:
        """Remove all parts: the whole is recorded."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _same_place(one: Evaluation, other: Evaluation) -> bool:
    """Whether versions and machine are the same; a run may go on over midnight."""
    return all(one.environment.get(name) == value for name, value in other.environment.items() if name != "date")
