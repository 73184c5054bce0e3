"""Rows of a prediction over HTTP: page by page, by label, the least sure first, and as tables."""

import csv
import io
import json
import uuid
import zipfile
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
import sqlalchemy as sa

from jobyard.shared import jobs, registry
from jobyard.shared.jobs import Job
from jobyard.web.backend import Backend
from jobyard.web.services import predictions
from tests import factories
from tests.factories import post_file, zipped_dataset

if TYPE_CHECKING:
    from flask.testing import FlaskClient


CLASSES = ["cats", '=dogs"']
NAMES = ["a.jpg", "=1+1.jpg", 'comma, "quoted".jpg', "line\nbreak.jpg", "☃.jpg"]


def predict(backend: Backend, count: int, *, explain: bool = False, state: str = "succeeded") -> uuid.UUID:
    """A prediction of `count` pictures; every fifth failed."""
    spec = {"model": "pets@1", "images": [str(uuid.uuid4())], "explain": explain}
    rows = [answer(number) for number in range(count)]
    with backend.database.write() as session:
        job = factories.submit(session, kind="predict", spec=spec)
        registry.keep_predictions(session, job.id, rows)
        if state == "succeeded":
            claim = jobs.claim(session, "predict", worker="w", lease_seconds=30)
            assert claim is not None
            result = {"count": count, "failed": 0, "labels": dict.fromkeys(CLASSES, 0), "predictions": []}
            assert jobs.succeed(session, job.id, claim.lease, result)
    return job.id


def answer(number: int) -> dict[str, Any]:
    name = NAMES[number % len(NAMES)]
    if number % 5 == 4:
        return {
            "image": name,
            "label": None,
            "probability": None,
            "probabilities": {},
            "error": "not a picture",
        }
    sure = 0.5 + (number * 7 % 50) / 100
    label = CLASSES[number % 2]
    other = CLASSES[1 - number % 2]
    shares = {label: sure, other: 1 - sure}
    return {"image": name, "label": label, "probability": sure, "probabilities": shares, "error": None}


def pages(api: "FlaskClient", address: str, **query: Any) -> list[dict[str, Any]]:
    """All rows. The pages lead back as well."""
    found: list[dict[str, Any]] = []
    passed: list[list[dict[str, Any]]] = []
    cursor: str | None = None
    while True:
        given = {**query, "cursor": cursor} if cursor else query
        response = api.get(address, query_string=given)
        assert response.status_code == 200, response.text
        found += response.json["items"]
        passed.append(response.json["items"])
        cursor = response.json["next"]
        if cursor is None:
            break
    while cursor := response.json["previous"]:
        passed.pop()
        response = api.get(address, query_string={**query, "cursor": cursor})
        assert response.json["items"] == passed[-1]
        assert response.json["next"] is not None
    assert len(passed) == 1
    return found


@pytest.mark.parametrize("limit", [1, 7, 23, 24, 1000])
def test_rows_come_page_by_page_in_either_order_and_by_label(
    api: "FlaskClient", backend: Backend, limit: int
) -> None:
    address = f"/api/v1/jobs/{predict(backend, 23)}/predictions"
    whole = [{**answer(number), "overlay": None} for number in range(23)]
    assert pages(api, address, limit=limit) == whole
    sure = [row for row in whole if row["error"] is None]
    unsure_first = sorted(sure, key=lambda row: row["probability"]) + [row for row in whole if row["error"]]
    assert pages(api, address, limit=limit, sort="probability") == unsure_first
    for label in CLASSES:
        assert pages(api, address, limit=limit, label=label) == [row for row in sure if row["label"] == label]
        assert pages(api, address, limit=limit, label=label, sort="probability") == [
            row for row in unsure_first if row["label"] == label
        ]
    assert pages(api, address, label="birds") == []


def test_a_cursor_of_another_order_is_refused(api: "FlaskClient", backend: Backend) -> None:
    address = f"/api/v1/jobs/{predict(backend, 3)}/predictions"
    for query in ("cursor=0.5:1", "cursor=1&sort=probability", "cursor=e-:1&sort=probability"):
        response = api.get(f"{address}?{query}")
        assert response.status_code == 422
        assert response.json["errors"][0]["field"] == "cursor"


def test_explained_rows_name_their_overlays(api: "FlaskClient", backend: Backend) -> None:
    address = f"/api/v1/jobs/{predict(backend, 5, explain=True)}/predictions"
    wanted = ["overlay-0.png", "overlay-1.png", "overlay-2.png", "overlay-3.png", None]
    assert [row["overlay"] for row in pages(api, address, limit=2)] == wanted


@pytest.mark.parametrize("count", [0, 7, 8, 20])
def test_tables_hold_every_row_as_it_is(
    api: "FlaskClient", backend: Backend, monkeypatch: pytest.MonkeyPatch, tmp_path: Any, count: int
) -> None:
    monkeypatch.setattr(predictions, "ROWS_AT_ONCE", 4)
    job_id = predict(backend, count)
    expected = [
        (
            number,
            *(answer(number)[name] for name in ("image", "label", "probability", "error")),
            *(answer(number)["probabilities"].get(name) for name in CLASSES),
        )
        for number in range(count)
    ]
    header = ["row", "image", "label", "probability", "error", "probability_cats", 'probability_=dogs"']
    response = api.get(f"/api/v1/jobs/{job_id}/predictions.csv")
    assert (response.status_code, response.mimetype) == (200, "text/csv")
    assert f"predictions-{job_id}.csv" in response.headers["Content-Disposition"]
    first, *lines = csv.reader(io.StringIO(response.text, newline=""))
    assert first == header
    assert lines == [["" if value is None else str(value) for value in row] for row in expected]
    escaped = api.get(f"/api/v1/jobs/{job_id}/predictions.csv?escape_formulas=true")
    assert list(csv.reader(io.StringIO(escaped.text, newline=""))) == [
        [f"'{field}" if field.startswith("=") else field for field in row] for row in (first, *lines)
    ]

    response = api.get(f"/api/v1/jobs/{job_id}/predictions.parquet")
    assert response.status_code == 200
    path = tmp_path / "table.parquet"
    path.write_bytes(response.data)
    response.close()
    with duckdb.connect() as connection:
        table = connection.execute("SELECT * FROM read_parquet(?)", [str(path)])
        assert [column[0] for column in table.description] == header
        assert table.fetchall() == expected


@pytest.mark.parametrize("sort", ["row", "probability"])
def test_tables_hold_the_rows_that_were_asked_for(
    api: "FlaskClient", backend: Backend, monkeypatch: pytest.MonkeyPatch, tmp_path: Any, sort: str
) -> None:
    monkeypatch.setattr(predictions, "ROWS_AT_ONCE", 3)
    address = f"/api/v1/jobs/{predict(backend, 23)}/predictions"
    etags = set()
    for label in (None, *CLASSES):
        query = {"sort": sort} | ({"label": label} if label else {})
        expected = [(row["image"], row["probability"]) for row in pages(api, address, **query)]
        response = api.get(f"{address}.csv", query_string=query)
        etags.add(response.headers["ETag"])
        lines = list(csv.DictReader(io.StringIO(response.text, newline="")))
        assert [
            (line["image"], float(line["probability"]) if line["probability"] else None) for line in lines
        ] == expected
        path = tmp_path / "table.parquet"
        with api.get(f"{address}.parquet", query_string=query) as response:
            path.write_bytes(response.data)
        with duckdb.connect() as connection:
            table = connection.execute("SELECT image, probability FROM read_parquet(?)", [str(path)])
            assert table.fetchall() == expected
    assert len(etags) == 3


def test_there_is_no_table_of_a_prediction_that_has_not_ended_nor_of_other_jobs(
    api: "FlaskClient", backend: Backend
) -> None:
    queued = predict(backend, 3, state="queued")
    for kind in ("csv", "parquet"):
        response = api.get(f"/api/v1/jobs/{queued}/predictions.{kind}")
        assert (response.status_code, "when it has succeeded" in response.json["detail"]) == (409, True)
        text = api.post("/api/v1/jobs", json={"kind": "sentiment", "spec": {"texts": ["hi"]}}).json["id"]
        response = api.get(f"/api/v1/jobs/{text}/predictions.{kind}")
        assert (response.status_code, "is not a prediction" in response.json["detail"]) == (404, True)


# ---- submitting


@pytest.fixture
def model(backend: Backend) -> None:
    with backend.database.write() as session:
        registry.add(session, factories.model(classes=CLASSES, image_size=32))


def submit(api: "FlaskClient", **spec: Any) -> Any:
    return api.post("/api/v1/jobs", json={"kind": "predict", "spec": {"model": "pets", **spec}})


@pytest.mark.usefixtures("model")
def test_an_archive_is_accepted_and_kept_for_its_job(api: "FlaskClient", backend: Backend) -> None:
    file_id = post_file(api, zipped_dataset(), "pictures.zip")["id"]
    response = submit(api, archive=file_id, explain=True)
    assert response.status_code == 202
    assert response.json["spec"]["archive"] == file_id
    assert response.json["links"]["predictions.csv"].endswith("/predictions.csv")
    with backend.database.read() as session:
        inputs = session.execute(sa.text("SELECT count(*) FROM job_inputs")).scalar_one()
        assert (inputs, session.scalar(sa.select(sa.func.count()).select_from(Job))) == (1, 1)


@pytest.mark.usefixtures("model")
def test_thousands_of_pictures_are_one_request(api: "FlaskClient", backend: Backend) -> None:
    shown = zipfile.ZipFile(io.BytesIO(zipped_dataset())).read("discs/1.png")
    ids = [post_file(api, shown, "pictures.zip")["id"] for _ in range(3)]
    response = submit(api, images=ids * 1_000)
    assert response.status_code == 202
    assert len(json.loads(response.data)["spec"]["images"]) == 3_000
    missing = str(uuid.uuid4())
    response = submit(api, images=[*ids, missing])
    assert response.json["errors"][0]["field"] == "spec.images.3"


def test_the_table_of_many_classes_has_a_column_for_each_that_the_model_knows(
    api: "FlaskClient", backend: Backend
) -> None:
    classes = [f"class {index}" for index in range(60)]
    model = factories.register(backend.database, factories.model("many", classes=classes))
    rows = [
        answer(0) | {"label": "class 7", "probabilities": {"class 7": 0.5, "class 9": 0.25}},
        answer(0) | {"label": "class 7", "probabilities": {"class 7": 0.5, "class 8": 0.25}},
    ]
    spec = {"model": model.reference, "images": [str(uuid.uuid4())] * 2, "top": 2}
    with backend.database.write() as session:
        job = factories.submit(session, kind="predict", spec=spec)
        registry.keep_predictions(session, job.id, rows)
        claim = jobs.claim(session, "predict", worker="w", lease_seconds=30)
        assert claim is not None
        result = {"count": 2, "failed": 0, "class_count": 60, "labels": {"class 7": 2}}
        result["predictions"] = rows[:1]  # a result has the first ones only
        assert jobs.succeed(session, job.id, claim.lease, result)

    def columns() -> list[str]:
        text = api.get(f"/api/v1/jobs/{job.id}/predictions.csv").text
        return [name.removeprefix("probability_") for name in text.splitlines()[0].split(",")[5:]]

    assert columns() == classes
    assert api.delete(f"/api/v1/models/{model.reference}").status_code == 204
    assert columns() == ["class 7", "class 9", "class 8"]
