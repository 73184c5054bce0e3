"""`jobyard failures`: what failed alike, and retrying it."""

import json
from collections.abc import Callable

import httpx
import pytest

from jobyard.cli import run
from tests.unit.jobyard.conftest import Answers

GROUP = {
    "key": "0123456789abcdef",
    "kind": "sentiment",
    "error_type": "WorkError",
    "message": "row 1,204 is [b]broken[/b]\nsay it again",
    "jobs": 1_200,
    "first_at": "2026-01-01T00:00:00.000Z",
    "last_at": "2026-01-01T02:00:00.000Z",
    "newest": "018f0000-0000-7000-8000-00000000aaaa",
}


AGAIN = {
    "queue": "cpu",
    "kind": "sentiment",
    "message": "worker cpu@a/7 was lost",
    "jobs": 2,
    "last_at": "2026-01-01T02:00:00.000Z",
    "newest": "018f0000-0000-7000-8000-00000000bbbb",
}


@pytest.fixture
def retried(answer_with: Callable[[Answers], None]) -> list[str]:
    """The keys of which the jobs were retried; the server has one group."""
    found: list[str] = []

    def answers(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            one = AGAIN if request.url.path.endswith("/setbacks") else GROUP
            return httpx.Response(200, json={"items": [one], "next": None})
        found.append(request.url.path.removeprefix("/api/v1/failures/").removesuffix("/retry"))
        if found[-1] != GROUP["key"]:
            return httpx.Response(404, json={"detail": "no job has failed so"})
        return httpx.Response(200, json={"retried": 1_199, "refused": 1})

    answer_with(answers)
    return found


def test_a_group_is_a_line_with_what_other_commands_take(
    retried: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["failures"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    for word in (
        GROUP["key"],
        "1,200",
        "WorkError",
        "[b]broken[/b]",
        GROUP["newest"],
        "failures retry KEY",
        AGAIN["message"],
        AGAIN["newest"],
    ):
        assert str(word) in shown
    assert run(["failures", "--json"]) == 0
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == [
        GROUP | {"is_tried_again": False},
        AGAIN | {"is_tried_again": True},
    ]
    assert retried == []


def test_all_of_a_group_are_retried_by_its_key(
    retried: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["failures", "retry", str(GROUP["key"])]) == 0
    said = capsys.readouterr().out
    assert said.startswith(
        f"{GROUP['key']}: 1,199 jobs queued again; 1 not: what they name was deleted, or the quota"
    )
    assert run(["failures", "retry", str(GROUP["key"]), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"key": GROUP["key"], "retried": 1_199, "refused": 1}
    assert run(["failures", "retry", "f" * 16]) == 2
    assert "no job has failed so" in capsys.readouterr().err
    assert retried == [GROUP["key"], GROUP["key"], "f" * 16]


def test_a_key_of_no_group_holds_up_no_other_one(
    retried: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["failures", "retry", "f" * 16, str(GROUP["key"])]) == 2
    said = capsys.readouterr()
    assert said.err == "jobyard: no job has failed so\n"
    assert said.out.startswith(f"{GROUP['key']}: 1,199 jobs queued again")
    assert retried == ["f" * 16, GROUP["key"]]
