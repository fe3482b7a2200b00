"""The claims of the paper as printed, from claims.toml."""

import tomllib
from dataclasses import dataclass

from analysis import paper


@dataclass(frozen=True)
class Said:
    """One place where the paper makes a claim; ``english`` is empty for equations and cells of a table."""

    where: str
    as_printed: str
    english: str = ""


@dataclass(frozen=True)
class Claim:
    """One claim as printed; see paper/claims.toml for the fields.

    ``implied``: the values are what a reader takes from the words, which do not say so themselves.
    """

    id: str
    kind: str
    values: dict[str, str]
    said: tuple[Said, ...]
    see: str = ""
    implied: bool = False

    @property
    def command(self) -> str:
        """The command that recomputes it."""
        return f"python -m analysis.claims --only {self.id}"


def load() -> list[Claim]:
    """The claims of paper/claims.toml, in the order of the paper."""
    content = tomllib.loads((paper.FOLDER / "claims.toml").read_text(encoding="utf-8"))["claim"]
    return [Claim(**{**entry, "said": tuple(Said(**place) for place in entry["said"])}) for entry in content]
