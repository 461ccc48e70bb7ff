"""The command line: one file per verb, and here what is common to all: errors as one line, and exit codes.

0  done        1  broken input        2  a wrong setting or word        75  stopped, saved: run it again
130  Ctrl-C with nothing to save      141  the reader of our output went away
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence

from unmask import console
from unmask.errors import Stopped, UnmaskError

_INTERRUPTED = 130
_MENDS = {
    errno.ENOSPC: "the disk is full; free some space and run the same command again",
    errno.EDQUOT: "your quota is used up; free some space and run the same command again",
    errno.EFBIG: "the file is longer than you may write (ulimit -f); raise that and run the same command again",
    errno.EACCES: "permission denied; choose a folder that you may use",
    errno.EPERM: "permission denied; choose a folder that you may use",
    errno.EROFS: "this place is read-only; choose a folder that you may write",
}


def main(words: Sequence[str] | None = None) -> int:
    """Run one command line (`sys.argv` unless given) and return its exit code; a traceback means a mistake of ours."""
    import typer

    from unmask.cli.app import app

    console.set_quiet(False)
    try:
        code = app(args=None if words is None else list(words), prog_name="unmask", standalone_mode=False)
        sys.stdout.flush()
        return code or 0
    except typer.TyperException as error:
        return _refused(error)
    except Stopped as error:
        console.complain("stopped", str(error).removeprefix("stopped "))
        return error.exit_code
    except UnmaskError as error:
        console.complain("error", str(error))
        return error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        return _INTERRUPTED
    except BrokenPipeError:
        # The interpreter flushes standard output once more at exit; let that go nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1  # as rich does when it is the first to notice
    except OSError as error:
        if error.errno not in _MENDS:
            raise
        console.complain("error", f"{error.filename or 'writing'}: {_MENDS[error.errno]}")
        return 1


def _refused(error: Exception) -> int:
    """A command line that could not be understood: what was wrong, and the help that tells more."""
    context = getattr(error, "ctx", None)
    verb = context.command_path if context is not None else "unmask"
    message = error.format_message().rstrip(".").replace("Value error, ", "")  # type: ignore[attr-defined]
    console.complain("error", f"{message[:1].lower()}{message[1:]} (see {verb} --help)")
    return getattr(error, "exit_code", 2)
