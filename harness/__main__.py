"""``python -m harness`` is the command ``harness``."""

from harness.cli.app import main

main()
