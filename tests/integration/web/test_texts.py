"""NUL and halves of surrogate pairs in whatever jobs and files bring: no query and no page fails."""

import itertools
import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session
from werkzeug.routing import Rule

from jobyard.shared import jobs, retention, storage
from jobyard.shared.database import Database
from jobyard.shared.jobs import Job
from jobyard.shared.needs import Needs, note
from jobyard.shared.registry import Dataset, Model
from jobyard.web.backend import Backend
from tests.conftest import logged_in
from tests.factories import claim, post_job, submit
from tests.integration.web.world import KINDS, STATES, World, browser

NUL = "nul \0 in it"
HALF = "half \ud83d of a pair"
# As texts, so that a specification is there to the letter, whoever wrote it.
SPECS = {
    "texts": {"texts": ["a nul \0 in it"], "lexicon": {f"good{odd}": 1 for odd in (NUL, HALF)}},
    "file": {"texts": None, "column": NUL, "group_by": HALF},
    "train": {"model_name": NUL, "augment": {HALF: 1}},
    "register": {"classes": [NUL, HALF]},
}
NAMES = (
    "label",
    "search",
    "name",
    "cursor",
    "jobs",
    "kind",
    "state",
    "parent",
    "sort",
    "tab",
    "q",
    "created_by",
)
QUERIES = [f"?{name}={value}" for name in NAMES for value in ("%00", "%ED%A0%80")]


@pytest.fixture
def app(make_app: Callable[..., Flask], database_url: str) -> Flask:
    """On SQLite and on PostgreSQL."""
    return make_app(database_url=database_url)


@pytest.fixture(params=[NUL, HALF], ids=["nul", "half"])
def world(request: pytest.FixtureRequest, backend: Backend) -> World:
    """Jobs of every kind, and in every state, and what they left behind, with odd texts all over."""
    made = World(backend, request.param)
    for kind, state in [*((kind, "succeeded") for kind in KINDS), *(("texts", state) for state in STATES)]:
        job = made.job(kind, state)
        overwrite(backend.database, job, SPECS.get(kind, {}))
    return made


def overwrite(database: Database, job: Job, odd: dict[str, Any]) -> None:
    """Put odd texts into a spec that the server would not take any more, as an earlier version did."""
    statement = "UPDATE jobs SET spec = {} WHERE id = :id"
    document = "CAST(:spec AS json)" if database.engine.dialect.name == "postgresql" else ":spec"
    values = {"spec": json.dumps(job.spec | odd), "id": job.id}
    with database.engine.begin() as connection:
        connection.execute(
            sa.text(statement.format(document)).bindparams(sa.bindparam("id", type_=sa.Uuid)), values
        )


def ids_of(database: Database, table: Any) -> list[uuid.UUID]:
    with database.read() as session:
        return list(session.scalars(sa.select(table.id).order_by(table.id)))


def addresses(app: Flask, database: Database) -> Iterator[list[str]]:
    """Of every GET of the application: what it can be about."""
    everything = {
        "job": [str(one) for one in ids_of(database, Job)],
        "file": [str(one) for one in ids_of(database, storage.File)][:5],
        "thing": ["pets", "pets@1", "pets@%00", "%00", "%ED%A0%80"],
    }
    for rule in app.url_map.iter_rules():
        if "GET" in (rule.methods or ()) and "filename" not in rule.arguments:
            yield [filled(rule, values) for values in every_value(rule, everything)]


def every_value(rule: Rule, everything: dict[str, list[str]]) -> Iterator[dict[str, str]]:
    others = {"name": ["scored.parquet", "%00", "last.keras"], "kind": ["train", "%00"]}
    others |= {"alias": ["best", "%00"], "member": ["train/cats/1.png", "%00"]}
    others |= {"webhook_id": [str(uuid.UUID(int=1))], "version": ["1", "%00"]}
    others |= {"format": ["%00", "xlsx", "jsonl", "parquet", "csv"]}
    choices = [
        everything["job"]
        if name == "job_id" or (name == "id" and "/jobs/" in rule.rule)
        else everything["file"]
        if name == "file_id"
        else everything["thing"]
        if name in ("id", "reference")
        else others[name]
        for name in sorted(rule.arguments)
    ]
    for values in itertools.product(*choices):
        yield dict(zip(sorted(rule.arguments), values, strict=True))


def filled(rule: Rule, values: dict[str, str]) -> str:
    address = rule.rule
    for name, value in values.items():
        for converter in ("", "uuid:", "path:"):
            address = address.replace(f"<{converter}{name}>", value)
    return address


def failed(app: Flask, asked: Iterator[str]) -> list[str]:
    """The addresses that are answered with an error of the server."""
    clients = [logged_in(app), browser(app)]
    bad = []
    for address in asked:
        answer = clients["/api/" not in address].get(address)
        if answer.status_code >= 500:
            bad.append(f"{answer.status_code} {address}")
        answer.close()
    return bad


def test_every_address_answers(app: Flask, world: World) -> None:
    assert failed(app, (each for found in addresses(app, world.backend.database) for each in found)) == []


@pytest.mark.parametrize("world", [NUL], indirect=True, ids=["nul"])
def test_every_address_answers_every_odd_query(app: Flask, world: World) -> None:
    """What is asked for is odd; what is odd in the rows has a test of its own above."""
    last = (found[-1] for found in addresses(app, world.backend.database))
    assert failed(app, (f"{address}{query}" for address in last for query in QUERIES)) == []


def test_every_verb_does(app: Flask, world: World) -> None:
    database = world.backend.database
    client = logged_in(app)
    for job_id in ids_of(database, Job):
        for verb in ("pause", "resume", "cancel", "retry"):
            assert client.post(f"/api/v1/jobs/{job_id}/{verb}").status_code in (202, 409)
    with database.write() as session:
        for queue in ("cpu", "gpu", "predict"):
            while jobs.claim(session, queue, worker="w", lease_seconds=-1):
                pass
    with database.write() as session:
        assert jobs.rescue(session)
        jobs.expire(session)
        jobs.settle(session)
        jobs.forget_checkpoints(session)
    with database.write() as session:
        retention.forget(session, -1)
        retention.due(session)
    assert list(storage.orphans(world.backend.storage.objects, database)) == []


@pytest.mark.parametrize("state", ["queued", "running", "failed"])
def test_no_odd_job_keeps_a_data_set_or_a_model_from_its_deletion(
    app: Flask, backend: Backend, state: str
) -> None:
    world, client = World(backend, NUL), logged_in(app)
    dataset, model = world.dataset(), world.model()
    for kind in KINDS:
        job = world.job(kind, state)
        overwrite(backend.database, job, SPECS.get(kind, {}))
    with backend.database.write() as session:
        named = submit(session, spec={"texts": [NUL]})
        note(session.connection(), [(named.id, Needs(referents=[dataset.id, model.id]))])
    for thing, noun in ((model, "models"), (dataset, "datasets")):
        address = f"/api/v1/{noun}/{thing.id}"
        assert client.delete(address).status_code == 409
    with backend.database.write() as session:
        for job_id in session.scalars(sa.select(Job.id).where(Job.finished_at.is_(None))).all():
            jobs.cancel(session, job_id)
            if jobs.get(session, job_id).state == "running":
                lease = jobs.get(session, job_id).lease
                assert lease is not None
                assert jobs.finish_cancel(session, job_id, lease)
    for table, noun in ((Model, "models"), (Dataset, "datasets")):
        for one in ids_of(backend.database, table):
            assert client.delete(f"/api/v1/{noun}/{one}").status_code == 204


@pytest.mark.parametrize("odd", [NUL, HALF])
def test_what_a_worker_writes_may_be_odd(database: Database, odd: str) -> None:
    """Its phase, its result, its error, the files that it keeps."""

    def claimed(session: Session) -> tuple[Job, uuid.UUID]:
        job = submit(session)
        found = claim(session, job.id)
        assert found is not None
        return job, found.lease

    with database.write() as session:
        job, lease = claimed(session)
        progress = jobs.Progress(odd * 100, 1, 2, odd * 10, None)
        held = jobs.heartbeat(session, job.id, lease, lease_seconds=30, progress=progress)
        assert held is not None
        jobs.note_phase(session, held)
        stored = storage.Stored(f"artifacts/{job.id}", 1, "0" * 64)
        storage.add_file(session, stored, name=odd * 100, media_type=odd, job_id=job.id)
        assert jobs.succeed(session, job.id, lease, {odd: [odd, {"pair": "😀"}, "\\ud83d"]})
        other, lease = claimed(session)
        jobs.fail(session, other.id, lease, error_type=odd, message=odd, traceback=odd)
    with database.read() as session:
        shown = odd if odd == NUL else odd.replace("\ud83d", "\N{REPLACEMENT CHARACTER}")
        assert jobs.get(session, job.id).result == {shown: [shown, {"pair": "😀"}, "\\ud83d"]}
        text = odd.replace("\0", "\N{REPLACEMENT CHARACTER}").replace("\ud83d", "\N{REPLACEMENT CHARACTER}")
        assert jobs.events(session, job.id)[2].phase == (text * 100)[:200]
        assert storage.artifacts(session, job.id)[0].name == (text * 100)[:255]
        assert jobs.get(session, other.id).error_message == text
        json.dumps([event.message for event in jobs.events(session, other.id)], ensure_ascii=False).encode()


HALVES: list[tuple[Any, str]] = [
    ({"texts": ["one", "\ud800"]}, "spec.texts.1"),
    ({"texts": ["one"], "lexicon": {"good\udfff": 1}}, "spec.lexicon"),
    ({"texts": ["one"], "lexicon": {"fine": 1, "a": {"b": ["\udc00"]}}}, "spec.lexicon.a.b.0"),
    ({"file": str(uuid.UUID(int=0)), "column": "\udabc"}, "spec.column"),
]


@pytest.mark.parametrize(("spec", "field"), HALVES)
@pytest.mark.parametrize("content_type", ["application/json", "application/json; charset=utf-8"])
def test_half_of_a_surrogate_pair_is_refused_with_its_field(
    client: FlaskClient, spec: dict[str, Any], field: str, content_type: str
) -> None:
    """By the fast path, which leaves it to Flask, and by Flask; as an escape and as bytes."""
    job = {"kind": "sentiment", "spec": spec}
    for body, where in ((job, ""), ([job], "0.")):
        for sent in (
            json.dumps(body),
            json.dumps(body, ensure_ascii=False).encode(errors="surrogatepass"),
            json.dumps(body, ensure_ascii=False).encode("utf-16", errors="surrogatepass"),
        ):
            answer = client.post("/api/v1/jobs", data=sent, content_type=content_type)
            assert answer.status_code == 422, answer.text
            assert [error["field"] for error in answer.json["errors"]] == [f"{where}{field}"]
            assert "half of a surrogate pair (\\ud" in answer.json["detail"]


def test_a_text_with_a_nul_and_a_whole_pair_stays_exact(client: FlaskClient) -> None:
    texts = [f"a {NUL} 😀", "\\ud83d"]
    job_id = post_job(client, spec={"texts": texts, "lexicon": {"go\0od": 1}})
    job = client.get(f"/api/v1/jobs/{job_id}").json
    assert job["spec"]["texts"] == texts
    assert job["spec"]["lexicon"] == {"go\0od": 1}


def test_a_key_with_a_nul_is_refused(client: FlaskClient) -> None:
    body = {"kind": "sentiment", "spec": {"texts": ["one"]}}
    answer = client.post("/api/v1/jobs", json=body, environ_overrides={"HTTP_IDEMPOTENCY_KEY": "a\0b"})
    assert answer.status_code == 422
    assert "Idempotency-Key: should have no NUL" in answer.json["detail"]
