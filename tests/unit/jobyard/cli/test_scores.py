"""The command score: what it sends, and what it prints."""

import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import jobyard.cli.scores
from jobyard.cli import run
from jobyard.client import Job
from jobyard.client._sync.transport import Transport
from jobyard.client.job import JobFields

RAW: dict[str, Any] = dict.fromkeys(JobFields.__annotations__) | {
    "id": "0198c5b0-0000-7000-8000-000000000001",
    "kind": "sentiment",
    "state": "succeeded",
    "links": {"page": "/jobs/1"},
}
OF_A_FILE: dict[str, Any] = {
    "rows": 10,
    "nulls": 1,
    "labels": {"positive": 6, "neutral": 2, "negative": 1},
    "mean": 0.25,
    "std": 0.5,
    "most_positive": [{"row": 3, "text": "love\n\x1b[2J [bold]it", "compound": 0.9}],
    "most_negative": [{"row": 4, "text": "hate it", "compound": -0.9}],
    "group_by": "shop",
    "groups": 1_200,
    "errors": {"count": 7, "first": [{"line": line, "error": f"broken {line}"} for line in range(1, 8)]},
    "file": "texts.scored.parquet",
}

Sent = list[dict[str, Any]]


class Server:
    """Stands in for the client: keeps what is sent, and answers with a result."""

    def __init__(self, result: dict[str, Any], spec: dict[str, Any] | None = None) -> None:
        self.sent: Sent = []
        self._raw = RAW | {"result": result, "spec": spec or {}}

    def score(self, texts: object = None, **spec: Any) -> Job:
        self.sent.append({"texts": texts, **spec})
        return Job(Transport("http://localhost", "t", 1.0), self._raw)


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[dict[str, Any]], Sent]:
    monkeypatch.chdir(tmp_path)
    Path("texts.csv").write_text("text\nfine\n")

    def answer(result: dict[str, Any], spec: dict[str, Any] | None = None) -> Sent:
        server = Server(result, spec)

        @contextmanager
        def connect() -> Iterator[Server]:
            yield server

        monkeypatch.setattr(jobyard.cli.scores, "connect", connect)
        return server.sent

    return answer


def given(sent: Sent) -> dict[str, Any]:
    (one,) = sent
    return {name: value for name, value in one.items() if value is not None}


@pytest.mark.parametrize(
    ("options", "spec"),
    [
        ([], {}),
        (["--column", "body"], {"column": "body"}),
        (["--column", "2", "--group-by", "1000"], {"column": 2, "group_by": 1000}),
        (["--column", "0", "--group-by", "2024"], {"column": "0", "group_by": "2024"}),
        (["--column", "２", "--group-by", "-1"], {"column": "２", "group_by": "-1"}),
        (["--column-name", "2"], {"column": "2"}),
        (["--column-number", "2"], {"column": {"number": 2}}),
        (["--group-by-name", "2", "--column", "3"], {"group_by": "2", "column": 3}),
        (["--group-by-number", "2"], {"group_by": {"number": 2}}),
        (["--delimiter", "tab", "--quote", "none"], {"delimiter": "tab", "quote": "none"}),
        (["--header", "no", "--skip-lines", "0"], {"header": "no", "skip_lines": 0}),
        (["--null-value", "NULL", "--null-value", "NA"], {"null_values": ["NULL", "NA"]}),
        (["--encoding", "cp1252", "--errors", "skip"], {"encoding": "cp1252", "errors": "skip"}),
        (["--word", "sick=2.1", "--word", "a=b=-1"], {"lexicon": {"sick": 2.1, "a=b": -1.0}}),
        (["--positive", "0.1"], {"thresholds": {"positive": 0.1}}),
        (["--normalize", "standard", "--word", "😂=3"], {"normalize": "standard", "lexicon": {"😂": 3.0}}),
    ],
)
def test_a_file_is_sent_with_what_was_said(
    serve: Callable[[dict[str, Any]], Sent], options: list[str], spec: dict[str, Any]
) -> None:
    sent = serve(OF_A_FILE)
    assert run(["score", "texts.csv", *options]) == 0
    assert given(sent) == {"file": Path("texts.csv"), **spec}


def test_own_words_of_a_file_yield_to_those_of_the_command_line(
    serve: Callable[[dict[str, Any]], Sent],
) -> None:
    sent = serve(OF_A_FILE)
    Path("words.json").write_text('{"sick": 2.1, "meh": -1}')
    assert run(["score", "texts.csv", "--lexicon", "words.json", "--word", "sick=-2"]) == 0
    assert given(sent)["lexicon"] == {"sick": -2.0, "meh": -1}


@pytest.mark.parametrize(("content", "said"), [(b"[1]", "should be an object"), (b"\xff", "is not JSON")])
def test_own_words_that_are_none_are_one_line(
    serve: Callable[[dict[str, Any]], Sent], content: bytes, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    sent = serve(OF_A_FILE)
    Path("words.json").write_bytes(content)
    assert run(["score", "texts.csv", "--lexicon", "words.json"]) == 2
    shown = capsys.readouterr().err
    assert f"--lexicon words.json: {said}" in shown
    assert shown.count("\n") == 1
    assert sent == []


def test_a_scored_file_ends_with_its_summary(
    serve: Callable[[dict[str, Any]], Sent], capsys: pytest.CaptureFixture[str]
) -> None:
    serve(OF_A_FILE)
    assert run(["score", "texts.csv"]) == 0
    shown = capsys.readouterr().out
    assert "66.7%" in shown
    assert "mean compound 0.2500 ± 0.5000 of 9 texts; 1 empty" in shown
    assert "most positive  +0.9000  love [2J [bold]it" in shown
    assert "most negative  -0.9000  hate it" in shown
    assert "1,200 of shop" in shown
    assert "7 broken rows were skipped" in shown
    assert "line 5: broken 5\n  …" in shown
    assert "\x1b" not in shown


def test_broken_rows_of_what_has_no_lines_are_rows(
    serve: Callable[[dict[str, Any]], Sent], capsys: pytest.CaptureFixture[str]
) -> None:
    serve({**OF_A_FILE, "read_as": {"format": "json", "numbered": "row"}})
    assert run(["score", "texts.csv"]) == 0
    assert "row 5: broken 5\n  …" in capsys.readouterr().out


def test_how_a_file_was_read_is_said_with_what_is_left_open(
    serve: Callable[[dict[str, Any]], Sent], capsys: pytest.CaptureFixture[str]
) -> None:
    read_as = {"format": "csv", "delimiter": ";", "quote": "double", "header": "no", "skip_lines": 2}
    serve({**OF_A_FILE, "read_as": read_as, "warnings": ["line 3 is \x1b[2J [bold]data"]})
    assert run(["score", "texts.csv"]) == 0
    shown = capsys.readouterr().out
    assert "read as       csv, separated by semicolons, quote double, header no, skip lines 2\n" in shown
    assert "warning: line 3 is [2J [bold]data\n" in shown


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["texts.csv", "--column", "a", "--column-number", "2"], "one of --column, --column-name and"),
        (["texts.csv", "--column-number", "2001"], "2001"),
        (
            ["texts.csv", "--group-by", "a", "--group-by-name", "b"],
            "one of --group-by, --group-by-name and --group-by-number",
        ),
        (["I love it", "--group-by-number", "2"], "--group-by-number is for a file"),
        (["I love it", "--delimiter", ";"], "--delimiter is for a file"),
        (["I love it", "--null-value", "NA"], "--null-value is for a file"),
        (["I love it", "--skip-lines", "0"], "--skip-lines is for a file"),
        (["texts.csv", "--escape-formulas"], "--escape-formulas needs a .csv file"),
        (["texts.csv", "--escape-formulas", "-o", "x.parquet"], "--escape-formulas needs a .csv file"),
    ],
)
def test_options_of_tables_that_do_not_fit_are_refused(
    serve: Callable[[dict[str, Any]], Sent],
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    said: str,
) -> None:
    sent = serve(OF_A_FILE)
    assert run(["score", *options]) == 2
    assert said in capsys.readouterr().err
    assert sent == []


SEEN = {"emoji": 1_204, "curly": 0, "html": 3, "not_english": 0.23}


@pytest.mark.parametrize(
    ("normalize", "said"),
    [
        ("none", "VADER doesn't see emoji in 1,204 texts, HTML in 3: use --normalize standard"),
        ("standard", "put into words: emoji in 1,204 texts, HTML in 3"),
    ],
)
@pytest.mark.parametrize("options", [["texts.csv"], ["it LOVE!", "--explain"]])
def test_what_vader_cant_see_is_said_with_what_helps(
    serve: Callable[..., Sent],
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    normalize: str,
    said: str,
) -> None:
    scores = {"neg": 0.0, "neu": 0.2, "pos": 0.8, "compound": 0.7125, "label": "positive"}
    row = {**scores, "scored_as": "it LOVE", "words": [], "punctuation": 0.0}
    serve({**OF_A_FILE, "scores": [row], "unseen": SEEN}, spec={"normalize": normalize})
    assert run(["score", *options]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert said in shown
    assert "about 23 % of the texts are not in English" in shown


def test_nothing_is_said_where_vader_sees_all(
    serve: Callable[..., Sent], capsys: pytest.CaptureFixture[str]
) -> None:
    nothing = {"emoji": 0, "curly": 0, "html": 0, "not_english": 0.004}
    serve({**OF_A_FILE, "unseen": nothing}, spec={"normalize": "none"})
    assert run(["score", "texts.csv"]) == 0
    shown = capsys.readouterr().out
    assert "VADER" not in shown
    assert "words" not in shown


def test_an_explanation_is_titled_with_the_text_that_the_rules_apply_to(
    serve: Callable[..., Sent], capsys: pytest.CaptureFixture[str]
) -> None:
    words = [{"word": "great", "first": 0, "valence": 3.1, "score": 3.1, "because": []}]
    scores = {"neg": 0.0, "neu": 0.2, "pos": 0.8, "compound": 0.6249, "label": "positive"}
    serve({"scores": [{**scores, "scored_as": "great thumbs up", "words": words, "punctuation": 0.0}]})
    assert run(["score", "great👍", "--explain", "--normalize", "standard"]) == 0
    assert "great thumbs up" in capsys.readouterr().out


def test_json_is_one_line(
    serve: Callable[[dict[str, Any]], Sent], capsys: pytest.CaptureFixture[str]
) -> None:
    serve(OF_A_FILE)
    assert run(["score", "texts.csv", "--json"]) == 0
    shown = capsys.readouterr().out
    assert shown.count("\n") == 1
    assert json.loads(shown)["result"] == OF_A_FILE


def test_a_result_without_texts_has_a_summary_too(
    serve: Callable[[dict[str, Any]], Sent], capsys: pytest.CaptureFixture[str]
) -> None:
    nothing = {"labels": dict.fromkeys(("positive", "neutral", "negative"), 0), "mean": None, "std": None}
    serve(
        {**OF_A_FILE, **nothing, "most_positive": [], "most_negative": [], "group_by": None, "errors": None}
    )
    assert run(["score", "texts.csv"]) == 0
    shown = capsys.readouterr().out
    assert "scored file" in shown
    assert "0 texts; 1 empty" in shown


def test_one_text_is_one(serve: Callable[[dict[str, Any]], Sent], capsys: pytest.CaptureFixture[str]) -> None:
    serve({**OF_A_FILE, "labels": {"positive": 1, "neutral": 0, "negative": 0}})
    assert run(["score", "texts.csv"]) == 0
    assert "of 1 text; 1 empty" in capsys.readouterr().out


def test_standard_input_is_called_so_and_not_read_for_nothing(
    serve: Callable[[dict[str, Any]], Sent],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sent = serve(OF_A_FILE)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"text\nfine\n")))
    assert run(["score", "-", "-o", "nowhere/x.csv"]) == 2
    assert "there is no folder nowhere" in capsys.readouterr().err
    assert run(["score", "-"]) == 0
    assert capsys.readouterr().err.startswith("uploading standard input …\n")
    assert given(sent)["file"].name == "stdin"


def test_texts_are_explained_word_by_word(
    serve: Callable[[dict[str, Any]], Sent], capsys: pytest.CaptureFixture[str]
) -> None:
    why = [{"rule": "capitals", "word": None, "change": 0.733}]
    words = [
        {"word": "it", "first": 0, "valence": 0.0, "score": 0, "because": []},
        {"word": "[LOVE]", "first": 1, "valence": 3.2, "score": 3.933, "because": why},
    ]
    scores = {"neg": 0.0, "neu": 0.2, "pos": 0.8, "compound": 0.7125, "label": "positive"}
    sent = serve({"scores": [{**scores, "words": words, "punctuation": 0.292}]})
    assert run(["score", "it LOVE!", "--explain"]) == 0
    assert given(sent)["explain"] is True
    shown = capsys.readouterr().out
    assert "+3.2, in capitals +0.733" in shown
    assert "[LOVE]" in shown
    assert "+4.2250" in shown  # the sum, with the punctuation
    assert "it " in shown
    assert "+0.7125" in shown


def test_an_explanation_is_for_texts(
    serve: Callable[[dict[str, Any]], Sent], capsys: pytest.CaptureFixture[str]
) -> None:
    sent = serve(OF_A_FILE)
    assert run(["score", "texts.csv", "--explain"]) == 2
    assert "--explain is for texts" in capsys.readouterr().err
    assert sent == []


def test_an_address_is_sent_as_it_is_and_nothing_uploaded(
    serve: Callable[[dict[str, Any]], Sent], capsys: pytest.CaptureFixture[str]
) -> None:
    sent = serve(OF_A_FILE)
    assert run(["score", "https://example.com/a.csv?sig=1"]) == 0
    assert given(sent)["file"] == "https://example.com/a.csv?sig=1"
    assert "uploading" not in capsys.readouterr().err
    sent.clear()
    assert run(["score", "s3://reviews/a.csv", "texts.csv"]) == 0
    assert given(sent)["files"] == ["s3://reviews/a.csv", Path("texts.csv")]
    assert "uploading texts.csv" in capsys.readouterr().err


def test_texts_that_went_as_a_file_are_shown_as_one(
    serve: Callable[[dict[str, Any]], Sent], capsys: pytest.CaptureFixture[str]
) -> None:
    sent = serve(OF_A_FILE | {"group_by": None, "groups": None, "errors": None})
    assert run(["score", "fine", " "]) == 0
    assert [*sent[0]["texts"]] == ["fine", " "]
    assert "saves it" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("source", "stored", "asked"),
    [
        ("texts.csv", "parquet", "scores.csv?escape_formulas=true"),
        ("texts.parquet", "csv", "files/texts.scored.csv"),
    ],
)
def test_what_is_saved_as_csv_is_stored_as_parquet_where_that_changes_nothing(
    serve: Callable[[dict[str, Any]], Sent],
    monkeypatch: pytest.MonkeyPatch,
    source: str,
    stored: str,
    asked: str,
) -> None:
    sent = serve({**OF_A_FILE, "file": f"texts.scored.{stored}"})
    paths = []

    def download(_: Transport, path: str, target: Path, **_more: object) -> None:
        paths.append(path)
        target.write_bytes(b"text\r\n")

    monkeypatch.setattr(Transport, "download", download)
    Path(source).write_bytes(b"PAR1" if source.endswith("parquet") else b"text\nfine\n")
    assert run(["score", source, "-o", "x.csv", "--escape-formulas"]) == 0
    escapes = {} if stored == "parquet" else {"escape_formulas": True}
    assert given(sent) == {"file": Path(source), "format": stored, **escapes}
    assert [path.partition("/jobs/")[2].partition("/")[2] for path in paths] == [asked]
    assert Path("x.csv").read_bytes() == b"text\r\n"
