"""How long web and workers wait for an object store."""

import socket

from jobyard.shared.storage import back_ends
from jobyard.shared.storage.guard import PAUSE_SECONDS, SLOW_SECONDS


def test_web_has_its_answer_within_five_seconds() -> None:
    limits = back_ends.HURRIED
    assert limits["attempts"] * (limits["connect_timeout"] + limits["read_timeout"]) < 5
    assert limits["connect_timeout"] > SLOW_SECONDS, "a host that is not there counts as one that is slow"
    assert PAUSE_SECONDS < 5, "what web asks clients to wait for"


def test_a_connection_that_takes_no_bytes_is_ended_by_the_system() -> None:
    address = (socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", 1))
    with back_ends._socket(3.0, address) as made:
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            assert made.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 3_000


def test_listings_are_not_kept_whatever_the_file_system() -> None:
    for url in ("memory://x", "file:///tmp/x"):
        found, _ = back_ends.file_system(url, patient=False)
        assert not found.dircache.use_listings_cache
