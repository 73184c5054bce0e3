"""Bad input gets a 4xx problem that names the field and says what would be right; nothing half-made stays."""

import io
import json
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from jobyard.shared import registry
from jobyard.shared.database import Database
from jobyard.shared.jobs import Job, JobEvent
from jobyard.shared.storage import File
from jobyard.web.backend import Backend
from tests.conftest import TOKEN, logged_in
from tests.factories import model, picture, post_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from flask import Flask
    from flask.testing import FlaskClient
    from werkzeug.test import TestResponse

ID = "018f0000-0000-7000-8000-000000000000"


@pytest.fixture
def database(backend: Backend) -> Database:
    return backend.database


@pytest.fixture
def nothing_stays(app: "Flask", tmp_path: Path) -> "Iterator[None]":
    """After the test there is no job, no file and no byte in the storage."""
    yield
    assert left_behind(app.extensions["jobyard"].database, tmp_path / "home") == []


def left_behind(database: Database, home: Path) -> list[str]:
    with database.read() as session:
        rows = [
            f"{session.scalar(sa.select(sa.func.count()).select_from(table))} {table.__tablename__}"
            for table in (Job, JobEvent, File)
        ]
    files = [str(path) for path in (home / "storage").glob("*/*") if path.is_file()]
    return [row for row in rows if not row.startswith("0 ")] + files


def assert_problem(response: "TestResponse", status: int, field: str | None = None, words: str = "") -> None:
    assert response.status_code == status, response.get_data(as_text=True)
    assert response.mimetype == "application/problem+json"
    problem = response.json
    assert problem["status"] == status
    assert "\n" not in problem["detail"]
    assert "Traceback" not in problem["detail"]
    if field is None:
        assert words in problem["detail"]
        return
    messages = {error["field"]: error["message"] for error in problem["errors"]}
    assert list(messages) == [field]
    assert words in messages[field]
    assert field in problem["detail"]


def text(**spec: Any) -> dict[str, Any]:
    return {"kind": "sentiment", "spec": spec}


def train(**spec: Any) -> dict[str, Any]:
    return {"kind": "train", "spec": {"dataset": "pets", **spec}}


def predict(**spec: Any) -> dict[str, Any]:
    return {"kind": "predict", "spec": spec}


ONE = {"texts": ["one"]}
KINDS = "'train', 'predict', 'evaluate', 'sentiment', 'import', 'register', 'export'"

BAD: list[tuple[Any, str, str]] = [
    # kinds and fields
    ({"kind": "dance", "spec": ONE}, "kind", f"should be one of {KINDS}, but is 'dance'"),
    ({"kind": 5, "spec": ONE}, "kind", KINDS),
    ({"kind": None, "spec": ONE}, "kind", KINDS),
    ({"spec": ONE}, "kind", "is missing"),
    ({"kind": "sentiment"}, "spec", "is missing"),
    ({"kind": "sentiment", "spec": None}, "spec", "should be"),
    ({"kind": "sentiment", "spec": ["one"]}, "spec", "should be"),
    ({"kind": "sentiment", "spec": ONE, "colour": 1}, "colour", "there is no such field"),
    (text(texts=["one"], txets=[]), "spec.txets", "there is no such field"),
    (train(augment={"sheer": 1}), "spec.augment.sheer", "there is no such field"),
    ([], "body", "should have at least 1 item"),
    (None, "body", "but is null"),
    (5, "body", "but is 5"),
    ("train", "body", "JSON"),
    # types
    (text(texts="one"), "spec.texts", "should be a valid list"),
    (text(texts=["one", 2]), "spec.texts.1", "should be a valid string"),
    (text(texts=["one", None]), "spec.texts.1", "should be a valid string"),
    (text(texts=["one", {"text": "two"}]), "spec.texts.1", "should be a valid string"),
    (train(epochs="ten"), "spec.epochs", 'parse string as an integer, but is "ten"'),
    (train(epochs=1.5), "spec.epochs", "integer"),
    (train(epochs=[1]), "spec.epochs", "integer"),
    (train(dataset=5), "spec.dataset", "should be a valid string"),
    (predict(model="pets", images=["x"]), "spec.images.0", "UUID"),
    ({"kind": "sentiment", "spec": ONE, "priority": "high"}, "priority", "integer"),
    # ranges
    (train(epochs=0), "spec.epochs", "greater than or equal to 1, but is 0"),
    (train(epochs=10_001), "spec.epochs", "less than or equal to 10000, but is 10001"),
    (train(epochs=10**100), "spec.epochs", "less than or equal to 10000"),
    (train(epochs=-(10**30)), "spec.epochs", "greater than or equal to 1"),
    (train(batch_size=0), "spec.batch_size", "greater than or equal to 1"),
    (train(image_size=31), "spec.image_size", "greater than or equal to 32"),
    (train(image_size=513), "spec.image_size", "less than or equal to 512"),
    (train(learning_rate=0), "spec.learning_rate", "greater than 0"),
    (train(learning_rate=float("nan")), "spec.learning_rate", "should be"),
    (train(learning_rate=float("inf")), "spec.learning_rate", "less than or equal to 1"),
    (train(validation_split=0), "spec.validation_split", "greater than or equal to 0.01"),
    (train(validation_split=1), "spec.validation_split", "less than or equal to 0.9"),
    (train(steps_per_epoch=0), "spec.steps_per_epoch", "greater than or equal to 1"),
    (train(seed=-1), "spec.seed", "greater than or equal to 0"),
    (train(augment={"zoom": 1}), "spec.augment.zoom", "less than 1"),
    (train(augment={"rotation": 181}), "spec.augment.rotation", "less than or equal to 180"),
    (train(class_weight={"cats": 0}), "spec.class_weight", "should be 'balanced', or weights above 0"),
    (train(monitor="loss"), "spec.monitor", "'val_accuracy'"),
    (train(network="huge"), "spec.network", "'classic'"),
    (train(precision="int8"), "spec.precision", "'float32'"),
    (train(model_name="no spaces"), "spec.model_name", "letters, digits"),
    ({"kind": "sentiment", "spec": ONE, "priority": 10}, "priority", "less than or equal to 9"),
    ({"kind": "sentiment", "spec": ONE, "priority": -1}, "priority", "greater than or equal to 0"),
    # texts
    (text(texts=[]), "spec.texts", "at least 1"),
    (text(texts=["one", ""]), "spec.texts.1", "at least 1"),
    (text(texts=[" \t\n"]), "spec.texts.0", "at least one character that is not a space"),
    (text(texts=["x" * 10_001]), "spec.texts.0", "at most 10000"),
    (text(texts=["x"] * 1_001), "spec.texts", "at most 1000"),
    (text(texts=["\ud800"]), "spec.texts.0", "string"),
    (text(texts=["one"], thresholds={"positive": 2}), "spec.thresholds.positive", "less than or equal to 1"),
    (text(texts=["one"], thresholds={"positive": -0.5}), "spec.thresholds", "should be below positive"),
    (text(texts=["one"], format="xls"), "spec.format", "'parquet', 'csv' or 'jsonl'"),
    # one source
    (text(), "spec", "should have either texts, file or files"),
    (text(texts=["one"], file=ID), "spec", "should have either texts, file or files"),
    (text(texts=["one"], column="text"), "spec", "column should only be given with file"),
    (predict(model="pets"), "spec", "should have either images, dataset or archive"),
    ({"kind": "import", "spec": {"name": "pets"}}, "spec", "should have either file or path"),
    # names and paths
    ({"kind": "import", "spec": {"name": "../pets", "path": "/pets"}}, "spec.name", "letters, digits"),
    ({"kind": "import", "spec": {"name": "", "path": "/pets"}}, "spec.name", "letters, digits"),
    ({"kind": "import", "spec": {"name": "pets\n", "path": "/pets"}}, "spec.name", "letters, digits"),
    ({"kind": "import", "spec": {"name": "p" * 65, "path": "/pets"}}, "spec.name", "at most 64"),
    ({"kind": "import", "spec": {"name": "pets", "path": "pets"}}, "spec.path", "absolute path"),
    # what is not there
    (train(), "spec.dataset", "no data set 'pets'; there are none yet"),
    (train(dataset="pets@1st"), "spec.dataset", "letters, digits"),
    (predict(model="pets", images=[ID]), "spec.model", "no model 'pets'; there are none yet"),
    (text(file=ID), "spec.file", "upload it with POST /api/v1/files"),
    ({"kind": "import", "spec": {"name": "pets", "file": ID}}, "spec.file", "upload it with POST"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("body", "field", "words"), BAD, ids=[f"{number}-{field}" for number, (_, field, _) in enumerate(BAD)]
)
@pytest.mark.usefixtures("nothing_stays")
def test_bad_body_names_its_field_and_says_what_would_be_right(
    api: "FlaskClient", body: Any, field: str, words: str
) -> None:
    sent = json.dumps(body)
    for address in ("/api/v1/jobs", "/api/v1/jobs/check"):
        response = api.post(address, data=sent, content_type="application/json")
        assert_problem(response, 422, field, words)


PENDING = str(uuid.UUID(int=0))


@pytest.mark.usefixtures("nothing_stays")
def test_what_is_not_there_yet_is_missed_by_jobs_and_not_by_their_check(
    api: "FlaskClient", app: "Flask"
) -> None:
    with app.extensions["jobyard"].database.write() as session:
        session.delete(gone := registry.add(session, model("gone")))
        registry.add(session, model("cats"))
    sure: list[dict[str, Any]] = [
        text(file=PENDING),
        predict(model="cats", images=[PENDING] * 3),
        predict(model="cats", archive=PENDING, top=1, explain=True),
        train(dataset=PENDING, class_weight={"cats": 2}),
        train(dataset=PENDING, architecture=PENDING),
        {"kind": "evaluate", "spec": {"model": "cats", "dataset": PENDING, "split": "test"}},
        {"kind": "import", "spec": {"name": "pets", "file": PENDING}},
    ]
    for body in sure:
        assert api.post("/api/v1/jobs/check", json=body).status_code == 204, body
        assert api.post("/api/v1/jobs", json=body).status_code == 422, body
    assert api.post("/api/v1/jobs/check", json=sure).status_code == 204
    for wrong, field in (
        (predict(model=gone.reference, archive=PENDING), "spec.model"),
        (predict(model="cats", images=[PENDING] * 101, explain=True), "spec"),
        (train(dataset=PENDING, network="compact", fine_tune_epochs=1), "spec.fine_tune_epochs"),
        (train(dataset="nowhere", architecture=PENDING), "spec.dataset"),
        (predict(model=PENDING, archive=PENDING), "spec.model"),
        (train(dataset=PENDING, init_from=PENDING), "spec.init_from"),
    ):
        assert_problem(api.post("/api/v1/jobs/check", json=wrong), 422, field)
        assert_problem(api.post("/api/v1/jobs/check", json=[sure[0], wrong]), 422, f"1.{field}")


@pytest.mark.usefixtures("nothing_stays")
def test_a_name_that_looks_like_nothing_is_a_name(api: "FlaskClient") -> None:
    assert_problem(api.post("/api/v1/jobs", json=train(dataset="None")), 422, "spec.dataset")
    assert_problem(api.post("/api/v1/jobs", json=predict(model="None", archive=PENDING)), 422, "spec.model")


@pytest.mark.usefixtures("nothing_stays")
def test_several_wrong_fields_are_named_at_once(api: "FlaskClient") -> None:
    response = api.post("/api/v1/jobs", json=train(epochs=0, batch_size=0, colour=1))
    assert {error["field"] for error in response.json["errors"]} == {
        "spec.epochs",
        "spec.batch_size",
        "spec.colour",
    }


@pytest.mark.usefixtures("nothing_stays")
def test_a_long_wrong_value_is_not_repeated_whole(api: "FlaskClient") -> None:
    response = api.post("/api/v1/jobs", json=text(texts=["x" * 20_000] * 50))
    assert response.status_code == 422
    assert len(response.data) < 10_000


@pytest.mark.parametrize(
    "body",
    ["", "{", "kind=train", "{'kind': 'train'}", b"\xff\xfe", "[" * 100_000, '{"kind": ' * 50_000],
    ids=["empty", "open", "form", "quotes", "bytes", "deep list", "deep object"],
)
@pytest.mark.usefixtures("nothing_stays")
def test_a_body_that_is_no_json_is_400(api: "FlaskClient", body: str | bytes) -> None:
    response = api.post("/api/v1/jobs", data=body, content_type="application/json")
    assert_problem(response, 400, words="not valid JSON")


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/x-www-form-urlencoded"])
@pytest.mark.usefixtures("nothing_stays")
def test_a_body_of_another_type_is_415(api: "FlaskClient", content_type: str | None) -> None:
    sent = json.dumps(text(texts=["one"]))
    response = api.post("/api/v1/jobs", data=sent, content_type=content_type)
    assert_problem(response, 415, words="application/json")


@pytest.mark.parametrize(
    ("method", "address", "allowed"),
    [
        ("DELETE", "/api/v1/jobs", "POST"),
        ("PUT", f"/api/v1/jobs/{ID}", "GET"),
        ("GET", f"/api/v1/jobs/{ID}/cancel", "POST"),
        ("PUT", "/api/v1/files", "POST"),
    ],
)
def test_a_method_that_is_not_there_is_405_and_says_which_are(
    api: "FlaskClient", method: str, address: str, allowed: str
) -> None:
    response = api.open(address, method=method)
    assert_problem(response, 405, words="allowed are ")
    assert allowed in response.headers["Allow"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("jobs?limit=0", "limit"),
        ("jobs?limit=1001", "limit"),
        ("jobs?limit=ten", "limit"),
        ("jobs?cursor=x", "cursor"),
        ("jobs?state=resting", "state"),
        ("jobs?kind=dance", "kind"),
        ("jobs?colour=red", "colour"),
        ("datasets?limit=0", "limit"),
        ("models?cursor=x", "cursor"),
        (f"jobs/{ID}?wait=-1", "wait"),
        (f"jobs/{ID}?wait=61", "wait"),
        (f"jobs/{ID}?wait=nan", "wait"),
        (f"jobs/{ID}?wait=inf", "wait"),
        (f"jobs/{ID}/events?after=-1", "after"),
        (f"jobs/{ID}/events?after=x", "after"),
        (f"jobs/{ID}/events?after={10**30}", "after"),
        (f"jobs/{ID}/metrics?points=0", "points"),
        (f"jobs/{ID}/metrics?name={'x' * 65}", "name"),
        (f"jobs/{ID}/predictions?sort=colour", "sort"),
        (f"jobs/{ID}/predictions?cursor=--1", "cursor"),
        (f"jobs/{ID}/predictions?cursor={10**30}", "cursor"),
    ],
)
def test_bad_query_names_its_parameter(api: "FlaskClient", query: str, field: str) -> None:
    assert_problem(api.get(f"/api/v1/{query}"), 422, field)


@pytest.mark.parametrize(
    "path",
    [
        "models/pets",
        "models/pets@one",
        "models/pets@",
        f"models/pets@{'9' * 30}",
        "models/%00",
        "datasets/%00",
        "datasets/%ff",
        "datasets/..%2F..%2Fetc",
        f"datasets/{ID}",
        f"jobs/{ID}/files/%00",
        f"jobs/{ID}/files/..",
    ],
)
def test_odd_names_are_not_found_on_both_databases(
    make_app: "Callable[..., Flask]", database_url: str, path: str
) -> None:
    client = make_app(database_url=database_url).test_client()
    response = client.get(f"/api/v1/{path}", headers={"Authorization": f"Bearer {TOKEN}"})
    assert_problem(response, 404)


def test_odd_queries_of_a_job_are_no_accident_on_both_databases(
    make_app: "Callable[..., Flask]", database_url: str
) -> None:
    client = make_app(database_url=database_url).test_client()
    headers = {"Authorization": f"Bearer {TOKEN}"}
    sent = client.post("/api/v1/jobs", json=text(texts=["NUL \x00"]), headers=headers)
    assert sent.status_code == 202
    address = sent.json["links"]["self"]
    for query in (
        "events?after=9223372036854775807",
        f"events?after={10**30}",
        "metrics?name=%00",
        "metrics?name=%FF",
        "predictions?cursor=2147483647",
        f"predictions?cursor={10**15}",
        f"predictions?cursor={10**30}",
        "files/%00",
    ):
        response = client.get(f"{address}/{query}", headers=headers)
        assert response.status_code in (200, 404, 422), query
    client.post(f"{address}/cancel", headers=headers)
    stream = client.get(
        f"{address}/events",
        headers=headers | {"Accept": "text/event-stream", "Last-Event-ID": "9" * 30},
    )
    assert stream.get_data(as_text=True).endswith("event: end\ndata: {}\n\n")


# ---- what is there, but not what it should be


def test_what_a_prediction_names_is_refused_where_it_is_not_there(
    api: "FlaskClient", database: Database
) -> None:
    with database.write() as session:
        registry.add(session, model())
    file_id = post_file(api, picture(), "red.png")["id"]
    response = api.post("/api/v1/jobs", json=predict(model="pets@2", images=[file_id]))
    assert_problem(response, 422, "spec.model", "no model 'pets@2'; there are: pets")
    response = api.post("/api/v1/jobs", json=predict(model="pets", dataset="birds"))
    assert_problem(response, 422, "spec.dataset", "no data set 'birds'")
    assert api.get("/api/v1/jobs").json["items"] == []


@pytest.mark.parametrize("path", ["/etc", "/pictures/../etc", "/picturesque", "/"])
def test_a_folder_that_imports_may_not_read_is_refused(
    make_app: "Callable[..., Flask]", tmp_path: Path, path: str
) -> None:
    app = make_app(import_roots=(Path("/pictures"), Path("/more")))
    body = {"kind": "import", "spec": {"name": "pets", "path": path}}
    response = logged_in(app).post("/api/v1/jobs", json=body)
    words = f"{path} is not in a folder that imports may read (JOBYARD_IMPORT_ROOTS: /pictures:/more)"
    assert_problem(response, 422, "spec.path", words)
    assert left_behind(app.extensions["jobyard"].database, tmp_path / "home") == []


@pytest.mark.parametrize("path", ["/pictures", "/pictures/", "/more/pets/2024", "/etc/../pictures/pets"])
def test_a_folder_that_imports_may_read_is_accepted(make_app: "Callable[..., Flask]", path: str) -> None:
    app = make_app(import_roots=(Path("/pictures"), Path("/more")))
    body = {"kind": "import", "spec": {"name": "pets", "path": path}}
    assert logged_in(app).post("/api/v1/jobs", json=body).status_code == 202


@pytest.mark.usefixtures("nothing_stays")
def test_an_empty_file_is_refused(api: "FlaskClient") -> None:
    response = api.post("/api/v1/files", data={"file": (io.BytesIO(b""), "empty.csv")})
    assert_problem(response, 422, "file", "empty")
    response = api.post("/api/v1/datasets", data={"name": "pets", "archive": (io.BytesIO(b""), "a.zip")})
    assert_problem(response, 422, "archive", "empty")


@pytest.mark.parametrize(
    ("address", "data", "field"),
    [
        ("/api/v1/files", {"colour": "red"}, "file"),
        ("/api/v1/files", {"file": "a plain field"}, "file"),
        ("/api/v1/datasets", {"name": "pets"}, "archive"),
        ("/api/v1/datasets", {"name": "pets", "archive": "a plain field"}, "archive"),
    ],
)
@pytest.mark.usefixtures("nothing_stays")
def test_a_form_without_its_file_says_so(
    api: "FlaskClient", address: str, data: dict[str, str], field: str
) -> None:
    response = api.post(address, data=data, content_type="multipart/form-data")
    assert response.status_code == 422
    assert field in [error["field"] for error in response.json["errors"]]


@pytest.mark.parametrize("name", [None, "", "no spaces", "../pets", "x" * 65, "-pets", "pets/1"])
@pytest.mark.usefixtures("nothing_stays")
def test_a_data_set_of_a_bad_name_is_refused_before_its_archive_is_kept(
    api: "FlaskClient", name: str | None
) -> None:
    data: dict[str, Any] = {"archive": (io.BytesIO(b"PK"), "a.zip")}
    if name is not None:
        data["name"] = name
    assert_problem(api.post("/api/v1/datasets", data=data), 422, "name")


@pytest.mark.parametrize("address", ["/api/v1/files", "/api/v1/datasets"])
@pytest.mark.usefixtures("nothing_stays")
def test_a_form_with_a_field_too_many_is_refused(api: "FlaskClient", address: str) -> None:
    data = {"name": "pets", "file": (io.BytesIO(b"x"), "x"), "archive": (io.BytesIO(b"x"), "x")}
    response = api.post(address, data=data)
    assert response.status_code == 422
    assert "there is no such field" in response.json["detail"]


@pytest.mark.parametrize("kind", ["train", "predict", "sentiment", "import"])
def test_an_unknown_field_may_be_called_like_a_kind(api: "FlaskClient", kind: str) -> None:
    """A kind's name also tags the branch of a union in pydantic's paths."""
    assert_problem(api.get(f"/api/v1/files?{kind}=1"), 422, kind, "there is no such field")
    body = {"kind": "sentiment", "spec": ONE, kind: 1}
    assert_problem(api.post("/api/v1/jobs", json=body), 422, kind, "there is no such field")


# ---- too much


def test_a_file_over_the_limit_is_413_and_leaves_nothing(
    make_app: "Callable[..., Flask]", tmp_path: Path
) -> None:
    app = make_app(max_upload_bytes=1_000)
    client = app.test_client()
    headers = {"Authorization": f"Bearer {TOKEN}"}

    def send(size: int) -> "TestResponse":
        # Werkzeug's own client would leave a temporary file open for a body of this size.
        head = b'--limit\r\nContent-Disposition: form-data; name="file"; filename="x.bin"\r\n\r\n'
        body = head + b"x" * size + b"\r\n--limit--\r\n"
        kind = "multipart/form-data; boundary=limit"
        return client.post("/api/v1/files", data=body, content_type=kind, headers=headers)

    assert_problem(send(1_001), 413, words="file: should have at most 1,000 bytes")
    assert_problem(send(2 << 20), 413, words="should have at most")
    archive = {"name": "pets", "archive": (io.BytesIO(b"x" * 1_001), "x.zip")}
    response = client.post("/api/v1/datasets", data=archive, headers=headers)
    assert_problem(response, 413, words="archive: should have at most 1,000 bytes")
    assert left_behind(app.extensions["jobyard"].database, tmp_path / "home") == []
    assert send(1_000).status_code == 201


@pytest.mark.usefixtures("nothing_stays")
def test_a_json_body_over_the_limit_is_413(api: "FlaskClient") -> None:
    body = b'{"kind": "sentiment"' + b" " * (65 << 20) + b"}"
    response = api.post("/api/v1/jobs", data=body, content_type="application/json")
    assert_problem(response, 413, words=f"{64 << 20:,} bytes")


def test_a_thousand_texts_of_ten_thousand_characters_fit(api: "FlaskClient") -> None:
    response = api.post("/api/v1/jobs", json=text(texts=["☃" * 10_000] * 1_000))
    assert response.status_code == 202


def test_an_upload_whose_row_can_not_be_written_leaves_no_bytes(
    make_app: "Callable[..., Flask]", tmp_path: Path
) -> None:
    app = make_app(database_url="postgresql://jobyard:x@127.0.0.1:1/jobyard")
    client = app.test_client()
    headers = {"Authorization": f"Bearer {TOKEN}"}
    for address, data in (
        ("/api/v1/files", {"file": (io.BytesIO(b"x"), "x.bin")}),
        ("/api/v1/datasets", {"name": "pets", "archive": (io.BytesIO(b"x"), "x.zip")}),
    ):
        assert_problem(client.post(address, data=data, headers=headers), 503)
    assert [path for path in (tmp_path / "home" / "storage").rglob("*") if path.is_file()] == []
