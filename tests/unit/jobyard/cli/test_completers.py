"""What a shell offers of the server: models and the newest jobs, and nothing where it doesn't answer."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import httpx
import pytest
from click.shell_completion import BashComplete

from jobyard.cli import cli
from jobyard.cli.completers import complete_job, complete_model
from jobyard.client.job import JobFields
from tests.unit.jobyard.conftest import Answers

JOB: dict[str, Any] = dict.fromkeys(JobFields.__annotations__) | {
    "id": "0198c5b0-0000-7000-8000-000000000001",
    "kind": "train",
    "state": "failed",
    "title": "pets",
    "links": {},
}
MODELS = [
    {"name": "pets", "reference": f"pets@{version}", "network": "compact", "aliases": aliases}
    for version, aliases in ((2, ["latest", "prod"]), (1, ["best"]))
]


def answers(request: httpx.Request) -> httpx.Response:
    items = MODELS if request.url.path.endswith("/models") else [JOB]
    return httpx.Response(200, json={"items": items, "next": None})


def offered(completer: Callable[..., Any], incomplete: str) -> dict[str, str | None]:
    context = click.Context(cli)
    return {item.value: item.help for item in completer(context, click.Argument(["x"]), incomplete)}


def test_models_and_jobs_are_offered(answer_with: Callable[[Answers], None]) -> None:
    answer_with(answers)
    assert [*offered(complete_model, "")] == [
        "pets", "pets@2", "pets@latest", "pets@prod", "pets@1", "pets@best",
    ]  # fmt: skip
    assert offered(complete_model, "pets@p") == {"pets@prod": "pets@2"}
    assert offered(complete_job, "") == {"@last": "your newest job", JOB["id"]: "failed: pets"}
    assert offered(complete_job, "0198") == {JOB["id"]: "failed: pets"}


def test_without_a_server_nothing_is(
    answer_with: Callable[[Answers], None], capsys: pytest.CaptureFixture[str]
) -> None:
    answer_with(lambda _: httpx.Response(401, json={"title": "no"}))
    assert offered(complete_job, "") == {}
    assert capsys.readouterr().err == ""


def test_what_is_offered_is_of_the_server_that_is_named(
    answer_with: Callable[[Answers], None], tmp_path: Path
) -> None:
    asked = []

    def noted(request: httpx.Request) -> httpx.Response:
        asked.append((request.url.host, request.headers["Authorization"]))
        return answers(request)

    answer_with(noted)
    config = tmp_path / "config/jobyard/config.toml"
    config.parent.mkdir(parents=True)
    config.write_text('[profiles.lab]\nurl = "http://lab.example"\ntoken = "the-token-of-the-lab"\n')
    config.chmod(0o600)
    offers = BashComplete(cli, {}, "jobyard", "_JOBYARD_COMPLETE").get_completions(
        ["-s", "lab", "watch"], "@"
    )
    assert [one.value for one in offers] == ["@last"]
    assert asked == [("lab.example", "Bearer the-token-of-the-lab")]
