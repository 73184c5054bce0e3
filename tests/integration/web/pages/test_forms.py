"""Forms: what is right becomes a job, what is wrong is said beside its field, and nothing half-made stays."""

import io
import uuid
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from markupsafe import escape
from werkzeug.test import TestResponse

from jobyard.shared import jobs, registry, storage
from jobyard.web.pages import forms
from tests.factories import picture, zipped_dataset
from tests.integration.web.world import HOSTILE, World, browser


def send(web: FlaskClient, kind: str, **fields: Any) -> TestResponse:
    return web.post(f"/new/{kind}", data=fields, content_type="multipart/form-data")


def accepted(world: World, response: TestResponse) -> jobs.Job:
    """The one job that the form made."""
    assert response.status_code == 303, response.text
    with world.backend.database.read() as session:
        job = session.scalars(sa.select(jobs.Job)).one()
    assert response.headers["Location"] == f"/jobs/{job.id}"
    assert job.state == "queued"
    return job


def refused(world: World, response: TestResponse, *said: str) -> None:
    """The form again with what is wrong; no job, no file, no byte in the storage."""
    assert response.status_code == 422, response.status
    assert "Nothing was submitted. Please correct the fields marked below." in response.text
    for words in said:
        assert words in response.text
    assert HOSTILE not in response.text
    with world.backend.database.read() as session:
        assert session.scalars(sa.select(jobs.Job)).all() == []
        assert session.scalars(sa.select(storage.File).where(storage.File.name != "model.keras")).all() == []
    assert not any(path.is_file() for path in stored(world))


def stored(world: World) -> list[Path]:
    folder = world.backend.settings.home / "storage" / "files"
    return [path for path in folder.rglob("*") if path.read_bytes() != b"weights"]


@pytest.mark.parametrize(
    "kind", ["import", "train", "predict", "evaluate", "sentiment", "export", "register"]
)
def test_each_kind_has_a_form(world: World, web: FlaskClient, kind: str) -> None:
    response = web.get(f"/new/{kind}")
    assert response.status_code == 200
    assert 'aria-invalid="true"' not in response.text
    assert web.get("/new/nonsense").status_code == 404
    assert web.post("/new/nonsense").status_code == 404


def test_whether_a_form_may_be_sent_is_known_without_another_form(
    world: World, web: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forms, "show_form", lambda *_: 1 / 0)
    assert web.head("/new/sentiment").status_code == 200
    assert web.head("/new/nonsense").status_code == 404
    web.delete_cookie("jobyard")
    assert web.head("/new/sentiment").status_code == 401


def test_a_training_gets_what_was_filled_in_and_defaults_for_the_rest(world: World, web: FlaskClient) -> None:
    world.dataset()
    assert "<option selected>pets@1" in web.get("/new/train?dataset=pets@1").text

    fields = {"dataset": "pets", "epochs": "3", "augment.shear": "0", "augment.flip": "false", "patience": ""}
    spec = accepted(world, send(web, "train", **fields)).spec

    assert spec["dataset"] == "pets@1"
    assert spec["epochs"] == 3
    assert (spec["network"], spec["batch_size"]) == ("efficientnet-lite0", 32)
    assert spec["patience"] is None
    changes = {"shear": 0, "zoom": 0.1, "crop": 0.4, "flip": False}
    assert spec["augment"] == changes | {"rotation": 0, "brightness": 0, "contrast": 0}
    assert (spec["monitor"], spec["class_weight"]) == ("val_loss", None)


@pytest.mark.parametrize(
    ("written", "weights"),
    [("balanced", "balanced"), (f"cats 2.5\r\n\n {HOSTILE}  1 ", {"cats": 2.5, HOSTILE: 1.0}), (" \n", None)],
)
def test_a_training_takes_weights_of_classes_rotations_and_what_is_best(
    world: World, web: FlaskClient, written: str, weights: object
) -> None:
    world.dataset()
    fields = {"dataset": "pets", "class_weight": written, "monitor": "val_accuracy"}
    fields |= {"augment.rotation": "20", "augment.brightness": "0.2", "augment.contrast": "0.3"}
    spec = accepted(world, send(web, "train", **fields)).spec

    assert (spec["class_weight"], spec["monitor"]) == (weights, "val_accuracy")
    assert [spec["augment"][name] for name in ("rotation", "brightness", "contrast")] == [20, 0.2, 0.3]


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("cats 1\ncats", "Line 2: should be a name and a number; or the field should be just balanced"),
        ("cats many", "Line 1: should be a name and a number"),
        ("even", "Line 1: should be a name and a number"),
        ("cats 0", "Should be &#39;balanced&#39;, or weights above 0 and at most 1,000 by class"),
        (
            "kittens 2",
            f"Names the class &#39;kittens&#39;: the data set&#39;s classes are {escape(HOSTILE)}, cats",
        ),
    ],
)
def test_weights_of_classes_say_what_is_wrong(
    world: World, web: FlaskClient, written: str, said: str
) -> None:
    world.dataset()
    response = send(web, "train", dataset="pets", class_weight=written)
    refused(world, response, 'id="class_weight-error"', said, '<details class="advanced" open', written)


GOING_ON = {"dataset": "pets", "init_from": "pets", "image_size": "64"}


def test_a_training_goes_on_from_a_model_with_a_schedule(world: World, web: FlaskClient) -> None:
    world.dataset()
    world.model()
    assert "none, train from scratch" in web.get("/new/train").text

    recipe = {"schedule": "cosine", "warmup_epochs": "1.5", "weight_decay": "0.01", "label_smoothing": "0.1"}
    spec = accepted(world, send(web, "train", **GOING_ON, **recipe)).spec

    assert (spec["network"], spec["optimizer"], spec["epochs"]) == ("classic", "adam", 10)
    assert (spec["init_from"], spec["schedule"], spec["warmup_epochs"]) == ("pets@1", "cosine", 1.5)
    assert (spec["weight_decay"], spec["label_smoothing"]) == (0.01, 0.1)


def test_a_network_of_ones_own_is_uploaded(world: World, web: FlaskClient) -> None:
    world.dataset()
    assert "A network of your own" in web.get("/new/train").text
    upload = (io.BytesIO(b"{}"), "net.json")
    spec = accepted(world, send(web, "train", dataset="pets", architecture=upload, rescale="-1..1")).spec
    assert (spec["network"], spec["head"], spec["rescale"]) == ("custom", "auto", "-1..1")
    assert (spec["image_size"], spec["optimizer"]) == (None, "adam")
    assert uuid.UUID(spec["architecture"])


@pytest.mark.parametrize(
    ("query", "epochs", "size", "optimizer"),
    [
        ("", "20", "256", "adam"),
        ("?network=compact", "36", "96", "muon"),
        ("?network=custom", "30", "", "adam"),
        ("?network=none", "", "", ""),
    ],
)
def test_fields_say_what_they_default_to_with_the_chosen_network(
    web: FlaskClient, query: str, epochs: str, size: str, optimizer: str
) -> None:
    page = web.get(f"/new/train{query}").text

    def tag(name: str) -> str:
        return page[page.index(f'id="{name}"') :].partition(">")[0]

    assert f'placeholder="{epochs}"' in tag("epochs")
    assert f'placeholder="{size}"' in tag("image_size")
    assert '"compact": "36"' in tag("epochs")
    assert 'data-preset="efficientnet-lite0"' in tag("network")
    assert f'<option value="">{f"default ({optimizer})" if optimizer else "default"}</option>' in page


def test_what_is_of_a_network_of_ones_own_is_for_it_alone(world: World, web: FlaskClient) -> None:
    world.dataset()
    missing = send(web, "train", dataset="pets", network="custom")
    refused(world, missing, 'id="architecture-error"', "Should be the id of an uploaded file")
    other = send(web, "train", dataset="pets", network="compact", rescale="none")
    refused(world, other, 'id="rescale-error"', "Is for the network &#39;custom&#39; only")


def test_a_training_need_not_go_on_from_anything(world: World, web: FlaskClient) -> None:
    world.dataset()
    assert accepted(world, send(web, "train", dataset="pets", init_from="")).spec["init_from"] is None


def test_a_training_that_can_not_go_on_from_a_model_says_why(world: World, web: FlaskClient) -> None:
    world.model()
    world.dataset()
    size = send(web, "train", **GOING_ON | {"image_size": "32"})
    refused(world, size, 'id="image_size-error"', "Should be 64, as that of pets@1 in init_from")
    unknown = send(web, "train", **GOING_ON | {"init_from": "dogs"})
    refused(world, unknown, 'id="init_from-error"', "No model &#39;dogs&#39;; there are: pets")
    with world.backend.database.write() as session:
        session.execute(sa.update(registry.Model).values(network="older"))
    network = send(web, "train", **GOING_ON)
    refused(world, network, 'id="network-error"', "Should be &#39;older&#39;, as that of pets@1 in init_from")


def test_a_training_says_what_is_wrong_beside_each_field_and_keeps_the_rest(
    world: World, web: FlaskClient
) -> None:
    response = send(web, "train", dataset="none", epochs="0", seed="7", model_name=HOSTILE)
    refused(world, response, 'id="epochs-error"', 'id="model_name-error"', 'value="0"', 'value="7"')
    assert response.text.count('aria-invalid="true"') == 2
    assert '<details class="advanced" open' in response.text

    refused(world, send(web, "train", dataset="none"), 'id="dataset-error"', "No data set &#39;none&#39;")
    refused(world, send(web, "train"), "Is missing")
    refused(world, send(web, "train", dataset="pets", epochs="many"), "valid integer")


def test_texts_are_lines_and_blank_ones_are_none(world: World, web: FlaskClient) -> None:
    fields = {"source": "texts", "texts": "I love it\r\n\r\n  so bad \n", "thresholds.positive": "0.1"}
    spec = accepted(world, send(web, "sentiment", **fields)).spec
    assert spec["texts"] == ["I love it", "so bad"]
    assert spec["thresholds"] == {"positive": 0.1, "negative": -0.05}


def test_texts_say_which_line_is_wrong(world: World, web: FlaskClient) -> None:
    refused(world, send(web, "sentiment", texts=" \n "), 'id="texts-error"', "Write at least one text")
    response = send(web, "sentiment", texts=f"{HOSTILE}\n\n{'x' * 10_001}")
    refused(world, response, 'id="texts-error"', "Line 3: ", "&lt;script&gt;")
    refused(
        world,
        send(web, "sentiment", texts="\n".join("x" * 1001)),
        "at most 1000 items",
    )
    crossed = {"texts": "hi", "thresholds.positive": "-1", "thresholds.negative": "1"}
    refused(world, send(web, "sentiment", **crossed), 'id="thresholds-error"', "Negative should be below")


def test_a_file_of_texts_is_kept_for_its_job(world: World, web: FlaskClient) -> None:
    upload = (io.BytesIO(b"body\nhi\n"), "C:\\texts\\reviews.csv")
    fields = {"source": "file", "file": upload, "column": "body", "format": "csv", "texts": "not these"}
    job = accepted(world, send(web, "sentiment", **fields))
    assert job.spec["texts"] is None
    assert job.spec["column"] == "body"
    assert "reviews.csv" in web.get(f"/jobs/{job.id}").text


def test_a_file_is_scored_with_what_was_filled_in(world: World, web: FlaskClient) -> None:
    words = "sick 2.1\r\n\r\n  :-/ \t -1 \n"
    fields = {"source": "file", "file": (io.BytesIO(b"hi\n"), "reviews.csv.gz"), "texts": "not these"}
    fields |= {"column": "2", "group_by": "2024", "encoding": "cp1252", "errors": "skip", "lexicon": words}
    spec = accepted(world, send(web, "sentiment", **fields, explain="true")).spec
    assert {name: spec[name] for name in ("column", "group_by", "encoding", "errors", "explain")} == {
        "column": 2,
        "group_by": "2024",
        "encoding": "cp1252",
        "errors": "skip",
        "explain": False,
    }
    assert spec["lexicon"] == {"sick": 2.1, ":-/": -1.0}


def test_what_is_for_a_file_alone_does_not_matter_to_texts(world: World, web: FlaskClient) -> None:
    fields = {"source": "texts", "texts": "hi", "explain": "true", "column": "x", "group_by": "y"}
    fields |= {"encoding": "cp1252", "errors": "skip", "format": "csv", "lexicon": " \n"}
    spec = accepted(world, send(web, "sentiment", **fields)).spec
    assert (spec["explain"], spec["column"], spec["errors"], spec["lexicon"]) == (True, None, "fail", None)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("sick 2.1\nsick", "Line 2: should be a word and a number"),
        ("very sick 2.1", "Line 1: should be a word and a number"),
        ("sick high", "Line 1: should be a word and a number"),
        ("sick 5", "&#39;sick&#39; should be less than or equal to 4"),
        ("Sick 2\nsick 1", "&#39;sick&#39; has two valences"),
        ("x 2", "&#39;x&#39; should have 2 to 100 characters, or be an emoji"),
        (f"{HOSTILE.replace(' ', '')} 9", "&lt;script&gt;"),
    ],
)
def test_own_words_say_what_is_wrong(world: World, web: FlaskClient, words: str, said: str) -> None:
    response = send(web, "sentiment", texts="hi", lexicon=words)
    refused(world, response, 'id="lexicon-error"', said, '<details class="advanced" open')


def test_a_wrong_column_is_said_beside_it(world: World, web: FlaskClient) -> None:
    upload = (io.BytesIO(b"hi\n"), "reviews.csv")
    response = send(web, "sentiment", source="file", file=upload, column="x" * 1_001)
    refused(world, response, 'id="column-error"', "Should be a name, or a number from 1 to 2,000")
    assert response.text.count("-error") == 2  # the message, and the field that refers to it


def test_a_file_of_texts_that_is_not_there_or_empty_is_refused(world: World, web: FlaskClient) -> None:
    refused(world, send(web, "sentiment", source="file"), 'id="file-error"', "Choose a file")
    empty = (io.BytesIO(b""), "empty.csv")
    refused(world, send(web, "sentiment", source="file", file=empty), "The file is empty")
    full = (io.BytesIO(b"x"), "full.csv")
    refused(world, send(web, "sentiment", source="file", file=full, format="xlsx"), 'id="format-error"')


def tables(*contents: bytes) -> list[tuple[io.BytesIO, str]]:
    return [(io.BytesIO(content), f"part-{number}.csv") for number, content in enumerate(contents, 1)]


def test_several_files_of_texts_are_one_job(world: World, web: FlaskClient) -> None:
    files = tables(b"text\nfine\n", b"text\nbad\n")
    job = accepted(world, send(web, "sentiment", source="file", file=files, column="text", group_by="source"))
    assert (job.spec["file"], len(job.spec["files"])) == (None, 2)
    assert (job.spec["column"], job.spec["group_by"]) == ("text", "source")
    with world.backend.database.read() as session:
        kept = {str(file.id): file.name for file in session.scalars(sa.select(storage.File))}
    assert [kept[file_id] for file_id in job.spec["files"]] == ["part-1.csv", "part-2.csv"]
    page = web.get(f"/jobs/{job.id}").text
    assert "<dt>group_<wbr>by</dt>" in page
    assert "<dt>explain</dt>" not in page, "that is for texts"


def test_what_is_wrong_with_one_of_several_files_names_it(world: World, web: FlaskClient) -> None:
    response = send(web, "sentiment", source="file", file=tables(b"text\nfine\n", b""))
    refused(world, response, 'id="file-error"', "&#39;part-2.csv&#39;: the file is empty")
    response = send(web, "sentiment", source="file", file=tables(*([b"x"] * 1_001)))
    refused(world, response, 'id="file-error"', "At most 1,000 at a time")


def test_files_of_a_source_that_is_not_chosen_are_left_out(world: World, web: FlaskClient) -> None:
    spec = accepted(world, send(web, "sentiment", texts="hi", file=tables(b"x", b"y"))).spec
    assert (spec["texts"], spec["file"], spec["files"]) == (["hi"], None, None)


def test_an_archive_is_kept_for_its_import(world: World, web: FlaskClient) -> None:
    upload = (io.BytesIO(zipped_dataset()), "pets.zip")
    spec = accepted(world, send(web, "import", source="file", name="2024", file=upload, path="/x")).spec
    assert (spec["name"], spec["path"]) == ("2024", None)


def test_a_folder_of_the_server_can_be_imported(world: World, web: FlaskClient) -> None:
    spec = accepted(world, send(web, "import", source="path", name="pets", path="/data")).spec
    assert (spec["path"], spec["file"]) == ("/data", None)


def test_an_import_says_what_is_missing(world: World, web: FlaskClient) -> None:
    archive = (io.BytesIO(b"PK"), "pets.zip")
    refused(world, send(web, "import", name=HOSTILE, file=archive), 'id="name-error"', "&lt;script&gt;")
    refused(world, send(web, "import"), "Is missing", "Choose a zip or tar archive")
    refused(world, send(web, "import", source="path", name="pets"), "Name a folder")
    refused(world, send(web, "import", source="path", name="pets", path="data"), "absolute path")


def test_pictures_are_kept_for_their_prediction(world: World, web: FlaskClient) -> None:
    world.model()
    pictures = [(io.BytesIO(picture(colour)), f"{colour}.png") for colour in ("red", "blue")]
    job = accepted(world, send(web, "predict", source="pictures", model="pets", images=pictures))
    assert job.spec["model"] == "pets@1"
    thumbnails = [web.get(f"/files/{image}/thumbnail") for image in job.spec["images"]]
    assert [thumbnail.status_code for thumbnail in thumbnails] == [200, 200]


def test_a_data_set_can_be_predicted(world: World, web: FlaskClient) -> None:
    world.model()
    world.dataset()
    fields = {"source": "dataset", "model": "pets@1", "dataset": "pets@1", "top": "1"}
    spec = accepted(world, send(web, "predict", **fields)).spec
    assert (spec["dataset"], spec["images"], spec["top"]) == ("pets@1", None, 1)


def test_an_archive_can_be_predicted_and_explained(world: World, web: FlaskClient) -> None:
    world.model()
    archive = (io.BytesIO(zipped_dataset()), "pictures.zip")
    spec = accepted(
        world, send(web, "predict", source="archive", model="pets", archive=archive, explain="true")
    ).spec
    assert (spec["images"], spec["dataset"], spec["explain"]) == (None, None, True)
    with world.backend.database.read() as session:
        assert storage.get_file(session, uuid.UUID(spec["archive"])).name == "pictures.zip"


def test_an_archive_that_is_missing_is_said_beside_its_field(world: World, web: FlaskClient) -> None:
    world.model()
    fields = {"source": "archive", "model": "pets"}
    refused(world, send(web, "predict", **fields), 'id="archive-error"', "Choose a zip or tar archive")


def test_a_folder_that_may_not_be_imported_is_said_beside_it(make_app: Any) -> None:
    app = make_app(import_roots=(Path("/pictures"),))
    world, web = World(app.extensions["jobyard"]), browser(app)
    response = send(web, "import", source="path", name="pets", path="/etc")
    refused(world, response, 'id="path-error"', "/etc is not in a folder that imports may read")


def test_a_prediction_says_what_is_missing_and_keeps_no_picture(world: World, web: FlaskClient) -> None:
    world.model()
    refused(world, send(web, "predict", model="pets"), "Choose at least one picture")
    refused(world, send(web, "predict", model="pets", source="dataset"), "Choose a data set")
    good = (io.BytesIO(picture()), "good.png")
    refused(world, send(web, "predict", model="none", images=[good]), 'id="model-error"', "No model")


def test_what_is_too_large_is_refused(make_app: Any) -> None:
    app = make_app(max_upload_bytes=1000)
    world, web = World(app.extensions["jobyard"]), browser(app)
    large = (io.BytesIO(b"x" * 1001), "large.zip")
    refused(
        world,
        send(web, "import", name="pets", file=large),
        'id="file-error"',
        "Should have at most 1,000 bytes",
    )
    body = b"x" * (2 << 20)
    response = web.post("/new/import", data=body, content_type="multipart/form-data; boundary=y")
    assert response.status_code == 413
    assert response.mimetype == "text/html"
    assert not any(path.is_file() for path in stored(world))


def test_as_many_pictures_as_a_job_may_have_fit_into_a_form(world: World, web: FlaskClient) -> None:
    world.model()
    pictures = [(io.BytesIO(picture()), f"{index}.png") for index in range(1001)]
    refused(
        world,
        send(web, "predict", model="pets", images=pictures),
        "At most 1,000 at a time; an archive may have more",
    )


def test_one_empty_picture_of_several_is_for_the_job_to_report(world: World, web: FlaskClient) -> None:
    def pictures() -> list[tuple[io.BytesIO, str]]:
        return [(io.BytesIO(b"x"), "a.jpg"), (io.BytesIO(b""), "empty.jpg")]

    world.model()
    refused(world, send(web, "predict", model="pets", images=pictures()[1:]), "The file is empty")
    job = accepted(world, send(web, "predict", model="pets", images=pictures()))
    assert len(job.spec["images"]) == 2
