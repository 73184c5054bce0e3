"""The states of a job, and which leads to which."""

import enum
from collections.abc import Set
from typing import Final, NamedTuple


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


class Move(NamedTuple):
    """What a verb does to the state of a job."""

    verb: str
    sources: Set[State]
    targets: Set[State]
    # In these states the verb only leaves a request, and the state stays.
    stays: Set[State] = frozenset()


# The table of moves, by the verb that makes them: `transitions` makes guards and new states from it, and
# refuses any other move.
VERBS: Final = (
    Move("claim", {State.QUEUED}, {State.RUNNING}),
    # What a worker says of the job that it holds; its owner may have asked for something else meanwhile.
    Move("succeed", {State.RUNNING}, {State.SUCCEEDED}),
    Move("fail", {State.RUNNING}, {State.FAILED}),
    Move("finish_cancel", {State.RUNNING}, {State.CANCELLED}),
    Move("release", {State.RUNNING}, {State.QUEUED, State.PAUSED, State.CANCELLED}),
    Move("split", {State.RUNNING}, {State.WAITING, State.PAUSED, State.CANCELLED}),
    # Its owner.
    Move(
        "cancel",
        {State.QUEUED, State.WAITING, State.PAUSED},
        {State.CANCELLED},
        stays={State.RUNNING},
    ),
    Move("pause", {State.QUEUED, State.WAITING}, {State.PAUSED}, stays={State.RUNNING}),
    Move("resume", {State.PAUSED}, {State.QUEUED, State.WAITING}, stays={State.RUNNING}),
    Move("retry", {State.FAILED, State.CANCELLED}, {State.QUEUED}),
    # The sweeper.
    Move("rescue", {State.RUNNING}, {State.QUEUED, State.PAUSED, State.CANCELLED}),
    Move("give_up", {State.RUNNING}, {State.FAILED}),
    Move("expire", {State.QUEUED, State.RUNNING, State.WAITING}, {State.FAILED}),
    # Parents and children.
    Move("begin_child", {State.WAITING}, {State.QUEUED}),
    Move("hold_child_back", {State.QUEUED}, {State.WAITING}),
    Move(
        "stop_child",
        {State.QUEUED, State.WAITING},
        {State.CANCELLED},
        stays={State.RUNNING},
    ),
    Move("sum_up", {State.WAITING}, {State.QUEUED}),
)

# Where each state leads.
MOVES: Final = {
    state: frozenset[State]().union(*(move.targets for move in VERBS if state in move.sources))
    for state in State
}
