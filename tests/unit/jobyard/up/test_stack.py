"""What `jobyard up` gives to each of its processes."""

import pytest

from jobyard.shared.config import Settings
from jobyard.up.stack import environment

SECRETS = {
    "JOBYARD_DATABASE_URL": "postgresql://jobyard:secret@db/jobyard",
    "JOBYARD_STORAGE_URL": "s3://key:secret@bucket",
    "PGPASSWORD": "secret",
    "AWS_SECRET_ACCESS_KEY": "secret",
}
NEEDED = {
    "JOBYARD_BROKER_URL": "redis://broker",
    "JOBYARD_TOKEN": "a-token-of-enough-characters",
    "LANG": "C",
}


@pytest.fixture(autouse=True)
def _variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (SECRETS | NEEDED).items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize("name", ["flower", "redis"])
def test_what_uses_no_database_and_no_storage_gets_no_way_to_them(name: str) -> None:
    given = environment(Settings.load(), name)
    assert NEEDED.items() <= given.items()
    assert "secret" not in " ".join(given.values())


@pytest.mark.parametrize(
    ("given", "home", "roots"),
    [
        (None, "/home/somebody", "/home/somebody"),
        (None, "/", ""),
        ("", "/home/somebody", ""),
        ("/pictures:/more", "/home/somebody", "/pictures:/more"),
    ],
)
def test_imports_may_read_the_users_home_unless_the_user_says_otherwise(
    monkeypatch: pytest.MonkeyPatch, given: str | None, home: str, roots: str
) -> None:
    monkeypatch.setenv("HOME", home)
    if given is not None:
        monkeypatch.setenv("JOBYARD_IMPORT_ROOTS", given)
    assert environment(Settings.load(), "cpu")["JOBYARD_IMPORT_ROOTS"] == roots


@pytest.mark.parametrize("name", ["web", "gpu", "predict", "cpu", "sweeper"])
def test_the_others_get_all(name: str) -> None:
    assert (SECRETS | NEEDED).items() <= environment(Settings.load(), name).items()
