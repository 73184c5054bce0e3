"""`jobyard models delete`: a model that has an alias is deleted only if that is named, too."""

from collections.abc import Callable
from urllib.parse import parse_qs

import httpx
import pytest
from click.testing import CliRunner

from jobyard.cli import cli, run
from tests.unit.jobyard.conftest import Answers

KNOWN = {"name": "pets", "reference": "pets@1", "aliases": ["latest", "best", "prod", "beta"]}


class Server:
    """Has the model, and keeps what was deleted with which aliases."""

    def __init__(self) -> None:
        self.deleted: list[tuple[str, list[str]]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return httpx.Response(200, json=KNOWN)
        aliases = parse_qs(request.url.query.decode()).get("alias", [""])[0]
        self.deleted.append((request.url.path, sorted(filter(None, aliases.split(",")))))
        return httpx.Response(204)


@pytest.fixture
def server(answer_with: Callable[[Answers], None]) -> Server:
    answers = Server()
    answer_with(answers)
    return answers


def test_each_alias_is_asked_for_by_name(server: Server) -> None:
    result = CliRunner().invoke(cli, ["models", "delete", "pets@1"], input="y\nprod\nbeta\n")
    assert result.exit_code == 0, result.output
    assert "It is pets@prod, too" in result.output
    assert "pets@latest" not in result.output
    assert server.deleted == [("/api/v1/models/pets@1", ["beta", "prod"])]


def test_aliases_that_are_given_are_not_asked_for(server: Server) -> None:
    command = ["models", "delete", "pets@1", "--alias", "prod", "--alias", "beta"]
    result = CliRunner().invoke(cli, command, input="y\n")
    assert (result.exit_code, "too" in result.output) == (0, False)
    assert run([*command[:-2], "--yes"]) == 0  # the server refuses what is not named
    assert [aliases for _, aliases in server.deleted] == [["beta", "prod"], ["prod"]]


def test_nothing_is_deleted_without_a_yes(server: Server) -> None:
    for answers in ("n\n", "", "y\n"):  # a script answers nothing, and no alias
        result = CliRunner().invoke(cli, ["models", "delete", "pets@1"], input=answers)
        assert result.exit_code == 1
        assert "jobyard: nothing was deleted; --yes deletes without a question" in result.output
    assert server.deleted == []
