"""The pages of a kind that brings templates of its own, and of one that brings none."""

from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jobyard.shared import jobs
from jobyard.shared.kinds import loading
from tests.conftest import logged_in
from tests.echo import Echo
from tests.factories import claimed, new_job

if TYPE_CHECKING:
    from flask import Flask
    from flask.testing import FlaskClient

PACKAGE = "package_with_templates"
HTML = {"Accept": "text/html"}


class EchoWithTemplates(Echo):
    """Echo, as its package shows it."""

    templates = PACKAGE


@pytest.fixture(params=[Echo, EchoWithTemplates])
def declared(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[type[Echo]]:
    """A kind that is installed, without templates and with some."""
    folder = tmp_path / PACKAGE / "templates"
    (folder / "kinds" / "echo").mkdir(parents=True)
    (tmp_path / PACKAGE / "__init__.py").touch()
    (folder / "kinds" / "echo" / "result.html").write_text("<b>{{ job.result.text }}, from its package</b>")
    # Ours come first: a package can't put another page in the place of one of ours.
    (folder / "base.html").write_text("taken over")
    monkeypatch.syspath_prepend(tmp_path)
    own = list(loading.entry_points(group=loading.GROUP))
    found = EntryPoint("echo", f"{__name__}:{request.param.__name__}", loading.GROUP)
    monkeypatch.setattr(EntryPoint, "load", _load(EntryPoint.load, request.param))
    monkeypatch.setattr(loading, "entry_points", lambda group: [*own, found])
    loading.installed.cache_clear()
    yield request.param
    loading.installed.cache_clear()


def _load(original: Callable[[EntryPoint], object], declared: type[Echo]) -> Callable[[EntryPoint], object]:
    return lambda entry: declared if entry.name == "echo" else original(entry)


@pytest.fixture
def web(declared: type[Echo], make_app: "Callable[..., Flask]") -> "Iterator[FlaskClient]":
    with logged_in(make_app()) as client:
        yield client


def test_its_result_is_shown_by_its_own_template_or_the_generic_one(
    web: "FlaskClient", declared: type[Echo]
) -> None:
    database = web.application.extensions["jobyard"].database
    job_id = new_job(database, kind="echo", spec={"text": "<hello>"})
    claim = claimed(database, job_id)
    with database.write() as session:
        assert jobs.succeed(session, job_id, claim.lease, {"text": "<hello>"})
    page = web.get(f"/jobs/{job_id}", headers=HTML).text
    assert "&lt;hello&gt;" in page
    assert ("from its package" in page) == (declared is EchoWithTemplates)
    assert "taken over" not in page


def test_its_form_is_made_from_its_spec(web: "FlaskClient") -> None:
    form = web.get("/new/echo", headers=HTML)
    assert form.status_code == 200
    assert 'name="text"' in form.text
    assert "Say it again." in form.text
    assert "taken over" not in form.text
