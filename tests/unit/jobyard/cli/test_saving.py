"""What came of a job, after the fact: shown, saved and printed, and nothing overwritten."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pytest

from jobyard.cli import run
from jobyard.client.formulas import escaped
from jobyard.client.job import JobFields
from jobyard.web.services.cells import as_text
from tests.unit.jobyard.conftest import Answers

ID = "0198c5b0-0000-7000-8000-000000000001"
SCORE = {"neg": 0.0, "neu": 0.2, "pos": 0.8, "compound": 0.7, "label": "positive"}
EVALUATION = {"evaluation": {"accuracy": 0.9}, "model": "pets@1"}
TABLE = 'row,image,label\r\n0,a.jpg,cats\r\n1,"b, c.jpg",\r\n'


class Server:
    """Has one job, and files below it."""

    def __init__(self) -> None:
        self.job: dict[str, Any] = dict.fromkeys(JobFields.__annotations__) | {
            "id": ID, "state": "succeeded", "links": {"page": f"/jobs/{ID}"},
        }  # fmt: skip
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/api/v1")
        self.asked.append(path)
        if path == f"/jobs/{ID}":
            return httpx.Response(200, json=self.job)
        return httpx.Response(200, content=self.files[path])


@pytest.fixture
def server(answer_with: Callable[[Answers], None]) -> Server:
    answers = Server()
    answer_with(answers)
    return answers


def of_texts(server: Server) -> None:
    server.job |= {"kind": "sentiment", "spec": {"texts": ["fine, =1", "=good"]}}
    server.job["result"] = {"scores": [SCORE, SCORE]}


def test_scored_texts_are_a_table(server: Server) -> None:
    of_texts(server)
    assert run(["results", ID, "-o", "x.csv", "--escape-formulas"]) == 0
    with Path("x.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["text", "neg", "neu", "pos", "compound", "label"]
    assert [row[0] for row in rows[1:]] == ["fine, =1", "'=good"]


def test_standard_output_has_what_was_asked_for_and_nothing_else(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    of_texts(server)
    assert run(["results", ID, "-o", "-"]) == 0
    assert len(list(csv.DictReader(io.StringIO(capsys.readouterr().out)))) == 2
    assert run(["results", ID, "-o", "-", "--format", "jsonl"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines == [{"text": text, **SCORE} for text in server.job["spec"]["texts"]]


def test_texts_of_others_move_no_cursor(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    of_texts(server)
    server.job["spec"] = {"texts": ["fine\x1b[2J", "good\r\x9b1m"]}
    assert run(["results", ID]) == 0
    said = capsys.readouterr().out
    assert "fine[2J" in said
    assert not {"\x1b", "\x9b", "\r"} & set(said)


@pytest.mark.parametrize("status", [404, 403, 409, 422])
def test_what_the_server_refuses_is_not_to_be_had_under_another_name(
    server: Server, answer_with: Callable[[Answers], None], capsys: pytest.CaptureFixture[str], status: int
) -> None:
    server.job |= {"kind": "train", "state": "running"}

    def answers(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/history.png"):
            return httpx.Response(status, json={"detail": "no epoch has ended"})
        return server(request)

    answer_with(answers)
    assert run(["results", ID, "-o", "x.png"]) == 2
    assert capsys.readouterr().err == "jobyard: no epoch has ended\n"


def test_bytes_are_kept_from_a_terminal(
    server: Server, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    server.job |= {"kind": "sentiment", "spec": {}, "result": {"file": "texts.scored.parquet"}}
    server.files[f"/jobs/{ID}/files/texts.scored.parquet"] = b"PAR1\x00\xff"
    assert run(["results", ID, "-o", "x.parquet"]) == 0
    assert Path("x.parquet").read_bytes() == b"PAR1\x00\xff"
    monkeypatch.setattr("jobyard.cli.outputs._is_terminal", lambda: True)
    assert run(["results", ID, "-o", "-", "--format", "parquet"]) == 2
    assert "parquet is no text for a terminal" in capsys.readouterr().err
    server.job["result"] = {"file": "texts.scored.csv"}
    server.files[f"/jobs/{ID}/files/texts.scored.csv"] = b"text\r\n\x1b[2Jbold\tmove\r\n"
    assert run(["results", ID, "-o", "-"]) == 0
    assert capsys.readouterr().out == "text\n[2Jbold\tmove\n"


@pytest.mark.parametrize(
    ("status", "when"), [(409, "in another format"), (429, "later"), (500, "later"), (507, "later")]
)
def test_how_a_scored_file_is_had_that_the_server_does_not_convert(
    server: Server,
    answer_with: Callable[[Answers], None],
    capsys: pytest.CaptureFixture[str],
    status: int,
    when: str,
) -> None:
    server.job |= {"kind": "sentiment", "result": {"file": "a-scored.parquet"}}

    def answers(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/scores.csv"):
            return httpx.Response(status, json={"status": status, "detail": "not now"})
        return server(request)

    answer_with(answers)
    assert run(["results", ID, "-o", "x.csv"]) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said == f"jobyard: not now; `jobyard results {ID} -o FILE` saves it {when}"


@pytest.mark.parametrize("options", [["-o", "x.json"], ["-o", "x.json", "--force"]])
def test_what_is_there_is_overwritten_with_force_only(
    server: Server, options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    server.job |= {"kind": "evaluate", "result": EVALUATION}
    Path("x.json").write_text("precious")
    if "--force" in options:
        assert run(["results", ID, *options]) == 0
        assert json.loads(Path("x.json").read_text()) == EVALUATION
        return
    assert run(["results", ID, *options]) == 2
    assert "-o x.json: is there already; --force overwrites it" in capsys.readouterr().err
    assert Path("x.json").read_text() == "precious"
    assert server.asked == []


def test_a_link_that_leads_nowhere_is_there(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    Path("x.json").symlink_to("elsewhere")
    assert run(["results", ID, "-o", "x.json"]) == 2
    assert "is there already" in capsys.readouterr().err
    assert server.asked == []


def test_a_suffix_that_the_job_has_nothing_for_is_answered_with_those_it_has(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    server.job |= {"kind": "predict", "result": {"count": 2}}
    assert run(["results", ID, "-o", "x.docx"]) == 2
    said = capsys.readouterr().err
    assert "with .csv (predictions), .parquet (predictions), .jsonl (predictions), .json (result)" in said
    assert not Path("x.docx").exists()


def test_of_a_file_that_was_scored_as_csv_it_is_said_what_would_be_right(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    server.job |= {"kind": "sentiment", "spec": {}, "result": {"file": "texts.scored.csv"}}
    for options in (["x.parquet"], ["x.csv", "--label", "positive"]):
        assert run(["results", ID, "-o", *options]) == 2
        said = capsys.readouterr().err
        assert "it was scored as csv: score it again as Parquet, the default" in said
        assert said.count("\n") == 1
    assert run(["results", ID, "-o", "x.docx"]) == 2
    assert "again" not in capsys.readouterr().err


def test_the_format_is_what_was_said_whatever_the_file_is_called(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    server.job |= {"kind": "predict", "result": {"count": 2}}
    server.files[f"/jobs/{ID}/predictions.parquet"] = b"PAR1"
    for options in (
        ["x.PARQUET"],
        ["x.dat", "--format", "parquet", "--label", "cats", "--sort", "probability"],
    ):
        assert run(["results", ID, "-o", *options]) == 0
        assert Path(options[0]).read_bytes() == b"PAR1"
    assert run(["results", ID, "-o", "y.csv", "--search", "x"]) == 2
    assert "--search is not for predictions of a predict job" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("state", "status", "said"),
    [("running", 2, "is running and has no results yet"), ("failed", 1, "failed: broken")],
)
def test_a_job_without_results_says_why(
    server: Server, state: str, status: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    server.job |= {"kind": "predict", "state": state, "error": {"type": "WorkError", "message": "broken"}}
    assert run(["results", ID]) == status
    assert said in capsys.readouterr().err


def test_a_prediction_is_saved_with_the_paths_that_were_given(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from jobyard.cli.predicted import write_table
    from jobyard.cli.session import connect

    server.files[f"/jobs/{ID}/predictions.csv"] = TABLE.encode()
    server.job |= {"kind": "predict"}
    shown = {"a.jpg": "=a/a.jpg", "b, c.jpg": "../b, c.jpg"}
    with connect() as client:
        write_table(client.job(ID), tmp_path / "x.csv", "csv", lambda image: shown[image], escape=True)
    assert (tmp_path / "x.csv").read_bytes() == TABLE.replace("a.jpg", "'=a/a.jpg").replace(
        '"b,', '"../b,'
    ).encode()


@pytest.mark.parametrize("field", ["=1", "+1", "+1a", "-0.5", "-x", "@a", "\t", "a=1", "", "＝1", "1e-5"])
def test_formulas_are_escaped_as_the_servers_database_does_it(field: str) -> None:
    theirs = as_text("field", duckdb.type("VARCHAR"), escape_formulas=True)
    with duckdb.connect() as connection:
        found = connection.execute(f"SELECT {theirs} FROM (SELECT ? AS field)", [field]).fetchone()  # noqa: S608
    assert found == (escaped(field),)
