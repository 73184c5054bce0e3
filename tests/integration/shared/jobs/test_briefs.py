"""Lists show long specs and results in brief, and are read without what they leave out."""

import json
import uuid
from typing import Any

import pytest
import sqlalchemy as sa

from jobyard.shared import jobs
from jobyard.shared.database import Database
from jobyard.shared.jobs import WHOLE_BYTES, Job, JobBrief, brief_of
from jobyard.shared.migrate import alembic_config, connection_for_migrations
from jobyard.shared.texts import to_json
from tests.factories import claimed, new_job

LONG = {"texts": ["a text"] * 1_000, "lexicon": {f"word{n}": n / 1_000 for n in range(500)}, "explain": True}


def listed(database: Database, job_id: uuid.UUID) -> tuple[Any, Any, list[str]]:
    """Spec and result as a list shows them, and what is cut; all readers alike."""
    with database.read() as session:
        [snapshot] = jobs.read_snapshots(session.connection(), [job_id])
        [row], _ = jobs.page(session)
        assert (row.id, row in session.dirty) == (job_id, False)
    spec, result = json.loads(snapshot.spec), snapshot.result and json.loads(snapshot.result)
    assert (row.spec.keys(), row.result) == (spec.keys(), result)
    return spec, result, list(snapshot.truncated)


def whole(database: Database, job_id: uuid.UUID) -> tuple[Any, Any]:
    with database.read() as session:
        snapshot = jobs.read_snapshot(session.connection(), job_id)
        row = jobs.get(session, job_id)
        assert snapshot.truncated == ()
        assert json.loads(snapshot.spec) == row.spec
        return row.spec, row.result


def test_what_is_short_is_listed_whole_and_has_no_brief(database: Database) -> None:
    spec = {"texts": ["☃" * 600], "more": {"a": "b\x00"}}
    assert len(to_json(spec)) < WHOLE_BYTES
    job_id = new_job(database, spec=spec)
    assert listed(database, job_id) == (spec, None, [])
    with database.read() as session:
        assert session.scalars(sa.select(JobBrief)).all() == []


def test_a_long_spec_is_cut_and_still_as_long_for_its_title(database: Database) -> None:
    job_id = new_job(database, spec=LONG)
    spec, _, cut = listed(database, job_id)
    assert (spec["texts"], spec["explain"]) == ([], True)
    assert 0 < len(spec["lexicon"]) < 500
    assert cut == ["spec.lexicon", "spec.texts"]
    assert list(spec) == list(LONG)
    with database.read() as session:
        [row], _ = jobs.page(session)
        assert len(row.spec["texts"]) == 1_000
        assert list(row.spec["texts"]) == []
    assert whole(database, job_id) == (LONG, None)


def test_a_long_result_is_cut_when_the_job_succeeds(database: Database) -> None:
    job_id = new_job(database)
    claim = claimed(database, job_id)
    result = {
        "model": "pets@1",
        "note": "x" * 10_000,
        "evaluation": {"accuracy": 0.5, "roc": [[0.5, 0.5]] * 900},
    }
    with database.write() as session:
        assert jobs.succeed(session, job_id, claim.lease, result)
    _, shown, cut = listed(database, job_id)
    assert shown == {"model": "pets@1", "note": "x" * 100, "evaluation": {"accuracy": 0.5, "roc": []}}
    assert cut == ["result.note", "result.evaluation.roc"]
    assert whole(database, job_id)[1] == result


def test_the_parts_of_a_job_are_listed_in_brief_too(database: Database) -> None:
    parent = new_job(database)
    claim = claimed(database, parent)
    with database.write() as session:
        progress = jobs.Progress("parts", 0, 1, "rows", None)
        assert jobs.split(session, parent, claim.lease, [LONG, {}], window=1, progress=progress)
        shown = jobs.read_snapshots(
            session.connection(), [child.id for child in jobs.page(session, parent=parent)[0]]
        )
    assert [list(one.truncated) for one in shown] == [["spec.lexicon", "spec.texts"], []]


@pytest.mark.parametrize(
    "document",
    [
        {f"name{n}": "x" * 150 for n in range(1_000)},
        {f"name{n}": ["x"] * 1_000 for n in range(1_000)},
        {f"{n}" * 30: {f"{m}" * 30: ["x" * 300] for m in range(20)} for n in range(50)},
        {"x" * 10_000: 1, "y" * 10_000: 2},
        {"deep": {"deep": {"deep": {"deep": {"deep": ["x" * 300] * 20}}}}, "number": 10**400},
        {"text": "\N{PILE OF POO}" * 10_000, "nul": "\x00" * 10_000, "half": "\ud800" * 10_000},
    ],
    ids=["members", "arrays", "objects", "names", "deep", "odd texts"],
)
def test_a_brief_is_short_whatever_the_document(database: Database, document: dict[str, Any]) -> None:
    value, cuts = brief_of(document)
    # A text of a hundred characters takes up to twelve times as many bytes.
    assert len(to_json(value)) < 2 * WHOLE_BYTES
    assert cuts
    assert len(to_json(cuts)) < 20_000
    spec, _, cut = listed(database, new_job(database, spec=document))
    assert len(to_json(spec)) < 2 * WHOLE_BYTES
    assert cut
    assert len(to_json(cut)) < 10_000


def test_a_long_document_without_a_brief_is_left_out(database: Database) -> None:
    job_id = new_job(database, spec=LONG)
    with database.write() as session:
        session.execute(sa.delete(JobBrief))
    assert listed(database, job_id) == ({}, None, ["spec"])


def test_briefs_go_with_their_jobs_and_are_made_for_those_from_before(database: Database) -> None:
    job_id = new_job(database, spec=LONG)
    before = listed(database, job_id)
    config = alembic_config()
    with connection_for_migrations(database.engine.url.render_as_string(hide_password=False)) as connection:
        config.attributes["connection"] = connection
        from alembic import command

        command.downgrade(config, "0008")
        command.upgrade(config, "head")
    assert listed(database, job_id) == before
    with database.write() as session:
        session.execute(sa.delete(Job))
        assert session.scalars(sa.select(JobBrief)).all() == []


def test_what_is_cut_is_told_apart_by_its_digest(database: Database) -> None:
    other = LONG | {"texts": ["a text"] * 999 + ["another"]}
    first, second, third = (new_job(database, spec=spec) for spec in (LONG, other, LONG))
    with database.read() as session:
        found = jobs.digests(session, [first, second, third])
    assert found[first] == found[third]
    assert {path for path in found[first] if found[first][path] != found[second][path]} == {"spec.texts"}
