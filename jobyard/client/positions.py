"""Positions of queued jobs, in words."""

from typing import Final

# The server counts up to a thousand; this stands for any position beyond.
FAR_POSITION: Final = 1_001


def place_in_queue(position: int) -> str:
    """As "next in its queue", "number 7 in its queue" or "behind 1,000 or more in its queue"."""
    if position == 1:
        return "next in its queue"
    if position >= FAR_POSITION:
        return f"behind {FAR_POSITION - 1:,} or more in its queue"
    return f"number {position:,} in its queue"
