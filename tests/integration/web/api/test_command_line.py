"""Commands against the server: what they print with --json is as documented, and what they save."""

import csv
import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import httpx
import jsonschema
import pyarrow.parquet
import pytest
from flask import Flask
from flask.testing import FlaskClient

from jobyard.cli import cli, run
from jobyard.cli.predicted import print_lines
from jobyard.cli.session import connect
from jobyard.client.job import SCORES_FORMATS
from jobyard.shared import registrations
from tests.conftest import TOKEN
from tests.generate import command_line_json
from tests.generate.command_line_json import COMMANDS, SCHEMA
from tests.integration.web.world import World

# They work on this machine, and don't ask a server; or they follow a job that only a worker ends, whose line
# is that of `watch`.
LOCAL = {"doctor", "backup", "restore", "move"}
FOLLOWING = {"train", "evaluate", "score", "models add", "predict"}

Lines = Callable[..., list[Any]]


def test_the_schema_and_its_page_are_generated(app: Flask) -> None:
    different = [
        path.name for path, text in command_line_json.files(app.api_doc).items() if path.read_text() != text
    ]
    assert not different, "run `make client`"


def test_every_command_that_prints_json_is_in_it() -> None:
    def commands(command: click.Command, name: str) -> list[str]:
        context = click.Context(command)
        found = [name] if any(option.name == "as_json" for option in command.params) else []
        if isinstance(command, click.Group):
            for below in command.list_commands(context):
                one = command.get_command(context, below)
                assert one is not None
                found += commands(one, f"{name} {below}".strip())
        return found

    assert sorted(commands(cli, "")) == sorted(COMMANDS)


def validator(command: str) -> jsonschema.Draft202012Validator:
    """Of a line that the command prints."""
    schema = json.loads(SCHEMA.read_text())
    return jsonschema.Draft202012Validator(
        {**schema, "$ref": f"#/$defs/jobyard%20{command.replace(' ', '%20')}"}
    )


@pytest.fixture
def printed(
    app: Flask, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Lines:
    """Runs a command against the server and returns what it printed, which is as the documentation says."""
    transport = httpx.WSGITransport(app=app)
    client = functools.partial(httpx.Client, transport=transport)
    monkeypatch.setattr("jobyard.client._sync.transport.httpx.Client", client)
    monkeypatch.setenv("JOBYARD_URL", "http://localhost")
    monkeypatch.setenv("JOBYARD_TOKEN", TOKEN)
    monkeypatch.chdir(tmp_path)

    def command(name: str, *arguments: str, status: int = 0) -> list[Any]:
        assert run([*name.split(), *arguments, "--json"]) == status
        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert lines
        for line in lines:
            validator(name).validate(line)
        assert not validator(name).is_valid({"other": 1})
        return lines

    return command


def test_what_is_printed_is_as_documented(world: World, api: FlaskClient, printed: Lines) -> None:
    dataset = world.dataset()
    world.model(dataset_id=dataset.id)
    ended = [world.job(kind, "succeeded") for kind in ("train", "evaluate", "predict", "texts", "file")]
    failed, queued = world.job("texts", "failed"), world.job("texts", "queued")
    world.job("texts", "running")
    done: set[str] = set()

    def check(name: str, *arguments: str, status: int = 0) -> list[Any]:
        done.add(name)
        return printed(name, *arguments, status=status)

    assert len(check("jobs")) >= len(ended) + 3
    check("watch", str(failed.id), status=1)
    for job in ended:
        check("watch", str(job.id))
        check("results", str(job.id))
    check("edit", str(queued.id), "--name", "=n")
    for verb in ("pause", "resume"):
        check(verb, str(queued.id))
        check(verb, "--all", "--state", "succeeded", "--yes")
    check("cancel", str(queued.id))
    check("retry", str(failed.id), str(queued.id))
    check("submit", "sentiment", "texts=x", "--detach")
    check("delete", str(ended[-1].id), "--yes")
    check("delete", "--all", "--state", "failed", "--dry-run")
    check("models")
    check("files")
    check("queues")
    check("queues limit", "cpu", "3")
    check("queues pause", "cpu")
    check("queues resume", "cpu")
    check("tokens create", "ci", "--scope", "read")
    check("tokens")
    check("audit")
    check("webhooks add", "hook", "https://example.com/x")
    check("webhooks rotate", "hook")
    check("webhooks test", "hook")
    check("webhooks")
    check("webhooks deliveries", "hook")
    world.job("texts", "failed")
    (group,) = check("failures")
    check("failures retry", group["key"])
    with world.backend.database.write() as session:
        registrations.register(session, name="cpu@a", queue="cpu", process="a/1/2")
    check("workers")
    check("workers drain", "cpu@a")
    check("workers undrain", "cpu@a")
    assert done == set(COMMANDS) - LOCAL - FOLLOWING


def test_rows_of_a_scored_file_are_saved_in_each_format(world: World, printed: Lines) -> None:
    job_id = str(world.job("file", "succeeded").id)
    printed("results", job_id)  # the environment is the server's
    for format_ in SCORES_FORMATS:
        assert run(["results", job_id, "-o", f"all.{format_}"]) == 0
    with Path("all.csv").open(newline="") as file:
        labels = [row["label"] for row in csv.DictReader(file)]
    assert labels == ["neutral", "", "positive"]
    assert pyarrow.parquet.read_table("all.parquet").num_rows == 3
    assert len(Path("all.jsonl").read_text().splitlines()) == 3
    assert Path("all.xlsx").read_bytes().startswith(b"PK")
    chosen = ["--search", "great", "--label", "positive", "--sort", "-compound"]
    assert run(["results", job_id, "-o", "some.jsonl", *chosen]) == 0
    (line,) = Path("some.jsonl").read_text().splitlines()
    assert json.loads(line)["compound"] == 0.6249


def test_a_line_of_a_prediction_is_as_documented(
    world: World, printed: Lines, capsys: pytest.CaptureFixture[str]
) -> None:
    world.dataset()
    world.model()
    job_id = str(world.job("predict", "succeeded").id)
    printed("watch", job_id)  # the environment is the server's
    with connect() as client:
        print_lines(client.job(job_id))
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {line["label"] is None for line in lines} == {False, True}
    for line in lines:
        validator("predict").validate(line)
