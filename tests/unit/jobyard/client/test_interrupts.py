"""An interrupt while the server holds the answer to a submit says that the job may be there."""

import asyncio
import functools
import signal
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from jobyard import AsyncClient, Client
from jobyard.cli import INTERRUPTED, run
from jobyard.client.interrupts import UNANSWERED

URL = "http://127.0.0.1:1"


@pytest.fixture(autouse=True)
def _not_ignored() -> Iterator[None]:
    """What a shell starts in the background ignores Ctrl-C, and so would these tests."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def interrupt(request: httpx.Request) -> httpx.Response:
    """A server that holds the answer until somebody presses Ctrl-C."""
    assert request.url.path == "/api/v1/jobs"
    signal.raise_signal(signal.SIGINT)
    pytest.fail("not interrupted")


def test_an_interrupted_submit_has_a_note_that_the_job_may_be_there(answer_with: Callable[..., None]) -> None:
    answer_with(interrupt)
    with Client(URL, "a-token") as client, pytest.raises(KeyboardInterrupt) as interrupted:
        client.score("fine")
    assert interrupted.value.__notes__ == [UNANSWERED]


def test_so_does_one_in_an_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    async def hold(request: httpx.Request) -> httpx.Response:
        signal.raise_signal(signal.SIGINT)
        await asyncio.Event().wait()
        raise AssertionError("not interrupted")

    replaced = functools.partial(httpx.AsyncClient, transport=httpx.MockTransport(hold))
    monkeypatch.setattr("jobyard.client._async.transport.httpx.AsyncClient", replaced)

    async def submit() -> None:
        async with AsyncClient(URL, "a-token") as client:
            await client.score("fine")

    with pytest.raises(KeyboardInterrupt) as interrupted:
        asyncio.run(submit())
    assert UNANSWERED in "".join(traceback.format_exception(interrupted.value)), "as Python shows it"


def test_an_interrupt_before_a_job_is_sent_has_none(answer_with: Callable[..., None]) -> None:
    Path("texts.csv").write_text("text\nfine\n")
    answer_with(lambda request: signal.raise_signal(signal.SIGINT))
    with Client(URL, "a-token") as client, pytest.raises(KeyboardInterrupt) as interrupted:
        client.score(file="texts.csv")
    assert not hasattr(interrupted.value, "__notes__")


@pytest.mark.parametrize(("lost", "noted"), [(httpx.ConnectError, False), (httpx.ReadError, True)])
def test_an_interrupt_between_attempts_has_one_if_any_may_have_reached_the_server(
    answer_with: Callable[..., None], monkeypatch: pytest.MonkeyPatch, lost: type[Exception], noted: bool
) -> None:
    def lose(request: httpx.Request) -> httpx.Response:
        raise lost("refused")

    answer_with(lose)
    monkeypatch.setattr(
        "jobyard.client.runtime.time.sleep", lambda seconds: signal.raise_signal(signal.SIGINT)
    )
    with Client(URL, "a-token") as client, pytest.raises(KeyboardInterrupt) as interrupted:
        client.score("fine")
    assert getattr(interrupted.value, "__notes__", []) == ([UNANSWERED] if noted else [])


def test_a_command_says_it_in_one_line(
    answer_with: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    answer_with(interrupt)
    assert run(["score", "fine"]) == INTERRUPTED
    assert capsys.readouterr().err.strip() == UNANSWERED


def test_a_second_interrupt_and_the_end_of_the_program_hide_it_not(
    answer_with: Callable[..., None], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def interrupt_twice(request: httpx.Request) -> httpx.Response:
        """Once while the job is submitted, and once while its upload is deleted."""
        asked.append(f"{request.method} {request.url.path}")
        if asked[-1] in ("POST /api/v1/jobs", "DELETE /api/v1/files/1"):
            signal.raise_signal(signal.SIGINT)
        return httpx.Response(200, json={"id": "1"})

    answer_with(interrupt_twice)
    monkeypatch.setattr("sys.stdin", None)
    Path("texts.csv").write_text("text\nfine\n")
    assert run(["score", "texts.csv"]) == INTERRUPTED
    assert asked[-1].startswith("DELETE")
    assert capsys.readouterr().err.count(UNANSWERED) == 1

    def end(request: httpx.Request) -> httpx.Response:
        raise SystemExit(143)  # as the handler of SIGTERM

    answer_with(end)
    with pytest.raises(SystemExit):
        run(["score", "fine"])
    assert capsys.readouterr().err.strip() == UNANSWERED
