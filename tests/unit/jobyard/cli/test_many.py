"""Commands for many jobs: which are meant has to be said, and is asked for with their number."""

import json
import uuid
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

from jobyard.cli import cli, run
from jobyard.client import Client
from tests.unit.jobyard.conftest import Answers

FIRST, SECOND = (str(uuid.UUID(int=number)) for number in (1, 2))
REFUSED = {"reason": "succeeded", "count": 2, "examples": [{"id": FIRST, "message": "job 1 is succeeded"}]}


class Server:
    """Answers each request in two parts, and keeps what was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        cursor = body.pop("cursor")
        if cursor is None:
            self.asked.append((request.url.path.rsplit("/", 1)[1], body))
        more = None if cursor else SECOND
        done = {"matched": 1_000, "moved": 998, "refused": [REFUSED], "next": more}
        return httpx.Response(200, json=done | {"dry_run": body["dry_run"]})


@pytest.fixture
def server(answer_with: Callable[[Answers], None]) -> Server:
    answers = Server()
    answer_with(answers)
    return answers


@pytest.mark.parametrize("verb", ["cancel", "pause", "resume", "retry", "delete"])
def test_all_that_match_are_moved_after_a_question_with_their_number(server: Server, verb: str) -> None:
    command = [verb, "--all", "--state", "failed", "--state", "cancelled", "--kind", "train"]
    command += ["--label", "team=birds", "-q", "two words", "--after", "2026-11-01"]
    result = CliRunner().invoke(cli, command, input="y\n")
    assert result.exit_code == 0, result.output
    assert f"{verb.capitalize()} 1,996 jobs{' permanently' if verb == 'delete' else ''}?" in result.output
    assert "1,996 of 2,000 jobs: " in result.output
    assert "4 not: succeeded (job 1 is succeeded)" in result.output
    chosen = {"kind": ["train"], "state": ["failed", "cancelled"], "label": ["team:birds"]}
    chosen |= {"q": "two words", "after": "2026-11-01"}  # type: ignore[dict-item]
    assert server.asked == [(verb, chosen | {"dry_run": dry_run}) for dry_run in (True, False)]


def test_a_dry_run_changes_nothing_and_asks_nothing(server: Server) -> None:
    result = CliRunner().invoke(cli, ["retry", "--all", "--dry-run"])
    assert result.exit_code == 0, result.output
    assert "1,996 of 2,000 jobs: would be queued again" in result.output
    assert run(["cancel", FIRST, "--dry-run"]) == 0
    assert server.asked == [
        ("retry", {"all": True, "dry_run": True}),
        ("cancel", {"ids": [FIRST], "dry_run": True}),
    ]


def test_several_ids_are_one_request(server: Server) -> None:
    assert run(["cancel", FIRST, SECOND, FIRST]) == 0
    assert server.asked == [("cancel", {"ids": [FIRST, SECOND], "dry_run": False})]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give the ID of a job, or --all with a filter"),
        (["--state", "failed"], "--all is needed, too"),
        ([FIRST, "--all"], "give either IDs, or --all with a filter"),
        ([FIRST, "--kind", "train"], "give either IDs, or --all with a filter"),
    ],
)
def test_what_is_not_said_clearly_is_refused(
    server: Server, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["delete", *arguments]) == 2
    assert message in capsys.readouterr().err
    assert server.asked == []


def test_nothing_is_changed_without_a_yes(server: Server) -> None:
    result = CliRunner().invoke(cli, ["cancel", "--all"], input="n\n")
    assert (result.exit_code, "nothing was changed" in result.output) == (1, True)
    assert server.asked == [("cancel", {"all": True, "dry_run": True})]
    assert run(["cancel", "--all", "--yes"]) == 0
    assert server.asked[1:] == [("cancel", {"all": True, "dry_run": False})]


def test_the_client_adds_the_parts_up(server: Server) -> None:
    with Client("http://server", "token") as client:
        done = client.delete_jobs(state="failed", dry_run=True)
        assert client.cancel_jobs([uuid.UUID(SECOND)])["moved"] == 1_996
    assert (done["matched"], done["moved"]) == (2_000, 1_996)
    (refused,) = done["refused"]
    assert (refused["reason"], refused["count"], len(refused["examples"])) == ("succeeded", 4, 2)
    assert server.asked == [
        ("delete", {"state": ["failed"], "dry_run": True}),
        ("cancel", {"ids": [SECOND], "dry_run": False}),
    ]
