"""The JSON of a job and its schema have every field that is shown, and what is computed."""

import datetime
import json
import uuid

from jobyard.shared.jobs import FIELDS, JobSnapshot, Shown
from jobyard.web import schemas
from jobyard.web.api import serializers

SHOWN = [one.shown_name for one in FIELDS if one.shown in (Shown.AS_IT_IS, Shown.AS_A_FLAG)]
WITHIN_OTHERS = [one.shown_name for one in FIELDS if one.shown == Shown.WITHIN_OTHERS]
JSON = [one.shown_name for one in FIELDS if one.shown and one.is_json]
EMPTY = {one.shown_name: one.empty or "null" for one in FIELDS if one.shown and one.is_json}
FLAGS = [one.shown_name for one in FIELDS if one.shown == Shown.AS_A_FLAG]
COMPUTED = [one.name for one in schemas.COMPUTED]
NOW = datetime.datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=datetime.UTC)


def a_job(**values: object) -> JobSnapshot:
    known = {
        "id": uuid.UUID(int=1),
        "spec": '{"texts": null}',
        "priority": 5,
        "created_at": NOW,
        "attempt": 1,
        "max_attempts": 3,
        "keep": False,
        "created_by": "ann",
        "cuts": (),
        **dict.fromkeys(FLAGS, False),
    }
    texts = {"kind": "sentiment", "queue": "cpu", "state": "queued"}
    return JobSnapshot(**dict.fromkeys(JobSnapshot._fields) | known | texts | values)


def test_every_field_that_is_shown_reaches_the_schema() -> None:
    assert [name for name in schemas.Job.model_fields if name not in COMPUTED] == SHOWN
    assert set(schemas.Job.model_fields) == {*SHOWN, *COMPUTED}
    described = {one.shown_name: one.description for one in FIELDS if one.shown and one.description}
    assert described
    assert {name: schemas.Job.model_fields[name].description for name in described} == described


def test_every_field_that_is_shown_reaches_the_json() -> None:
    job = a_job(parent_id=uuid.UUID(int=2), started_at=NOW, result='{"loss":0.5}')
    found = json.loads(serializers.of_job(job))
    assert list(found) == [*(name for name in schemas.Job.model_fields if name not in JSON), *JSON]
    assert not set(found) & set(WITHIN_OTHERS)
    again = schemas.Job.model_validate(found, strict=False).model_dump(mode="json")
    assert again == found
    for name in SHOWN:
        value = getattr(job, name)
        if name in JSON:
            value = json.loads(value or EMPTY[name])
        elif isinstance(value, datetime.datetime):
            value = "2026-01-02T03:04:05.678Z"
        elif isinstance(value, uuid.UUID):
            value = str(value)
        assert found[name] == value


def test_what_is_computed_has_a_function_or_is_in_the_snapshot() -> None:
    assert {*serializers.COMPUTED, *(set(COMPUTED) & set(JobSnapshot._fields))} == set(COMPUTED)
    assert not set(serializers.COMPUTED) & set(SHOWN)


def test_the_json_is_compact_and_in_its_order() -> None:
    own = "/api/v1/jobs/00000000-0000-0000-0000-000000000001"
    job = a_job(
        state="failed",
        error_message="why",
        progress_done=2,
        progress_total=4,
        eta_seconds=4.0,
        position=1,
        cancel_requested=True,
        name="naïve",
        labels='{"team": "birds"}',
    )
    found = serializers.of_job(job).decode()
    assert found.startswith(
        '{"id":"00000000-0000-0000-0000-000000000001","kind":"sentiment","title":"naïve",'
        '"state":"failed","phase":null,"queue":"cpu","priority":5,"name":"naïve","note":null,"keep":false,"error":{"type":"Error","message":"why"},'
        '"progress":{"done":2,"total":4,"unit":null,"eta_seconds":4.0,"per_second":0.5},'
        '"attempt":1,"max_attempts":3,"position":1,"waiting_for":null,"parent_id":null,'
        '"created_at":"2026-01-02T03:04:05.678Z","created_by":"ann","started_at":null,"finished_at":null,'
        '"cancel_requested":true,"pause_requested":false,'
    )
    assert (
        f'"links":{{"self":"{own}","events":"{own}/events","files":"{own}/files",'
        f'"page":"{own.removeprefix("/api/v1")}","scores":"{own}/scores","retry":"{own}/retry"}},'
        '"labels":{"team": "birds"},"spec":{"texts": null},"result":null'
    ) in found
