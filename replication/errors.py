"""The one exception that means "the user can fix this", and how a command reports it."""

import os
import sys
from collections.abc import Callable, Sequence


class UserError(Exception):
    """A problem with the input or the machine, told in one line: what was expected, what came."""


def run(main: Callable[[Sequence[str] | None], int | None]) -> None:
    """Run a command's ``main`` and exit: 0 or its own status, 2 for a `UserError`, 130 for Ctrl-C."""
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
    sys.exit(status)
