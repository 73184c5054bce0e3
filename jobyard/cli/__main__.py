"""`python -m jobyard.cli`: the command `jobyard`."""

from jobyard.cli import main

main()
