"""Where the command ``harness`` begins, and ``python -m harness``.

Loading the command line takes some tenths of a second. Ctrl-C ends it there as it does later: with exit code 130 and a line,
and without a traceback.
"""

from __future__ import annotations

import sys

INTERRUPTED = 130  # the exit code


def main() -> None:
    """Run the command line, and exit with its code."""
    try:
        from harness.cli.app import main as run_command

        run_command()
    except KeyboardInterrupt:  # before the command line listens, or after
        print("interrupted", file=sys.stderr)
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
