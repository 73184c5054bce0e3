"""Positions of queued jobs, in words."""

from jobyard.client.positions import FAR_POSITION, place_in_queue
from jobyard.shared import jobs


def test_a_position_is_a_number_as_far_as_the_server_counts() -> None:
    assert FAR_POSITION == jobs.FAR_POSITION
    assert place_in_queue(1) == "next in its queue"
    assert place_in_queue(1_000) == "number 1,000 in its queue"
    assert place_in_queue(1_001) == "behind 1,000 or more in its queue"
