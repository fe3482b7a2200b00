"""Problems that a user can fix: one line and an exit status, in kinds where callers distinguish them."""

import argparse
import errno
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What the system says when a disk, a user's share of it or a file is full."""


class UserError(Exception):
    """A problem with the input or the machine, in one line: what was expected, what came."""


class MissingPackageError(UserError):
    """An optional package that is not installed."""


class DamagedFileError(UserError):
    """A file that cannot be read, or whose content is not what it should be."""


class ArgumentError(UserError):
    """An argument of a function that it cannot work with, such as an array of the wrong type or shape."""


class Parser(argparse.ArgumentParser):
    """A command line that reports mistakes in one line, without the usage, and whose help keeps its line breaks."""

    def __init__(self, *, prog: str, description: str | None, epilog: str | None = None) -> None:
        formatter = argparse.RawDescriptionHelpFormatter
        super().__init__(prog=prog, description=description, epilog=epilog, formatter_class=formatter)

    def add_results(self) -> None:
        """Add ``--results``, the results folder."""
        self.add_argument(
            "--results", type=Path, metavar="DIR", default=Path("results"), help="results folder (default: %(default)s)"
        )

    def add_data(self) -> None:
        """Add ``--data``, the data folder."""
        self.add_argument("--data", type=Path, metavar="DIR", help="data folder (default: $REPLICATION_DATA or data)")

    def error(self, message: str) -> NoReturn:
        """Exit with status 2 and ``message``."""
        self.exit(2, f"error: {message} (`{self.prog} --help` says what is expected)\n")


def at_least(smallest: int) -> Callable[[str], int]:
    """An argparse type: a whole number of at least ``smallest``."""

    def number(text: str) -> int:
        if int(text) < smallest:
            raise argparse.ArgumentTypeError(f"expected at least {smallest}, got {text}")
        return int(text)

    return number


def above_zero(largest: float, what: str = "a number") -> Callable[[str], float]:
    """An argparse type: a number above 0 and at most ``largest``; ``what`` it is called in the message."""

    def number(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = 0.0
        if not 0 < value <= largest:
            raise argparse.ArgumentTypeError(f"expected {what} above 0, at most {largest:g}, got {text!r}")
        return value

    return number


def _replace_closed_streams() -> None:
    """Send nowhere what is printed to a stream that was closed before we began: Python has None in its place."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115 - open as long as the process


def run(main: Callable[[Sequence[str] | None], int | None]) -> None:
    """Run a command's ``main`` and exit: 0 or its own status, 2 for a `UserError` or a full disk, 130 for Ctrl-C."""
    _replace_closed_streams()
    try:
        status = main(None) or 0
        sys.stdout.flush()  # here, not at shutdown: a reader that has gone is handled below
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        status = 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        status = 130
    except BrokenPipeError:  # the reader of our output has gone (`... | head`): not an error
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 0
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        print(f"error: cannot write {error.filename or 'the output'}: {error.strerror}", file=sys.stderr)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the rest is tried again at the end
        status = 2
    sys.exit(status)
