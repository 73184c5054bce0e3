"""`make docs` builds a site that has everything the code has, and that asks no other server for anything."""

import html
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from jobyard import Client
from jobyard.cli import COMMANDS, cli
from jobyard.shared import kinds
from tests.samples import ROOT


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", str(folder)],
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    return folder


def words(page: Path) -> str:
    """What a reader sees of a page."""
    return html.unescape(re.sub(r"<[^>]+>", "", page.read_text()))


def test_no_page_loads_anything_from_another_server(site: Path) -> None:
    loading = re.compile(
        r"<(?:script|link|img|iframe|source|object)\b[^>]*\b(?:src|href|data)=[\"']?(?:https?:)?//"
    )
    pages = list(site.rglob("*.html"))
    assert len(pages) > 30
    assert {
        page.name: loading.findall(page.read_text()) for page in pages if loading.search(page.read_text())
    } == {}
    # The theme would load a renderer for these.
    assert [
        page.name for page in pages if re.search(r"class=[\"'][^\"']*\bmermaid\b", page.read_text())
    ] == []
    assert [
        style.name
        for style in site.rglob("*.css")
        if re.search(r"(?:@import|url\()\s*[\"']?(?:https?:)?//", style.read_text())
    ] == []


def test_every_field_of_every_kind_is_there(site: Path) -> None:
    page = words(site / "reference/kinds.html")
    for kind, declared in kinds.by_name().items():
        assert re.search(rf"^{kind}\b", page, re.MULTILINE)
        for name, field in declared.Spec.model_fields.items():
            assert name in page
            assert (field.description or "").replace("`", "") in page


def test_every_command_is_there_with_its_options(site: Path) -> None:
    page = words(site / "reference/command-line.html")
    for name in COMMANDS:
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        assert f"Usage: jobyard {name}" in page
        for option in command.params:
            assert all(spelling in page for spelling in option.opts if spelling.startswith("-")), name


def test_every_request_is_there(site: Path) -> None:
    page = words(site / "reference/http-api.html")
    for request in (
        "POST /api/v1/jobs",
        "GET /api/v1/jobs/{id}",
        "DELETE /api/v1/models/{id}",
        "GET /api/v1/queues",
    ):
        assert request in page
    assert "Idempotency-Key" in page


def test_every_method_of_the_client_is_there(site: Path) -> None:
    page = words(site / "reference/python-client.html")
    methods = [name for name in dir(Client) if callable(getattr(Client, name)) and not name.startswith("_")]
    assert len(methods) > 15
    assert [name for name in methods if not re.search(rf"\b{name}\b", page)] == []


def test_notebooks_are_pages_with_their_code_and_can_be_downloaded(site: Path) -> None:
    for source in sorted((ROOT / "docs/tutorials").glob("*.ipynb")):
        page = site / "tutorials" / f"{source.stem}.html"
        assert "from jobyard import Client" in words(page)
        assert f'href="{source.name}"' in page.read_text()
        assert (page.parent / source.name).read_bytes() == source.read_bytes()
        assert not any(cell.get("outputs") for cell in json.loads(source.read_text())["cells"])
    # Elsewhere links to them lead to these pages.
    assert (
        'href="../tutorials/reviews-in-a-notebook.html"' in (site / "how-to/use-notebooks.html").read_text()
    )
