"""The states of a job, and which leads to which."""

import enum
from collections.abc import Set
from typing import Final, NamedTuple


class State(enum.StrEnum):
    """Where a job is in its life; `GLOSS` describes each, `MOVES` has the states that each leads to."""

    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    PAUSED = "paused"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


GLOSS: Final = {
    State.QUEUED: "Accepted; starts when a worker of its queue is free.",
    State.RUNNING: "One worker holds its lease and renews it.",
    State.WAITING: "A parent job whose parts are running, or a part whose turn has not come.",
    State.PAUSED: "Paused by its owner until it is resumed.",
    State.SUCCEEDED: "Finished; the result is available.",
    State.FAILED: "Failed; the error says why.",
    State.CANCELLED: "Cancelled by its owner.",
}

TERMINAL: Final = frozenset({State.SUCCEEDED, State.FAILED, State.CANCELLED})


class Move(NamedTuple):
    """What a verb does to the state of a job."""

    verb: str
    sources: Set[State]
    targets: Set[State]
    # In these states the verb only records a request, and the state stays.
    stays: Set[State] = frozenset()


# The table of moves, by the verb that makes them: `transitions` makes guards and new states from it, and
# refuses any other move.
VERBS: Final = (
    Move("claim", {State.QUEUED}, {State.RUNNING}),
    # A worker, for the job that it holds; its owner may have requested something else meanwhile.
    Move("succeed", {State.RUNNING}, {State.SUCCEEDED}),
    Move("fail", {State.RUNNING}, {State.FAILED}),
    Move("finish_cancel", {State.RUNNING}, {State.CANCELLED}),
    Move("release", {State.RUNNING}, {State.QUEUED, State.PAUSED, State.CANCELLED}),
    # A worker whose disk is full.
    Move("postpone", {State.RUNNING}, {State.QUEUED, State.PAUSED, State.CANCELLED}),
    Move("split", {State.RUNNING}, {State.WAITING, State.PAUSED, State.CANCELLED}),
    # A worker whose work has hung.
    Move("restart", {State.RUNNING}, {State.QUEUED, State.PAUSED, State.CANCELLED}),
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
    # The sweeper; and `give_up` where a restart would be one too many.
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
