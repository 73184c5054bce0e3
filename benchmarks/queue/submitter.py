"""A process that submits jobs when it is told how many: the same for Jobyard and its peers.

Only the standard library: the peers' virtual environment runs it too.
"""

import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

THREADS = 4


def serve(submit: Callable[[], object]) -> None:
    """For each line with a number, submit so many jobs from THREADS threads, then print a line."""
    with ThreadPoolExecutor(THREADS) as pool:
        for line in sys.stdin:
            for _ in pool.map(lambda _: submit(), range(int(line))):
                pass
            print("done", flush=True)
