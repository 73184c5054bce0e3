"""`jobyard webhooks`: what is asked of the server, and what is printed."""

import json
from collections.abc import Callable

import httpx
import pytest

from jobyard.cli import run

ID = "018f0000-0000-7000-8000-000000000000"
WEBHOOK = {
    "id": ID,
    "name": "chat",
    "url": "https://hooks.example.org/a?…",
    "events": ["failed"],
    "kinds": ["train"],
    "labels": {"team": "[b]birds"},
    "enabled": False,
    "disabled_reason": "its receiver answered with 410 Gone",
    "created_at": "2026-01-01T00:00:00.000Z",
    "created_by": None,
}
DELIVERY = {
    "id": 7,
    "message_id": "msg_1",
    "event": "failed",
    "job_id": ID,
    "status": "pending",
    "attempts": 2,
    "next_try_at": "2026-01-01T00:00:00.000Z",
    "last_status": 503,
    "last_error": "the receiver answered with 503",
    "created_at": "2026-01-01T00:00:00.000Z",
    "delivered_at": None,
    "payload": {},
}
Asked = list[tuple[str, str, object]]


@pytest.fixture
def asked(answer_with: Callable[[Callable[[httpx.Request], httpx.Response]], None]) -> Asked:
    """What the server was asked to change."""
    found: Asked = []

    def answers(request: httpx.Request) -> httpx.Response:
        of_a_delivery = request.url.path.endswith(("/deliveries", "/resend", "/test"))
        one = DELIVERY if of_a_delivery else WEBHOOK
        if request.method == "GET":
            return httpx.Response(200, json={"items": [one], "next": None})
        body = json.loads(request.content) if request.content else None
        found.append((request.method, request.url.path.removeprefix("/api/v1/webhooks"), body))
        if request.method == "DELETE":
            return httpx.Response(204)
        return httpx.Response(200, json=one | {"secret": "whsec_shown"})

    answer_with(answers)
    return found


def test_webhooks_and_their_deliveries_are_listed(asked: Asked, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["webhooks"]) == 0
    shown = capsys.readouterr().out
    assert all(word in shown for word in ("chat", "failed", "train, team=[b]birds", "410 Gone"))
    assert run(["webhooks", "deliveries", "chat"]) == 0
    shown = capsys.readouterr().out
    assert all(word in shown for word in ("7", ID, "pending", "answered with 503"))
    for words, line in ((["webhooks"], WEBHOOK), (["webhooks", "deliveries", ID], DELIVERY)):
        assert run([*words, "--json"]) == 0
        assert json.loads(capsys.readouterr().out) == line
    assert asked == []


def test_webhooks_are_added_changed_tested_and_deleted(
    asked: Asked, capsys: pytest.CaptureFixture[str]
) -> None:
    address = "https://hooks.example.org/a"
    for words in (
        f"add chat {address}",
        f"add chat {address} --event failed --kind train --label team=birds",
        "rotate chat",
        f"enable {ID}",
        "disable chat",
        "test chat",
        "resend chat 7 8",
        "delete chat --yes",
    ):
        assert run(["webhooks", *words.split()]) == 0
    ends = {"name": "chat", "url": address, "events": ["succeeded", "failed", "cancelled"], "kinds": []}
    narrow = ends | {"events": ["failed"], "kinds": ["train"], "labels": {"team": "birds"}}
    assert asked == [
        ("POST", "", ends),
        ("POST", "", narrow),
        ("POST", f"/{ID}/rotate", None),
        ("PATCH", f"/{ID}", {"enabled": True}),
        ("PATCH", f"/{ID}", {"enabled": False}),
        ("POST", f"/{ID}/test", None),
        ("POST", f"/{ID}/deliveries/7/resend", None),
        ("POST", f"/{ID}/deliveries/8/resend", None),
        ("DELETE", f"/{ID}", None),
    ]
    assert capsys.readouterr().out.count("whsec_shown") == 3


def test_one_that_is_not_there_is_refused(asked: Asked, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["webhooks", "test", "mail"]) == 2
    assert "there is no webhook mail; there are: chat" in capsys.readouterr().err
    assert asked == []
