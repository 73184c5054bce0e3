"""The measurement itself: what is allocated and freed again is seen."""

import psutil

from tests.attacks.measuring import MIB, growth


def test_a_short_peak_is_seen() -> None:
    with growth([psutil.Process()]) as grown:
        bytearray(b"x") * (64 * MIB)
    assert grown.bytes > 60 * MIB


def test_nothing_allocated_is_nothing_grown() -> None:
    with growth([psutil.Process()]) as grown:
        pass
    assert grown.bytes < 8 * MIB
