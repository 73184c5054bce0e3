"""One running `jobyard up` for all attacks, each of which leaves it as it found it.

Every attack is bounded in count and time and reaches nothing but this machine's loopback.
"""

from tests.acceptance.conftest import client, own_stack, stack

__all__ = ["client", "own_stack", "stack"]
