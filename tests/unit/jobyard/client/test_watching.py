"""Waiting for jobs and using them in blocks: what is asked of the server, and what is said."""

import asyncio
import functools
import json
from collections.abc import Callable, Iterator

import httpx
import pytest
from matplotlib import pyplot

from jobyard import AsyncClient, Client
from jobyard.client import ConnectionFailed, JobFailed, JobyardClientError, WaitTimeout
from tests.unit.jobyard.client.jobs import ID, history, raw

URL = "http://127.0.0.1:1"
BATCHES = {"done": 1, "total": 2, "unit": "batches"}


class Server:
    """Answers for one job: a state each time it is asked for, the last one for ever. Notes the requests."""

    def __init__(self, *states: str, kind: str = "train") -> None:
        self.states = list(states)
        self.kind = kind
        self.asked: list[str] = []
        # What happens when the job is asked for: a program that is interrupted, say.
        self.on_refresh: Callable[[], None] = lambda: None

    def __call__(self, request: httpx.Request) -> httpx.Response:
        action = request.url.path.removeprefix(f"/api/v1/jobs/{ID}").removeprefix("/") or "job"
        self.asked.append(action)
        if action == "metrics":
            return httpx.Response(200, json={"items": history(loss=[0.5, 0.25]), "next": None})
        if action == "cancel":
            self.states = ["cancelled"]
        if action == "job" and len(self.asked) > 1:
            self.on_refresh()
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        phase = f"epoch {len(self.asked)}" if state == "running" else None
        return httpx.Response(200, json=raw(self.kind, state, phase=phase, progress=BATCHES))


@pytest.fixture
def use(answer_with: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> Callable[[Server], Client]:
    def connected(server: Server) -> Client:
        answer_with(server)
        replaced = functools.partial(httpx.AsyncClient, transport=httpx.MockTransport(server))
        monkeypatch.setattr("jobyard.client._async.transport.httpx.AsyncClient", replaced)
        return Client(URL, "a-token")

    return connected


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nobody waits for a server that answers at once."""
    monkeypatch.setattr("jobyard.client._sync.watching.BREATH_SECONDS", 0.0)
    monkeypatch.setattr("jobyard.client._async.watching.BREATH_SECONDS", 0.0)
    monkeypatch.setattr("jobyard.client._sync.watching.MAX_LOOKS_PER_SECOND", 1e9)
    monkeypatch.setattr("jobyard.client._async.watching.MAX_LOOKS_PER_SECOND", 1e9)
    return


def interrupt() -> None:
    raise KeyboardInterrupt


def test_a_wait_with_a_bar_reads_metrics_and_keeps_them_for_the_card(
    use: Callable[[Server], Client], capsys: pytest.CaptureFixture[str]
) -> None:
    server = Server("queued", "running", "succeeded")
    job = use(server).job(ID).wait(progress=True)
    assert server.asked == ["job", "job", "metrics", "job", "metrics"]
    said = capsys.readouterr().err
    assert "train: epoch 2  50%" in said
    assert "loss=0.25" in said
    assert "train: succeeded 100%" in said
    assert "<polyline" in job._repr_html_()
    assert len(server.asked) == 5, "showing a job sends no request"


def test_a_wait_without_a_bar_asks_for_the_job_only_and_says_nothing(
    use: Callable[[Server], Client], capsys: pytest.CaptureFixture[str]
) -> None:
    server = Server("queued", "running", "succeeded")
    assert "<polyline" not in use(server).job(ID).wait()._repr_html_()
    assert server.asked == ["job"] * 3
    assert capsys.readouterr().err == ""


def test_a_bar_ends_with_its_line_where_the_job_fails_or_the_time_is_over(
    use: Callable[[Server], Client], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(JobFailed):
        use(Server("running", "failed")).job(ID).wait(progress=True)
    assert capsys.readouterr().err.endswith("\n")
    with pytest.raises(WaitTimeout):
        use(Server("running")).job(ID).wait(0, progress=True)
    said = capsys.readouterr().err
    assert said.endswith("\n")
    assert "The job continues" not in said


def test_an_interrupt_leaves_the_job_running_and_says_how_to_come_back(
    use: Callable[[Server], Client], capsys: pytest.CaptureFixture[str]
) -> None:
    server = Server("running")
    server.on_refresh = interrupt
    with pytest.raises(KeyboardInterrupt):
        use(server).job(ID).wait()
    assert "cancel" not in server.asked
    assert f"client.job('{ID}').wait() or `jobyard watch {ID}`" in capsys.readouterr().err


def test_an_interrupt_in_a_block_cancels_the_job_and_says_so(
    use: Callable[[Server], Client], capsys: pytest.CaptureFixture[str]
) -> None:
    server = Server("running")
    server.on_refresh = interrupt
    with pytest.raises(KeyboardInterrupt), use(server).job(ID) as job:
        job.wait()
    assert server.asked == ["job", "job", "cancel"]
    assert capsys.readouterr().err == f"job {ID} was cancelled with its block.\n"


def test_an_exception_in_a_block_cancels_the_job_once(use: Callable[[Server], Client]) -> None:
    server = Server("running")
    with pytest.raises(ZeroDivisionError), use(server).job(ID) as job:
        _ = 1 / 0
    assert server.asked == ["job", "cancel"]
    assert job.state == "cancelled"


def test_a_server_that_is_away_is_no_reason_to_cancel(use: Callable[[Server], Client]) -> None:
    server = Server("running")
    with pytest.raises(ConnectionFailed) as raised, use(server).job(ID):
        raise ConnectionFailed("can't reach the server")
    assert server.asked == ["job"]
    assert raised.value.__notes__ == [f"job {ID} was not cancelled"]


def test_an_exception_says_where_the_job_could_not_be_cancelled(
    use: Callable[[Server], Client], answer_with: Callable[..., None]
) -> None:
    def refused(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/cancel"):
            return httpx.Response(403, text=json.dumps({"detail": "the scope of the token is read"}))
        return httpx.Response(200, json=raw(state="running"))

    answer_with(refused)
    with pytest.raises(ZeroDivisionError) as raised, Client(URL, "a-token").job(ID):
        _ = 1 / 0
    assert raised.value.__notes__ == [f"job {ID} could not be cancelled: the scope of the token is read"]


def test_the_end_of_a_block_waits_for_the_job_unless_it_has_ended(use: Callable[[Server], Client]) -> None:
    server = Server("queued", "running", "succeeded")
    with use(server).job(ID) as job:
        assert not job.done
    assert job.succeeded
    assert "cancel" not in server.asked
    with pytest.raises(JobFailed), use(Server("running", "failed")).job(ID):
        pass
    with use(Server("running", "failed")).job(ID) as job:
        job.wait(check=False)
    assert job.state == "failed"


def test_an_interrupt_at_the_end_of_a_block_cancels_the_job(use: Callable[[Server], Client]) -> None:
    server = Server("running")
    server.on_refresh = interrupt
    with pytest.raises(KeyboardInterrupt), use(server).job(ID):
        pass
    assert server.asked == ["job", "job", "cancel"]


def test_in_an_event_loop_a_block_is_left_alike(use: Callable[[Server], Client]) -> None:
    server = Server("running")
    use(server)

    async def cancelled() -> None:
        async with AsyncClient(URL, "a-token") as client, await client.job(ID) as job:
            raise asyncio.CancelledError
        assert job.state == "cancelled"

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(cancelled())
    assert server.asked == ["job", "cancel"]

    async def waited() -> str:
        async with AsyncClient(URL, "a-token") as client, await client.job(ID) as job:
            pass
        return job.state

    use(Server("running", "succeeded"))
    assert asyncio.run(waited()) == "succeeded"


def test_a_plot_reads_what_it_needs_and_says_what_it_lacks(use: Callable[[Server], Client]) -> None:
    server = Server("running")
    loss, _ = use(server).job(ID).plot()
    assert list(loss.lines[0].get_ydata()) == [0.5, 0.25]
    assert server.asked == ["job", "job", "metrics"]
    with pytest.raises(JobyardClientError, match="is running and has no result to plot"):
        use(Server("running", kind="sentiment")).job(ID).plot()
    pyplot.close("all")


def test_several_jobs_are_waited_for_with_one_bar_and_shown_as_a_table(
    use: Callable[[Server], Client], capsys: pytest.CaptureFixture[str]
) -> None:
    client = use(Server("queued", "queued", "running", "succeeded", "failed"))
    jobs = [client.job(ID), client.job(ID)]
    waited = client.wait_all(jobs, progress=True, check=False)
    assert [job.state for job in waited] == ["succeeded", "failed"]
    said = capsys.readouterr().err
    assert "0/2 jobs" in said
    assert "all have ended 100%" in said
    assert "1 failed]" in said
    assert waited._repr_html_().count("<tr>") == 3
    with pytest.raises(JobFailed):
        client.wait_all(waited)
    with pytest.raises(
        JobyardClientError, match="timeout: should be a number of seconds, or None, but is 'x'"
    ):
        client.wait_all(waited, "x")  # type: ignore[arg-type]
    with pytest.raises(JobyardClientError, match=f"jobs: should be jobs of this client, but has '{ID}'"):
        client.wait_all([ID])  # type: ignore[list-item]


def test_an_interrupted_wait_for_several_jobs_says_that_they_continue(
    use: Callable[[Server], Client], capsys: pytest.CaptureFixture[str]
) -> None:
    server = Server("running")
    client = use(server)
    jobs = [client.job(ID)]
    server.on_refresh = interrupt
    with pytest.raises(KeyboardInterrupt):
        client.wait_all(jobs)
    assert (
        capsys.readouterr().err
        == "The jobs continue; wait_all() waits for them again, job.cancel() ends one.\n"
    )
    with pytest.raises(WaitTimeout):
        client.wait_all(jobs, timeout=0)
