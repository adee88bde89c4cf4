"""`mailwake`, the command: runs the command line, and turns known errors into one line and an exit code."""

import atexit
import gc
import io
import os
import sys


def main() -> None:
    """Run the command line and exit. See docs/cli.md for the exit codes."""
    from mailwake.allocators import keep_little
    from mailwake.cli.app import app
    from mailwake.cli.failures import explained

    keep_little()
    # What is loaded stays, and nothing is looked through for garbage when all of it goes: together that is a quarter
    # of a short command's time.
    gc.set_threshold(20_000, 10, 10)
    atexit.register(gc.freeze)
    _make_streams_fit()
    with explained():
        app(prog_name="mailwake")


def _make_streams_fit() -> None:
    """A closed stream (`>&-`) is as good as /dev/null, and whatever is no text in stdout's encoding is escaped.

    Opened at once, /dev/null takes the closed stream's number, so that no file of ours does.
    """
    for name, flags, mode in (
        ("stdin", os.O_RDONLY, "r"),
        ("stdout", os.O_WRONLY, "w"),
        ("stderr", os.O_WRONLY, "w"),
    ):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, flags), mode))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


if __name__ == "__main__":
    main()
