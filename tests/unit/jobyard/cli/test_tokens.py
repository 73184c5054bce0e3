"""`jobyard tokens` and `jobyard audit`: what they ask, and what they print."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from jobyard.cli import run

TOKEN: dict[str, Any] = {
    "id": "018f0000-0000-7000-8000-000000000000",
    "name": "ci",
    "scope": "submit",
    "created_at": "2026-01-02T03:04:05.678Z",
    "created_by": "admin",
    "max_queued": None,
    "max_running": 2,
    "expires_at": None,
    "last_used_at": None,
    "revoked_at": None,
}
ENTRY: dict[str, Any] = {
    "id": 7,
    "at": "2026-01-02T03:04:05.678Z",
    "actor": "admin",
    "action": "token.create",
    "object": "[b]ci",
    "details": {"scope": "submit", "expires_at": None},
}
Use = Callable[[Callable[[httpx.Request], httpx.Response]], None]


def test_a_new_token_alone_is_on_standard_output(
    answer_with: Use, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = []

    def answers(request: httpx.Request) -> httpx.Response:
        asked.append((request.method, request.url.path, json.loads(request.content)))
        return httpx.Response(201, json=TOKEN | {"secret": "jy_x"})

    answer_with(answers)
    quotas = ["--max-queued", "9", "--max-running", "2"]
    assert run(["tokens", "create", "ci", "--scope", "submit", "--expires", "30d", *quotas]) == 0
    body = {
        "name": "ci",
        "scope": "submit",
        "expires_seconds": 30 * 86_400,
        "max_queued": 9,
        "max_running": 2,
    }
    assert asked == [("POST", "/api/v1/tokens", body)]
    printed = capsys.readouterr()
    assert printed.out == "jy_x\n"
    assert "not shown again" in printed.err


@pytest.mark.parametrize("written", ["30", "0d", "d", "1y", "-1d", "1.5h"])
def test_a_duration_has_a_number_and_a_unit(written: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["tokens", "create", "ci", "--scope", "read", "--expires", written]) == 2
    assert "should be like 12h, 30d or 8w" in capsys.readouterr().err


def test_the_list_and_a_revocation(answer_with: Use, capsys: pytest.CaptureFixture[str]) -> None:
    asked = []

    def answers(request: httpx.Request) -> httpx.Response:
        asked.append(f"{request.method} {request.url.raw_path.decode()}")
        if request.method == "DELETE":
            return httpx.Response(204)
        return httpx.Response(200, json={"items": [TOKEN], "next": None})

    answer_with(answers)
    assert run(["tokens"]) == 0
    assert run(["tokens", "--revoked", "--json"]) == 0
    shown = capsys.readouterr().out
    assert "never" in shown
    assert json.loads(shown.splitlines()[-1]) == TOKEN
    assert run(["tokens", "revoke", "ci"]) == 0
    assert asked == [
        "GET /api/v1/tokens?revoked=false",
        "GET /api/v1/tokens?revoked=true",
        "DELETE /api/v1/tokens/ci",
    ]


def test_a_token_of_too_small_a_scope_is_one_line(
    answer_with: Use, capsys: pytest.CaptureFixture[str]
) -> None:
    detail = (
        "the token 'ci' has the scope read, and GET /api/v1/tokens needs the scope admin: use another token"
    )
    answer_with(lambda _: httpx.Response(403, json={"title": "Forbidden", "status": 403, "detail": detail}))
    assert run(["tokens"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert detail in line


def test_the_audit_log_for_people_and_for_programs(
    answer_with: Use, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = []

    def answers(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.query.decode())
        return httpx.Response(200, json={"items": [ENTRY], "next": None})

    answer_with(answers)
    assert run(["audit", "--actor", "admin", "--action", "token."]) == 0
    shown = capsys.readouterr().out
    assert "[b]ci" in shown
    assert "scope: submit" in shown
    assert "expires_at" not in shown
    assert run(["audit", "--csv"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "at,actor,action,object,details"
    assert lines[1].startswith("2026-01-02T03:04:05.678Z,admin,token.create,[b]ci,")
    assert run(["audit", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == ENTRY
    assert asked == ["actor=admin&action=token.", "", ""]
