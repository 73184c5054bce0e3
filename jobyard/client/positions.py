"""Where jobs are, in words: positions of queued ones, phases of running ones."""

from typing import Final, Protocol

# The server counts up to a thousand; this stands for any position beyond.
FAR_POSITION: Final = 1_001


class Placed(Protocol):
    """What is read of a job."""

    state: str
    phase: str | None
    position: int | None

    @property
    def waiting_for(self) -> str | None: ...
    @property
    def done(self) -> bool: ...


def where(job: Placed) -> str:
    """The place in the queue and what keeps the job there, or the phase; else the state."""
    if job.state == "queued" and job.position is not None:
        why = f": {job.waiting_for}" if job.waiting_for else ""
        return f"{place_in_queue(job.position)}{why}"
    return job.phase if job.phase and not job.done else job.state


def state_and_place(job: Placed) -> str:
    """As `where`, of a queued job with the state before it."""
    said = where(job)
    return f"queued, {said}" if job.state == "queued" and said != "queued" else said


def place_in_queue(position: int) -> str:
    """As "next in its queue", "number 7 in its queue" or "behind 1,000 or more in its queue"."""
    if position == 1:
        return "next in its queue"
    if position >= FAR_POSITION:
        return f"behind {FAR_POSITION - 1:,} or more in its queue"
    return f"number {position:,} in its queue"
