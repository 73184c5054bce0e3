"""The attacks go to the running `jobyard up` of the acceptance tests, and leave it as they found it.

Every attack is bounded in count and time and reaches nothing but this machine's loopback.
"""

from tests.acceptance.conftest import client, own_stack

__all__ = ["client", "own_stack"]
