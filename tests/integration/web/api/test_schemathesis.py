"""Schemathesis sends what the OpenAPI document allows, and what it forbids, to every operation.

No answer is an error of the server, and each is as the document says: its status, media type, headers and
JSON. Cases are derived from the document without chance, so that two runs of one code send the same. `make
fuzz-api` sends more: EXAMPLES of each sort to each operation.
"""

import gc
import itertools
import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    ignored_auth,
    negative_data_rejection,
    positive_data_acceptance,
)

from jobyard.shared.broker import Broker
from jobyard.web.backend import Backend
from tests.conftest import TOKEN
from tests.integration.web.world import World

if TYPE_CHECKING:
    from flask import Flask
    from schemathesis.schemas import APIOperation, BaseSchema

BEARER = {"Authorization": f"Bearer {TOKEN}"}
EXAMPLES = int(os.environ.get("EXAMPLES", "6"))
# A spec may be well formed and name what is not there (422); the token has a test of its own below.
EXCLUDED = [positive_data_acceptance, ignored_auth]
# The fields of a form are texts, whatever they were made from: null is the name "null".
UNTYPED = {"multipart/form-data": [negative_data_rejection]}
# What a worker has to look at is answered with 503 here, where there is none.
FOR_WORKERS = ("POST /api/v1/previews", "POST /api/v1/files/{id}/preview")
KINDS = ("train", "predict", "texts", "file", "import")
STATES = ("queued", "running", "succeeded", "failed")


@pytest.fixture
def app(make_app: "Callable[..., Flask]", database_url: str, monkeypatch: pytest.MonkeyPatch) -> "Flask":
    """On SQLite and on PostgreSQL. It answers at once who waits for a change, as if many others waited."""
    monkeypatch.setattr(Broker, "wake", lambda *_: None)
    app = make_app(database_url=database_url)
    backend: Backend = app.extensions["jobyard"]
    while backend.waiters.acquire(blocking=False):
        pass
    return app


@pytest.fixture
def schema(app: "Flask") -> "BaseSchema":
    config = schemathesis.Config.from_dict({"headers": BEARER})
    return schemathesis.openapi.from_wsgi("/api/v1/openapi.json", app, headers=BEARER, config=config)


@pytest.fixture
def job_ids(backend: Backend) -> list[str]:
    """Jobs of every kind in every state."""
    world = World(backend)
    return [str(world.job(kind, state).id) for kind in KINDS for state in STATES]


def operations(schema: "BaseSchema") -> "Iterator[APIOperation[Any, Any, Any, Any]]":
    for result in schema.get_all_operations():
        yield result.ok()


def send(
    operation: Any, mode: GenerationMode, use: Callable[[Case], object], examples: int = EXAMPLES
) -> None:
    """Use so many cases of an operation."""
    without_chance = settings(
        max_examples=examples,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    try:
        without_chance(given(operation.as_strategy(generation_mode=mode))(use))()
    except Unsatisfiable:  # an operation without parameters has nothing that could be wrong
        assert mode == GenerationMode.NEGATIVE


# Schemathesis closes no answer, and Werkzeug's client no large request: the garbage collector does.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["right", "wrong"])
def test_every_answer_is_as_the_document_says(
    schema: "BaseSchema", job_ids: list[str], mode: GenerationMode
) -> None:
    failures: list[str] = []
    turn = itertools.count()
    sent = 0

    def validate(case: Case) -> None:
        nonlocal sent
        sent += 1
        number = next(turn)
        # Every other request is for a job that is there.
        if mode == GenerationMode.POSITIVE and number % 2 and case.path.startswith("/api/v1/jobs/"):
            case.path_parameters["id"] = job_ids[number // 2 % len(job_ids)]
        try:
            response = case.call()
            excluded = EXCLUDED + UNTYPED.get(case.media_type or "", [])
            if response.status_code == 503 and case.operation.label in FOR_WORKERS:
                excluded = [*excluded, not_a_server_error]
            case.validate_response(response, excluded_checks=excluded)
        except FailureGroup as group:
            failures.extend(f"{case.operation.label}: {failure}" for failure in group.exceptions)

    for operation in operations(schema):
        send(operation, mode, validate)
    gc.collect()  # while the warnings of what is left open are ignored, and not in a test that comes later
    assert failures == []
    assert sent > 100


def test_no_operation_answers_without_the_token(schema: "BaseSchema") -> None:
    labels = []

    def check(case: Case) -> None:
        for authorization in ("", "Bearer wrong", "Basic eDp4"):
            response = case.call(headers={"Authorization": authorization})
            assert response.status_code == 401, case.operation.label
            assert response.headers["content-type"] == ["application/problem+json"]
            assert response.headers["www-authenticate"] == ["Bearer"]

    for operation in operations(schema):
        labels.append(operation.label)
        send(operation, GenerationMode.POSITIVE, check, 1)
    assert len(labels) >= 30
