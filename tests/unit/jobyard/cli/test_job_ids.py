"""Commands on jobs take parts of ids, `@last`, and several at once."""

import uuid
from collections.abc import Callable

import httpx
import pytest

from jobyard.cli import run
from tests.unit.jobyard.conftest import Answers

IDS = [f"018f0000-0000-7000-8000-00000000{end}" for end in ("aaaa", "bbbb", "cccc")]
JOB = dict.fromkeys(
    ("phase", "queue", "priority", "spec", "result", "error", "progress", "attempt", "max_attempts")
) | dict.fromkeys(("position", "parent_id", "created_at", "started_at", "finished_at", "links"))


EVENT = dict.fromkeys(("phase", "worker", "traceback")) | {
    "id": 1,
    "at": "2026-01-31T12:00:00.000Z",
    "state": "queued",
    "attempt": 1,
}


class Server:
    """Has three jobs, of which the first can't be paused, and keeps what was paused."""

    def __init__(self) -> None:
        self.paused: list[str] = []
        self.state = "queued"

    def __call__(self, request: httpx.Request) -> httpx.Response:
        parts = request.url.path.removeprefix("/api/v1/jobs/").split("/")
        if parts == ["find"]:
            return httpx.Response(200, json={"items": self._found(request.url.params["id"]), "next": None})
        if parts[0] not in IDS:
            return httpx.Response(404, json={"detail": f"there is no job {parts[0]}"})
        if parts[1:] == ["pause"]:
            if parts[0] == IDS[0]:
                return httpx.Response(409, json={"detail": "the job has ended"})
            self.paused.append(parts[0])
        if parts[1:] == ["events"]:
            return httpx.Response(200, json={"items": [EVENT | {"message": parts[0]}], "next": None})
        if parts[1:] == ["logs"]:
            return httpx.Response(200, json={"items": [], "next": None})
        return httpx.Response(200, json=self._job(parts[0]))

    def _found(self, part: str) -> list[dict[str, object]]:
        ids = (
            IDS[-1:]
            if part == "@last"
            else [one for one in IDS if one.startswith(part) or one.endswith(part)]
        )
        return [self._job(one) for one in ids]

    def _job(self, job_id: str) -> dict[str, object]:
        return JOB | {"id": job_id, "state": self.state, "kind": "train"}


@pytest.fixture
def server(answer_with: Callable[[Answers], None]) -> Server:
    answers = Server()
    answer_with(answers)
    return answers


def test_parts_of_ids_and_the_last_job(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    for part, whole in (("bbbb", IDS[1]), ("@last", IDS[2]), (IDS[1].upper(), IDS[1])):
        assert run(["pause", part]) == 0
        assert server.paused.pop() == whole
        assert whole in capsys.readouterr().out  # not a part of it: to be copied


def test_an_ambiguous_part_names_the_candidates_and_changes_nothing(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["watch", "bbbb", "018f"]) == 2
    assert server.paused == []
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("jobyard: several jobs have '018f' in their ids: ")
    assert all(f"{job_id} (train, queued)" in line for job_id in IDS)


@pytest.mark.parametrize("part", ["abc", "dddd", "not-an-id", str(uuid.UUID(int=7))])
def test_a_part_that_no_job_has_is_one_line(
    part: str, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["watch", "bbbb", part]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "there is no job" in line


def test_of_several_each_is_followed(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    server.state = "failed"
    assert run(["watch", *IDS, IDS[0][-6:]]) == 1
    said = capsys.readouterr().err
    assert [said.count(f"job {job_id} failed") for job_id in IDS] == [1, 1, 1]


def test_logs_of_several_are_below_their_ids(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    server.state = "failed"
    assert run(["logs", "aaaa", IDS[1], IDS[0]]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[-1] for line in lines] == [IDS[0], IDS[0], IDS[1], IDS[1]]
    assert lines[::2] == [f"job {IDS[0]}", f"job {IDS[1]}"]
    assert run(["logs", "aaaa"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert line.endswith(IDS[0])
