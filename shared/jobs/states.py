"""The states of a job, and which leads to which."""

import enum
from typing import Final


class State(enum.StrEnum):
    """Where a job is in its life; `GLOSS` says each in a line, `MOVES` where each leads."""

    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    PAUSED = "paused"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


GLOSS: Final = {
    State.QUEUED: "Accepted; runs when a worker of its queue is free and `available_at` has come.",
    State.RUNNING: "One worker holds its lease and renews it.",
    State.WAITING: "A parent whose children are at work, or a child whose turn has not come.",
    State.PAUSED: "Set aside by its owner until it is resumed.",
    State.SUCCEEDED: "Done; the result is there.",
    State.FAILED: "Could not be done; the error says why.",
    State.CANCELLED: "Ended at its owner's request.",
}

TERMINAL: Final = frozenset({State.SUCCEEDED, State.FAILED, State.CANCELLED})

MOVES: Final[dict[State, frozenset[State]]] = {
    State.QUEUED: frozenset({State.RUNNING, State.CANCELLED, State.PAUSED, State.FAILED, State.WAITING}),
    State.RUNNING: TERMINAL | {State.QUEUED, State.WAITING, State.PAUSED},
    State.WAITING: frozenset({State.QUEUED, State.CANCELLED, State.PAUSED, State.FAILED}),
    State.PAUSED: frozenset({State.QUEUED, State.CANCELLED, State.WAITING}),
    State.SUCCEEDED: frozenset(),
    State.FAILED: frozenset({State.QUEUED}),  # retry
    State.CANCELLED: frozenset({State.QUEUED}),  # retry
}
