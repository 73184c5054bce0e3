"""The table of moves is what transitions are made from, and nothing else changes a job's state."""

import importlib
import pkgutil

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from jobyard.shared import jobs
from jobyard.shared.jobs import MOVES, TERMINAL, VERBS, State, transitions
from jobyard.shared.jobs.tables import JOBS
from jobyard.shared.jobs.transitions import PreparedTransition, Transition, change, move

OTHERS = [(verb, state) for verb in VERBS for state in State if state not in verb.targets]


def written(transition: Transition) -> str:
    statement = sa.update(JOBS).where(transition.guard).values(state=transition.state)
    return str(statement.compile(compile_kwargs={"literal_binds": True}))


@pytest.mark.parametrize(("verb", "state"), OTHERS, ids=[f"{verb.verb}-{state}" for verb, state in OTHERS])
def test_a_move_that_is_not_in_the_table_cannot_be_built(verb: jobs.Move, state: State) -> None:
    with pytest.raises(ValueError, match=rf"^{verb.verb} should not lead to .*{state}"):
        Transition(verb.verb, state)
    with pytest.raises(ValueError, match=rf"^{verb.verb} should not lead to .*{state}"):
        Transition(verb.verb, min(verb.targets), unless=[(sa.true(), state)])


def test_a_verb_that_is_not_in_the_table_cannot_be_built() -> None:
    with pytest.raises(ValueError, match=r"^steal should not lead to running: in the table of moves no such"):
        Transition("steal", State.RUNNING)


def test_a_verb_cannot_leave_out_a_state_to_which_the_table_says_that_it_leads() -> None:
    with pytest.raises(ValueError, match=r"it leads to cancelled or paused or queued$"):
        Transition("release", State.QUEUED)


def test_the_guard_and_the_new_state_are_those_of_the_table() -> None:
    assert written(Transition("retry", State.QUEUED)) == (
        "UPDATE jobs SET state='queued' WHERE jobs.state IN ('cancelled', 'failed')"
    )
    assert written(Transition("succeed", State.SUCCEEDED)) == (
        "UPDATE jobs SET state='succeeded' WHERE jobs.state = 'running'"
    )
    assert written(Transition("pause", State.PAUSED)) == (
        "UPDATE jobs SET state=CASE WHEN (jobs.state = 'running') THEN jobs.state ELSE 'paused' END "
        "WHERE jobs.state IN ('queued', 'running', 'waiting')"
    )


def test_a_state_is_written_by_a_transition_only() -> None:
    session = Session()
    with pytest.raises(ValueError, match=r"^state: only a transition changes it"):
        change(session, state=State.QUEUED)
    with pytest.raises(TypeError, match="state"):
        move(session, Transition("retry", State.QUEUED), state=State.RUNNING)
    with pytest.raises(TypeError, match="state"):
        PreparedTransition(Transition("retry", State.QUEUED), values={"state": State.RUNNING})


def test_each_verb_of_the_table_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    build = Transition.__init__

    def noted(self: Transition, verb: str, *args: object, **options: object) -> None:
        made.append(verb)
        build(self, verb, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Transition, "__init__", noted)
    for module in pkgutil.iter_modules(jobs.__path__):
        source = importlib.util.find_spec(f"jobyard.shared.jobs.{module.name}")
        assert source is not None
        if module.name in (
            "tables",
            "briefs",
            "counts",
            "output",
            "owners",
            "tallies",
            "terms",
            "totals",
            transitions.__name__.rpartition(".")[2],
        ):
            continue  # which make none, and can't be loaded twice
        copy = importlib.util.module_from_spec(source)
        assert source.loader is not None
        source.loader.exec_module(copy)
    assert sorted(made) == sorted(verb.verb for verb in VERBS)


def test_what_has_ended_only_begins_anew() -> None:
    assert {target for state in TERMINAL for target in MOVES[state]} == {State.QUEUED}
    assert MOVES[State.SUCCEEDED] == frozenset()
