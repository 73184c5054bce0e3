"""`jobyard delete`: only what was confirmed, and nothing if one of the ids is wrong."""

import json
import uuid
from collections.abc import Callable

import httpx
import pytest
from click.testing import CliRunner

from jobyard.cli import cli, run
from tests.unit.jobyard.conftest import Answers

IDS = [str(uuid.UUID(int=number)) for number in (1, 2)]
JOB = dict.fromkeys(
    ("kind", "phase", "queue", "priority", "spec", "result", "error", "progress", "attempt", "max_attempts")
) | dict.fromkeys(("position", "parent_id", "created_at", "started_at", "finished_at", "links"))


class Server:
    """Has two jobs, and keeps the addresses of what was deleted."""

    def __init__(self) -> None:
        self.deleted: list[str] = []
        self.refused: set[str] = set()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        job_id = request.url.path.rsplit("/", 1)[1]
        if job_id not in IDS:
            return httpx.Response(404, json={"detail": f"there is no job {job_id}"})
        if request.method == "GET":
            return httpx.Response(200, json=JOB | {"id": job_id, "state": "succeeded"})
        if job_id in self.refused:
            return httpx.Response(409, json={"detail": f"job {job_id} has not ended"})
        self.deleted.append(job_id)
        return httpx.Response(204)


@pytest.fixture
def server(answer_with: Callable[[Answers], None]) -> Server:
    answers = Server()
    answer_with(answers)
    return answers


def test_several_are_deleted_after_one_question(server: Server) -> None:
    result = CliRunner().invoke(cli, ["delete", *IDS, IDS[0].replace("-", "")], input="y\n")
    assert result.exit_code == 0, result.output
    assert "Delete these 2 jobs permanently?" in result.output
    assert server.deleted == IDS


def test_nothing_is_deleted_without_a_yes_or_with_a_wrong_id(server: Server) -> None:
    for answers in ("n\n", ""):
        result = CliRunner().invoke(cli, ["delete", IDS[0]], input=answers)
        assert result.exit_code == 1
        assert "jobyard: nothing was changed; --yes changes without a question" in result.output
    assert run(["delete", *IDS, str(uuid.UUID(int=3)), "--yes"]) == 2
    assert server.deleted == []
    assert run(["delete", *IDS, "--yes"]) == 0
    assert server.deleted == IDS


def test_what_was_deleted_is_a_line_of_json_each(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["delete", *IDS, "--yes", "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines == [{"id": job_id, "deleted": True} for job_id in IDS]
    assert server.deleted == IDS


def test_one_that_is_refused_holds_up_no_other(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    server.refused.add(IDS[0])
    assert run(["delete", *IDS, "--yes"]) == 2
    assert server.deleted == [IDS[1]]
    said = capsys.readouterr()
    assert said.out == f"job {IDS[1]} was deleted\n"
    assert f"job {IDS[0]} has not ended" in said.err
