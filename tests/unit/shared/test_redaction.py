"""Secrets in texts that others read."""

from pathlib import Path

import pytest

from jobyard.shared.config import Settings
from jobyard.shared.redaction import Redactor


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("can't reach postgresql://jo:s3cret-p@ss@db:5432/x", "can't reach postgresql://jo:***@db:5432/x"),
        ("redis://:p4ssword@host", "redis://:***@host"),
        ("Authorization: Bearer abcdef.123456", "Authorization: Bearer ***"),
        ("GET /a?x=1&X-Amz-Signature=0f1e&y=2", "GET /a?x=1&X-Amz-Signature=***&y=2"),
        ("https://example.org/a?page=2 and a@b.c", "https://example.org/a?page=2 and a@b.c"),
        ("it is jy_0123456789abcdefghijKLMN-_, a token", "it is ***, a token"),
        ("a bearer of news", "a bearer of news"),
        ("key=value, accuracy=0.9", "key=value, accuracy=0.9"),
    ],
)
def test_what_looks_like_a_secret_is_hidden_and_nothing_else(text: str, shown: str) -> None:
    assert Redactor([])(text) == shown


def test_the_secrets_of_this_server_are_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "token").write_text("token-in-the-home\n")
    monkeypatch.setenv("HF_TOKEN", "hf-0123456789")
    monkeypatch.setenv("SHORT_TOKEN", "a")
    settings = Settings(
        home=tmp_path,
        token="token-of-the-settings",
        database_url="postgresql://jo:database%2Dpassword@db/x",
        broker_url="amqp://jo:broker-password@host",
    )
    redact = Redactor.of(settings)
    for secret in (
        "token-in-the-home",
        "token-of-the-settings",
        "database-password",
        "database%2Dpassword",
        "broker-password",
        "hf-0123456789",
    ):
        assert redact(f"it is {secret}, a secret") == "it is ***, a secret"
