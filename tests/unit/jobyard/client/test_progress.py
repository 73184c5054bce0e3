"""The bar of a wait, and what is said where it is interrupted."""

import asyncio
import sys
import types

import pytest

from jobyard.client import progress
from jobyard.client.errors import JobyardClientError
from jobyard.client.progress import Bar, Following, following, in_notebook
from tests.unit.jobyard.client.jobs import ID, history, job

BATCHES = {"done": 6, "total": 12, "unit": "batches"}


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What the bar has shown, as a terminal would have it."""
    return [line.rstrip() for line in capsys.readouterr().err.replace("\r", "\n").split("\n") if line.strip()]


def test_a_bar_shows_place_and_reason_then_phase_counts_and_metrics(
    capsys: pytest.CaptureFixture[str],
) -> None:
    bar = Bar()
    bar.update(job(state="queued", position=3, waiting_for="paused\n\x1b[31m by <b>{x}</b>"), {})
    # One line, and nothing that a terminal obeys.
    assert "train: queued, number 3 in its queue: paused [31m by <b>{x}</b>" in lines(capsys)[-1]
    bar.update(job(state="running", phase="epoch 1/4", progress=BATCHES), {"loss": 0.5, "accuracy": None})
    assert "train: epoch 1/4  50%" in (shown := lines(capsys)[-1])
    assert "6/12 batches" in shown
    assert "loss=0.5]" in shown
    # The total and the unit may change, and values stay until there are newer ones.
    bar.update(job(state="running", phase="saving", progress={"done": 1, "total": None, "unit": "files"}), {})
    assert "1/? files" in (shown := lines(capsys)[-1])
    assert "loss=0.5]" in shown
    bar.update(job(), {})
    bar.close()
    assert "train: succeeded 100%" in (shown := capsys.readouterr().err)
    assert shown.endswith("\n")


@pytest.mark.parametrize("state", ["failed", "cancelled"])
def test_a_bar_is_not_full_where_a_job_has_not_succeeded(
    state: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for now, counts in ((BATCHES, " 50%"), (None, "  0%")):
        bar = Bar()
        bar.update(job(state=state, progress=now), {})
        bar.close()
        assert f"train: {state} {counts}" in lines(capsys)[-1]


def test_metrics_are_read_when_a_phase_begins_and_at_the_end_of_a_training_that_is_shown() -> None:
    shown = Following(Bar())
    assert shown.points(job(state="queued")) is None
    assert shown.points(job(state="running", phase="epoch 1/2")) == progress.NEWEST_POINTS
    assert shown.points(job(state="running", phase="epoch 1/2")) is None
    assert shown.points(job(state="running", phase="epoch 2/2")) == progress.NEWEST_POINTS
    assert shown.points(job()) == progress.HISTORY_POINTS
    assert shown.points(job("sentiment")) is None
    assert Following(None).points(job()) is None


def test_the_newest_values_are_those_of_the_last_epoch(capsys: pytest.CaptureFixture[str]) -> None:
    Following(Bar()).show(
        job(state="running", phase="epoch 3/4"), history(loss=[0.5, 0.2], val_loss=[0.9, 0.4])
    )
    assert "loss=0.2, val_loss=0.4]" in lines(capsys)[-1]


def test_an_interrupt_says_that_the_job_continues_and_how_to_come_back(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for shown in (True, False):
        with pytest.raises(KeyboardInterrupt), following(job(state="running"), shown):
            raise KeyboardInterrupt
        last = lines(capsys)[-1]
        assert "The job continues." in last
        assert f"client.job('{ID}').wait()" in last
        assert f"jobyard watch {ID}" in last


def test_an_interrupt_says_nothing_of_a_job_that_has_ended_or_is_cancelled_then(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(KeyboardInterrupt), following(job(), None):
        raise KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt), following(job(state="running"), None, cancelled=True):
        raise KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt), following(job(state="running", cancel_requested=True), None):
        raise KeyboardInterrupt
    # A timeout of the program's own is no interrupt.
    with pytest.raises(asyncio.CancelledError), following(job(state="running"), None):
        raise asyncio.CancelledError
    assert lines(capsys) == []
    # Who looks at a bar has interrupted a notebook: an event loop tells that so.
    with pytest.raises(asyncio.CancelledError), following(job(state="running"), True):
        raise asyncio.CancelledError
    assert "The job continues." in lines(capsys)[-1]


def test_a_bar_is_shown_by_default_in_the_kernel_of_a_notebook_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "IPython", raising=False)
    assert not in_notebook()
    assert "IPython" not in sys.modules
    ipython = types.ModuleType("IPython")
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    for shell, expected in ((None, False), (object(), False), (types.SimpleNamespace(kernel=object()), True)):
        ipython.get_ipython = lambda shell=shell: shell  # type: ignore[attr-defined]
        assert in_notebook() is expected


def test_what_is_no_answer_to_whether_there_is_a_bar_is_refused() -> None:
    with pytest.raises(JobyardClientError, match="progress: should be True, False or None, but is 'yes'"):
        progress.check_progress("yes")
