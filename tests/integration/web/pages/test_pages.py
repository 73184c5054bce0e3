"""The pages: each kind in each state, without a word of HTML from outside, and from this host only."""

import gzip
import io
import re
import sys
import uuid
import zipfile
from collections.abc import Callable
from urllib.parse import quote, urlsplit

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from PIL import Image

from jobyard.shared import jobs, kinds, registry
from jobyard.shared.kinds.predict import PredictSpec
from jobyard.shared.registry import many_classes
from tests.conftest import TOKEN
from tests.factories import dataset, picture, register
from tests.integration.web.structure import faults
from tests.integration.web.world import HOSTILE, HTML, KINDS, SCORE, STATES, Page, World, browser, requests


def look(web: FlaskClient, path: str, status: int = 200) -> Page:
    """Open a page; every page is strict in what it loads, clean in what it shows, and in order."""
    response = web.get(path)
    assert response.status_code == status, response.text
    assert response.mimetype == "text/html"
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    page = Page(response.text)
    assert HOSTILE not in page.text
    assert page.inline == []
    assert faults(response.text) == []
    (icons,) = (address for address in page.addresses if address.endswith("/icons.css"))
    used = set(re.findall(r'class="bi bi-([^ "]+)', page.text))
    assert used <= set(re.findall(r"\.bi-([a-z0-9-]+) ", web.get(icons).text))
    for address in page.addresses:
        assert urlsplit(address).hostname in (None, "localhost"), address
    return page


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_job_of_every_kind_has_a_page_in_every_state(
    world: World, web: FlaskClient, kind: str, state: str
) -> None:
    job = world.job(kind, state)

    page = look(web, f"/jobs/{job.id}")

    assert f"state-{'running' if state == 'cancelling' else state}" in page.text
    assert ("data-every" in page.text) == (state in ("queued", "running", "cancelling"))
    assert (f"/jobs/{job.id}/cancel" in page.addresses) == (not job.terminal)
    assert (f"/jobs/{job.id}/pause" in page.addresses) == (state in ("queued", "running", "cancelling"))
    assert (f"/jobs/{job.id}/retry" in page.addresses) == (state in ("failed", "cancelled"))
    assert ('id="result"' in page.text) == (state == "succeeded")


def test_the_list_shows_every_kind_in_every_state_and_filters(world: World, web: FlaskClient) -> None:
    made = [world.job(kind, state) for kind in KINDS for state in STATES]

    page = look(web, "/")
    shown = [job for job in made if f"/jobs/{job.id}" in page.addresses]
    assert shown == made[-25:]
    older = page
    for place in range(25, len(made), 25):
        address = next(
            address for address in older.addresses if "cursor=" in address and "kind=" not in address
        )
        older = look(web, address)
        shown = [job for job in made if f"/jobs/{job.id}" in older.addresses]
        assert shown == made[-place - 25 : -place]

    filtered = look(web, "/?kind=sentiment&state=failed")
    shown = [job for job in made if f"/jobs/{job.id}" in filtered.addresses]
    assert shown == [job for job in made if job.kind == "sentiment" and job.state == "failed"]
    assert "No such jobs" in look(web, "/?state=paused").text
    assert look(web, "/?kind=nonsense&cursor=nonsense").text


def test_an_empty_list_says_how_to_begin(web: FlaskClient) -> None:
    page = look(web, "/")
    for kind in ("import", "train", "predict", "sentiment", "register"):
        assert f"/new/{kind}" in page.addresses
    assert "jobyard train" in page.text


@pytest.mark.parametrize("path", ["/", "/jobs/{id}"])
def test_a_page_updates_itself_by_its_fragment_alone(world: World, web: FlaskClient, path: str) -> None:
    job = world.job("texts", "succeeded")

    fragment = web.get(path.format(id=job.id), headers={"X-Fragment": "live"})
    assert fragment.text.lstrip().startswith('<div id="live"')
    assert fragment.text.strip() in look(web, path.format(id=job.id)).text
    assert "X-Fragment" in fragment.headers["Vary"]

    again = {"X-Fragment": "live", "If-None-Match": fragment.headers["ETag"]}
    assert web.get(path.format(id=job.id), headers=again).status_code == 304


def test_progress_shows_phase_share_and_time_left(world: World, web: FlaskClient) -> None:
    page = look(web, f"/jobs/{world.job('import', 'running').id}")
    assert "37 of 100 batches" in page.text
    assert 'aria-valuenow="37"' in page.text
    assert "1 min 23 s left" in page.text
    assert "Work &lt;script&gt;" in page.text


def test_a_job_that_has_stalled_says_so_on_its_page_and_in_the_list(world: World, web: FlaskClient) -> None:
    job = world.job("import", "running")
    with world.backend.database.write() as session:
        lease = jobs.get(session, job.id).lease
        assert lease is not None
        jobs.note_stall(session, job.id, lease, "no progress", None, seconds=1_890)
    assert "No progress for 31 min" in look(web, f"/jobs/{job.id}").text
    listed = look(web, "/").text
    assert "no progress for 31 min" in listed
    with world.backend.database.write() as session:
        jobs.note_steps(session, job.id, lease, "progress again")
    assert "1 min 23 s left" in look(web, f"/jobs/{job.id}").text


def test_a_training_shows_its_chart_only_when_there_is_something_to_draw(
    world: World, web: FlaskClient
) -> None:
    running = look(web, f"/jobs/{world.job('train', 'running').id}")
    assert "after the first epoch" in running.text
    job = world.job("train", "succeeded")
    page = look(web, f"/jobs/{job.id}")
    assert f"/api/v1/jobs/{job.id}/metrics?points=500" in page.addresses
    assert any(address.endswith("/uplot.js") for address in page.addresses)
    assert "91.2 %" in page.text
    assert "80.1 % to 96.5 %" in page.text
    assert 'class="plot-line"' in page.text
    assert "8 pictures: 75.0 % right, 85.0 % probable" in page.text
    assert any(
        address.startswith("/datasets/pets@1/thumbnail/train/cats/1.png") for address in page.addresses
    )
    assert f"/api/v1/jobs/{job.id}/files/last.keras" in page.addresses
    assert f"/api/v1/jobs/{job.id}/files/model.keras" in page.addresses
    assert f"/api/v1/jobs/{job.id}/history.png" in page.addresses
    assert look(web, f"/jobs/{world.job('texts', 'queued').id}").text.count("uplot") == 0


def test_predictions_come_page_by_page_least_sure_first_if_asked(world: World, web: FlaskClient) -> None:
    job = world.job("predict", "succeeded")
    thumbnails = [f"/files/{image}/thumbnail" for image in job.spec["images"]]

    def shown(query: str) -> list[str]:
        addresses = look(web, f"/jobs/{job.id}{query}").addresses
        return [address for address in addresses if "/thumbnail" in address]

    assert shown("") == thumbnails[1:24]  # the first one can't be decoded
    assert shown("?cursor=23") == thumbnails[24:]
    assert shown("?sort=probability") == thumbnails[:5:-1]
    assert shown("?sort=probability&cursor=0.76:24") == thumbnails[23:0:-1]
    assert shown("?cursor=nonsense") == thumbnails[1:24]
    assert shown("?label=cats") == []
    assert f"/api/v1/jobs/{job.id}/predictions.parquet" in look(web, f"/jobs/{job.id}").addresses
    dataset = look(web, f"/jobs/{world.job('predict-dataset', 'succeeded').id}")
    assert any(address.startswith("/datasets/pets@1/thumbnail/train/cats/") for address in dataset.addresses)


def test_a_scored_file_shows_counts_mean_and_histogram(world: World, web: FlaskClient) -> None:
    job = world.job("file", "succeeded")
    page = look(web, f"/jobs/{job.id}")
    assert "1,234,567 rows, 3 of them without a text" in page.text
    assert "mean +0.2500" in page.text
    assert "0.95 to 1.0: 39" in page.text
    assert f"/api/v1/jobs/{job.id}/files/scored.parquet" in page.addresses


def test_an_import_shows_classes_and_what_was_rejected(world: World, web: FlaskClient) -> None:
    page = look(web, f"/jobs/{world.job('import', 'succeeded').id}")
    assert "70 files rejected" in page.text
    assert "/new/train?dataset=pets@1" in page.addresses


def test_buttons_change_the_job_and_lead_back(world: World, web: FlaskClient) -> None:
    job = world.job("texts", "queued")
    for button, state in (
        ("pause", "paused"),
        ("pause", "paused"),
        ("resume", "queued"),
        ("cancel", "cancelled"),
        ("cancel", "cancelled"),
        ("retry", "queued"),
    ):
        response = web.post(f"/jobs/{job.id}/{button}")
        assert response.status_code == 303
        assert response.headers["Location"] == f"/jobs/{job.id}"
        assert f"badge state state-{state}" in look(web, f"/jobs/{job.id}").text
    assert web.post(f"/jobs/{uuid.uuid4()}/cancel").status_code == 404


def test_a_data_set_from_before_there_were_reports_has_a_page(world: World, web: FlaskClient) -> None:
    made = world.dataset()
    with world.backend.database.write() as session:
        session.execute(sa.update(registry.Dataset).values(report=None))
    page = look(web, f"/datasets/{made.reference}")
    assert "Pictures by class" in page.text
    assert "Sizes and formats" not in page.text


def test_data_sets_and_models_have_pages(world: World, web: FlaskClient) -> None:
    assert "No data sets yet" in look(web, "/datasets").text
    assert "No models yet" in look(web, "/models").text
    imported, trained = world.job("import", "succeeded"), world.job("train", "succeeded")

    assert "/datasets/pets@1" in look(web, "/datasets").addresses
    page = look(web, "/datasets/pets")
    assert f"/jobs/{imported.id}" in page.addresses
    assert "/datasets/pets@1/thumbnail/train/cats/1.png" in page.addresses
    for said in (
        "150 pictures of validation are in train too",
        "8 to 5,000, median 12 pixels",
        "32 to 63",
        "150 pictures in more than one split",
        "and 149 more",
        "1 picture with more than one class",
        "250 pictures that duplicate another",
        "is a JPEG, but is called .png",
        "and 2 more",
    ):
        assert said in page.text
    assert "150 pictures of validation are in train too" in look(web, f"/jobs/{imported.id}").text
    assert "/models/pets@1" in look(web, "/models").addresses
    page = look(web, "/models/pets@1")
    assert f"/jobs/{trained.id}" in page.addresses
    assert f"/api/v1/jobs/{trained.id}/files/model.keras" in page.addresses
    assert "/new/predict?model=pets@1" in page.addresses
    assert look(web, "/models/cats", 404).text
    assert look(web, "/datasets?cursor=nonsense", 404).text


def test_pictures_in_a_zip_have_thumbnails_if_they_are_stored_as_they_are(
    world: World, web: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"train/cats/{HOSTILE}{row}.png" for row in range(2)]
    seen = {}
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w", method) as archive:
            for name in names:
                archive.writestr(name, picture())
        file = world.file(f"{method}.zip", content.getvalue())
        monkeypatch.setattr(world, "_spec", lambda _, id_=file.id: PredictSpec(model="pets@1", archive=id_))
        page = look(web, f"/jobs/{world.job('predict-archive', 'succeeded').id}")
        seen[method] = [address for address in page.addresses if "/thumbnail/" in address]
        shown = web.get(f"/files/{file.id}/thumbnail/{quote(names[1])}")
        assert shown.status_code == (200 if method == zipfile.ZIP_STORED else 404)
        assert web.get(f"/files/{file.id}/thumbnail/nothing.png").status_code == 404
    # The first one can't be decoded.
    (address,) = seen[zipfile.ZIP_STORED]
    assert web.get(address).mimetype == "image/jpeg"
    assert seen[zipfile.ZIP_DEFLATED] == []


def test_pages_of_a_thousand_classes_show_the_worst_pairs_and_name_the_file_with_the_matrix(
    world: World, web: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also of results that were made when the whole matrix was in them."""
    classes = [f"class {index:04}" for index in range(1_000)]
    few = world._evaluation()
    whole = few | {
        "classes": classes,
        "confusion": [[1 + (row == 7 and column == 9) for column in range(1_000)] for row in range(1_000)],
        "per_class": dict.fromkeys(classes, SCORE),
    }
    for evaluation in (whole, many_classes.shortened(whole)):
        monkeypatch.setattr(world, "_evaluation", lambda found=evaluation: found)
        job = world.job("train", "succeeded")
        for name in ("confusion.csv", "evaluation.json"):
            world.file(name, b"x", job.id)
        page = look(web, f"/jobs/{job.id}")
        assert len(page.text) < 200_000
        assert 'class 0007</th><td class="text-break">class 0009' in page.text
        assert "The 20 classes of lowest F1, of 1,000." in page.text
        assert f"/api/v1/jobs/{job.id}/files/confusion.csv" in page.addresses
        job = world.job("evaluate", "succeeded")
        assert len(look(web, f"/jobs/{job.id}").text) < 200_000
    splits = {split: dict.fromkeys(classes, 3) for split in ("train", "validation")}
    imported = register(world.backend.database, dataset("thousand", classes=splits))
    page = look(web, f"/datasets/{imported.reference}")
    assert len(page.text) < 200_000
    assert 'class="table-responsive long"' in page.text, "it scrolls"


def test_a_model_s_page_lists_its_evaluations(world: World, web: FlaskClient) -> None:
    job = world.job("evaluate", "succeeded")
    page = look(web, "/models/pets@1")
    assert "80.1 % to 96.5 %" in page.text
    assert f"/jobs/{job.id}" in page.addresses
    assert "/new/evaluate?model=pets@1" in page.addresses
    shown = look(web, f"/jobs/{job.id}").text
    assert "Evaluation on 8 validation pictures" in shown
    assert "The best epoch was selected on the same pictures" not in shown
    assert "was trained on some of these pictures" in shown


def test_a_model_is_named_and_renamed_on_its_page(world: World, web: FlaskClient) -> None:
    world.model(), world.model()
    page = look(web, "/models/pets@2")
    assert all(badge in page.text for badge in ("@latest", "@best"))
    for reference in ("pets@2", "pets@1"):
        response = web.post(f"/models/{reference}/aliases", data={"alias": " prod "})
        assert (response.status_code, response.headers["Location"]) == (303, f"/models/{reference}")
    assert "@prod" not in look(web, "/models/pets@2").text
    page = look(web, "/models/pets@prod")
    assert "pets@1" in page.text
    assert "/models/pets@1/aliases/prod/remove" in page.addresses
    assert "/api/v1/models/pets@1/card" in page.addresses
    assert look(web, "/models").text.count("@prod") == 1
    for _ in range(2):
        assert web.post("/models/pets@1/aliases/prod/remove").status_code == 303
    look(web, "/models/pets@prod", 404)


def test_a_model_that_has_an_alias_is_deleted_when_that_is_typed(world: World, web: FlaskClient) -> None:
    world.model()
    assert 'id="delete-alias"' not in look(web, "/models/pets@1").text
    web.post("/models/pets@1/aliases", data={"alias": "prod"})
    page = look(web, "/models/pets@1")
    assert "<strong>pets@prod</strong>" in page.text
    assert 'id="delete-alias"' in page.text
    for typed in ({}, {"alias": "best"}):
        refused = web.post("/models/pets@1/delete", data=typed)
        assert (refused.status_code, "Pets@1 is pets@prod, too" in refused.text) == (409, True)
    assert web.post("/models/pets@1/delete", data={"alias": "prod"}).headers["Location"] == "/models"


@pytest.mark.parametrize(("alias", "words"), [("best", "is set by the"), (HOSTILE, "A letter, then")])
def test_an_alias_that_can_not_be_is_said_beside_its_field(
    world: World, web: FlaskClient, alias: str, words: str
) -> None:
    world.model()
    response = web.post("/models/pets@1/aliases", data={"alias": alias})
    assert response.status_code == 422
    assert words.lower() in response.text.lower()
    assert 'name="alias"' in response.text
    assert HOSTILE not in response.text


def test_a_model_is_deleted_on_its_page_unless_a_job_needs_it(world: World, web: FlaskClient) -> None:
    world.model()
    job = world.job("predict", "queued")
    refused = web.post("/models/pets@1/delete")
    assert refused.status_code == 409
    assert f"Job {job.id} uses the model pets@1" in refused.text
    assert web.post(f"/jobs/{job.id}/cancel").status_code == 303
    assert web.post("/models/pets@1/delete").headers["Location"] == "/models"
    look(web, "/models/pets@1", 404)
    look(web, f"/jobs/{job.id}")


def test_a_thumbnail_is_drawn_anew_and_never_the_file_itself(world: World, web: FlaskClient) -> None:
    wide = world.file("wide.png", picture())
    response = web.get(f"/files/{wide.id}/thumbnail")
    assert response.mimetype == "image/jpeg"
    assert Image.open(io.BytesIO(response.data)).size == (20, 10)
    seen = {"If-None-Match": response.headers["ETag"]}
    assert web.get(f"/files/{wide.id}/thumbnail", headers=seen).status_code == 304

    hostile = world.file("picture.png", b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>")
    look(web, f"/files/{hostile.id}/thumbnail", 404)
    look(web, f"/files/{uuid.uuid4()}/thumbnail", 404)

    world.dataset()
    assert web.get("/datasets/pets@1/thumbnail/train/cats/1.png").mimetype == "image/jpeg"
    look(web, "/datasets/pets@1/thumbnail/train/cats/2.svg", 404)
    look(web, "/datasets/pets@1/thumbnail/train/cats/none.png", 404)


def test_there_is_an_icon_of_every_kind(web: FlaskClient) -> None:
    """Also of those that only the server itself asks for."""
    known = re.findall(r"\.bi-([a-z0-9-]+) ", web.get("/assets/any/icons.css").text)
    assert {kind.icon for kind in kinds.every()} <= {*known}


def test_style_sheets_and_scripts_are_sent_compressed_and_kept_until_they_change(
    world: World, web: FlaskClient
) -> None:
    page = look(web, f"/jobs/{world.job('train', 'succeeded').id}")
    (address,) = (one for one in page.addresses if one.endswith("/uplot.js"))
    plain = web.get(address)
    assert b"uPlot" in plain.data
    assert "uplot" not in sys.modules, "it would bring IPython and NumPy"
    packed = web.get(address, headers={"Accept-Encoding": "gzip"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.data) == plain.data
    assert "accept-encoding" in packed.vary.as_set()
    assert packed.cache_control.public
    assert packed.cache_control.immutable
    assert packed.cache_control.max_age == 365 * 24 * 3_600
    seen = {"If-None-Match": packed.headers["ETag"], "Accept-Encoding": "gzip"}
    unchanged = web.get(address, headers=seen)
    assert (unchanged.status_code, unchanged.data) == (304, b"")
    # A page of another version asks for that, and must not keep this one as it.
    other = web.get("/assets/0123456789ab/uplot.js")
    assert other.data == plain.data
    assert other.cache_control.no_cache


def test_a_module_finds_what_it_imports_beside_it(world: World, web: FlaskClient) -> None:
    page = look(web, f"/jobs/{world.job('train', 'succeeded').id}")
    modules = [address for address in page.addresses if "/js/" in address]
    imported = {
        address.rsplit("/", 1)[0] + name[1:]
        for address in modules
        for name in re.findall(r'from "(\./[a-z_]+\.js)"', web.get(address).text)
    }
    assert {address.rsplit("/", 1)[1] for address in imported} >= {"morph.js", "charts.js", "chart_words.js"}
    assert {web.get(address).status_code for address in imported} == {200}


def test_everything_a_page_refers_to_is_there(world: World, web: FlaskClient) -> None:
    world.dataset()
    page = look(web, f"/jobs/{world.job('train', 'succeeded').id}")
    own = [address for address in page.addresses if address.startswith("/") and "/docs" not in address]
    takes_a_post = {"/logout", next(address for address in own if address.endswith("/delete"))}
    assert len(own) > 15
    for address in [address for address in own if address not in takes_a_post]:
        with web.get(address, follow_redirects=True) as response:
            assert response.status_code == 200, address


def test_a_visitor_is_asked_to_log_in_and_a_wrong_token_is_refused(app: Flask) -> None:
    visitor = app.test_client()
    visitor.environ_base["HTTP_ACCEPT"] = HTML
    for path in ("/", "/new/train", f"/jobs/{uuid.uuid4()}", "/nonsense"):
        assert "login link" in look(visitor, path, 401).text
    assert "This token is wrong, expired or revoked." in look(visitor, "/login?token=wrong", 401).text
    refused = visitor.post("/login", data={"token": "wrong"})
    assert refused.status_code == 401
    assert "Set-Cookie" not in refused.headers

    response = visitor.post("/login", data={"token": f" {TOKEN} "})
    assert response.status_code == 302
    assert response.headers["Location"] == "/"
    cookie = response.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert TOKEN not in cookie
    assert look(visitor, "/").text


def test_a_form_of_another_site_is_refused(world: World, web: FlaskClient) -> None:
    job = world.job("texts", "queued")
    for origin in ("http://evil.example", "http://localhost:5555", "null"):
        response = web.post(f"/jobs/{job.id}/cancel", headers={"Origin": origin})
        assert response.status_code == 403
        assert "another site" in response.text
    assert "badge state state-queued" in look(web, f"/jobs/{job.id}").text


def test_a_browser_gets_errors_as_pages_and_a_program_as_problems(web: FlaskClient) -> None:
    page = look(web, f"/jobs/{uuid.uuid4()}", 404)
    assert re.search("request <code>[0-9a-f-]{8,}</code>", page.text)
    assert "There is no job" in page.text
    assert "Not Found" in look(web, f"/{HOSTILE}", 404).text
    assert web.post("/models").status_code == 405
    for path, accept in (("/nonsense", "*/*"), ("/nonsense", "application/json"), ("/api/v1/nonsense", HTML)):
        response = web.get(path, headers={"Accept": accept})
        assert response.status_code == 404
        assert response.mimetype == "application/problem+json"


def test_a_model_of_many_classes_names_the_first_ones(world: World, web: FlaskClient) -> None:
    model = world.model()
    with world.backend.database.write() as session:
        change = sa.update(registry.Model).where(registry.Model.id == model.id)
        session.execute(change.values(classes=[f"class {index:04}" for index in range(1_000)]))
    page = look(web, "/models/pets@1").text
    assert "class 0049 and 950 more" in page
    assert "class 0050" not in page


def test_the_login_of_flower_is_said_where_it_is_linked(web: FlaskClient) -> None:
    page = web.get("/").text
    (login,) = re.findall(r'href="http://[^"]+:5555/">Open Flower</a>\s*<p[^>]*>(.*)</p>', page)
    assert login == "User <code>jobyard</code>, password: the server's token"


def test_a_nul_in_an_address_is_no_accident_on_both_databases(
    make_app: Callable[..., Flask], database_url: str
) -> None:
    web = browser(make_app(database_url=database_url))
    seen = 0
    for endpoint, method, address in requests(web.application):
        if endpoint.startswith("pages.") and (path := re.sub(r"(?<=/)x(?=/|$)", "%00", address)) != address:
            seen += 1
            assert web.open(path, method=method).status_code in (200, 404, 405), f"{method} {path}"
    assert seen > 20
    for path in ("/audit?actor=%00", "/audit?action=%00", "/audit.csv?actor=%00", "/?label=a:%00", "/?q=%00"):
        assert web.get(path).status_code in (200, 422), path
