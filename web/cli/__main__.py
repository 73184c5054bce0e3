"""`python -m web.cli`: the command `jobyard`."""

from web.cli import main

main()
