"""All checks, in the order in which what is wrong with one explains what is wrong with those after it."""

from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import unquote, urlsplit

import sqlalchemy as sa

from jobyard.shared.config import Settings
from jobyard.shared.database import Database
from jobyard.shared.doctor import brokers, databases, environment, storages, versions, workers
from jobyard.shared.doctor.findings import Finding, wrong
from jobyard.shared.errors import JobyardError


def examine() -> Iterator[Finding]:
    """Findings, each as soon as it is there. What needs the database is left out where it can't be used."""
    yield from versions.check_packages()
    problems = list(environment.check())
    yield from problems
    if any(found.topic == environment.TOPIC and found.level == "error" for found in problems):
        return
    settings = Settings.load()
    secrets = _secrets(settings)
    for found in _examine(settings):
        remedy = found.remedy and _hidden(found.remedy, secrets)
        yield replace(found, text=_hidden(found.text, secrets), remedy=remedy)


def _examine(settings: Settings) -> Iterator[Finding]:
    yield from environment.check_home(settings)
    try:
        database = Database(settings.database)
    except JobyardError as error:
        yield wrong("database", error.message, "correct JOBYARD_DATABASE_URL")
        return
    try:
        is_usable = yield from databases.check(settings, database)
        yield from brokers.check(settings)
        if not is_usable:
            yield from storages.check_disk(settings)
            return
        try:
            yield from storages.check(settings, database)
            yield from workers.check(database)
        except sa.exc.SQLAlchemyError as error:
            yield databases.unusable(error)
    finally:
        database.dispose()


def _secrets(settings: Settings) -> list[str]:
    """What must not be shown, whoever says it: the longest first, for one may be part of another."""
    found = {settings.token.get_secret_value()} if settings.token is not None else set()
    for url in (settings.database_url, settings.broker_url, settings.storage_url):
        try:
            password = urlsplit(url).password
        except ValueError:
            password = None
        if password:
            found |= {password, unquote(password)}
    return sorted(found, key=len, reverse=True)


def _hidden(text: str, secrets: list[str]) -> str:
    for secret in secrets:
        text = text.replace(secret, "***")
    return text
