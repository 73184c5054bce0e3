"""Scores as tables: row i of a result belongs to row i of what was given, whatever its index and columns."""

import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobyard.client import BadRequest, JobyardClientError
from jobyard.client.score_tables import Question, chosen, of_texts, scored_file, table_of
from jobyard.client.sentiment import SCORES
from tests.integration.web.scored import scored_table

TEXTS = st.lists(st.none() | st.sampled_from(["Good", "GOOD!", "bad", "é", "", "go%od"]), max_size=12)
NAMES = st.one_of(
    st.sampled_from([*SCORES, "label_original", "a"]), st.text(max_size=3), st.integers(), st.none()
)
LABELS = st.one_of(st.integers(), st.text(max_size=2), st.floats(allow_nan=False), st.none())
QUESTIONS = st.builds(
    Question,
    label=st.sampled_from([None, None, "positive", "neutral", "negative"]),
    sort=st.sampled_from([None, "row", "compound", "-compound"]),
    search=st.sampled_from([None, None, "GO", "%", "é"]),
)


def compound_of(text: str | None) -> float | None:
    return None if not text else {"G": 0.5, "b": -0.5}.get(text[0], 0.0)


def scored(texts: Sequence[str | None], folder: Path, column: str = "text") -> Path:
    """What a worker would leave."""
    path = folder / "scored.parquet"
    columns = {column: pa.array(texts, pa.string())}
    pq.write_table(scored_table(columns, [compound_of(text) for text in texts]), path)
    return path


def expected(texts: Sequence[str | None], question: Question) -> list[int]:
    """The numbers of the rows that are asked for."""
    rows = [{"text": text, "compound": compound_of(text), "row": row} for row, text in enumerate(texts)]
    sign = {"positive": 1, "negative": -1, "neutral": 0}
    if question.label is not None:
        of_label = sign[question.label]
        rows = [
            row
            for row in rows
            if row["compound"] is not None and (row["compound"] > 0) - (row["compound"] < 0) == of_label
        ]
    if question.search:
        rows = [
            row for row in rows if row["text"] is not None and question.search.lower() in row["text"].lower()
        ]
    if question.sort in ("compound", "-compound"):
        factor = 1 if question.sort == "compound" else -1
        rows.sort(key=lambda row: (row["compound"] is None, factor * (row["compound"] or 0), row["row"]))
    return [row["row"] for row in rows]


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    return tmp_path


@st.composite
def frames(draw: st.DrawFn) -> pd.DataFrame:
    """Frames with odd indexes (several levels, twice the same) and odd names of columns."""
    texts = draw(TEXTS)
    names = draw(st.lists(NAMES, min_size=1, max_size=4))
    count = len(texts)
    columns = pd.Index(names, tupleize_cols=False)
    kind = draw(st.sampled_from(["flat", "levels", "categories"]))
    if kind == "levels":
        columns = pd.MultiIndex.from_tuples(
            [(str(name), place) for place, name in enumerate(names)], names=["p", None]
        )
    elif kind == "categories":
        columns = pd.CategoricalIndex([str(name) for name in names])
    index: Any = pd.Index(
        draw(st.lists(LABELS, min_size=count, max_size=count)), dtype=object, tupleize_cols=False
    )
    if draw(st.booleans()) and count:
        index = pd.MultiIndex.from_arrays([index, range(count)], names=["day", None])
    frame = pd.DataFrame(dict.fromkeys(range(len(names)), texts), index=index, dtype=object)
    return frame.set_axis(columns, axis="columns")


@given(frames(), QUESTIONS)
@settings(max_examples=100)
def test_row_i_of_a_frame_gets_score_i(frame: pd.DataFrame, question: Question) -> None:
    texts = frame.iloc[:, 0].tolist()
    before = frame.copy(deep=True)
    with tempfile.TemporaryDirectory() as temporary:
        path = scored(texts, Path(temporary))
        found = table_of(path, "text", question, frame, "pandas", "to_pandas()")
    pd.testing.assert_frame_equal(frame, before)
    rows = expected(texts, question)
    pd.testing.assert_index_equal(found.index, frame.index[rows] if rows else found.index)
    assert len(found) == len(rows)
    width = frame.shape[1]
    assert (
        found.iloc[:, :width].to_numpy(dtype=object).tolist()
        == frame.iloc[rows].to_numpy(dtype=object).tolist()
    )
    ours = [name[0] if isinstance(name, tuple) else name for name in found.columns[width:]]
    assert ours == list(SCORES)
    compounds = found.iloc[:, -2].astype(object)
    assert compounds.where(compounds.notna(), None).tolist() == [compound_of(texts[row]) for row in rows]
    if not isinstance(frame.columns, pd.MultiIndex):
        assert list(found.columns).count("label") == 1
        assert found["compound"].shape == (len(rows),)


@given(TEXTS, QUESTIONS)
def test_every_library_gives_the_same_rows(texts: list[str | None], question: Question) -> None:
    columns: dict[str, Any] = {"review": texts, "label": list(range(len(texts)))}
    schema = {"review": pl.String, "label": pl.Int64}
    givens: list[Any] = [
        pl.DataFrame(columns, schema=schema),
        pl.DataFrame(columns, schema=schema).to_arrow(),
        pd.DataFrame(
            {"review": pd.Series(texts, dtype="str"), "label": pd.Series(columns["label"], dtype="int64")}
        ),
    ]
    rows = expected(texts, question)
    with tempfile.TemporaryDirectory() as temporary:
        path = scored(texts, Path(temporary), "review")
        for given_frame in givens:
            found = table_of(path, "review", question, given_frame, "polars", "to_polars()")
            assert found.columns == ["review", "label_original", *SCORES]
            assert found["label_original"].to_list() == rows
            assert found["review"].to_list() == [texts[row] for row in rows]
            assert found["compound"].to_list() == [compound_of(texts[row]) for row in rows]
            arrow = table_of(path, "review", question, given_frame, "pyarrow", "to_arrow()")
            pandas = table_of(path, "review", question, given_frame, "pandas", "to_pandas()")
            assert arrow.column("compound").to_pylist() == found["compound"].to_list()
            assert pandas["label_original"].tolist() == rows
        alone = table_of(path, "review", question, None, "polars", "to_polars()")
        assert alone.columns == ["review", *SCORES]
        assert alone["compound"].to_list() == [compound_of(texts[row]) for row in rows]
        numbered = table_of(path, "review", question, None, "pandas", "to_pandas()")
        assert numbered.index.tolist() == rows
        assert table_of(path, "review", question, None, "pyarrow", "to_arrow()").num_rows == len(rows)


@pytest.mark.parametrize(
    "series",
    [
        pd.Series(["Good", None], index=["x", "x"]),
        pd.Series(["Good", None], name=5),
        pd.Index(["Good", "bad"]),
    ],
)
def test_a_series_becomes_the_first_column(folder: Path, series: Any) -> None:
    found = table_of(
        scored([one if isinstance(one, str) else None for one in series], folder),
        "text",
        Question(),
        series,
        "pandas",
        "to_pandas()",
    )
    assert list(found.columns) == ["text" if series.name is None else series.name, *SCORES]
    assert found.index.tolist() == (series.index.tolist() if isinstance(series, pd.Series) else [0, 1])
    assert found["compound"].iloc[0] == 0.5


@pytest.mark.parametrize(
    ("index", "columns"),
    [
        (pd.Index(["x"], name="day"), ["day", "text", "index"]),
        (pd.Index(["x"], name="text"), ["text_index", "text", "index"]),
        (pd.Index(["x"]), ["index_index", "text", "index"]),
        (pd.MultiIndex.from_tuples([("x", 1)]), ["level_0", "level_1", "text", "index"]),
        (pd.MultiIndex.from_tuples([("x", 1)], names=["a", "a"]), ["a", "a_index", "text", "index"]),
        (pd.RangeIndex(1), ["text", "index"]),
    ],
)
def test_an_index_becomes_columns_where_there_is_no_index(
    folder: Path, index: Any, columns: list[str]
) -> None:
    frame = pd.DataFrame({"text": ["Good"], "index": [7]}, index=index)
    found = table_of(scored(["Good"], folder), "text", Question(), frame, "polars", "to_polars()")
    assert found.columns == [*columns, *SCORES]
    assert found["index"].to_list() == [7]


def test_a_frame_that_has_another_number_of_rows_is_refused(folder: Path) -> None:
    with pytest.raises(JobyardClientError, match="the job has 1 rows, and what was given has 2"):
        table_of(scored(["Good"], folder), "text", Question(), pd.Series(["a", "b"]), "pandas", "to_pandas()")


def test_texts_that_are_called_like_a_score_are_found(folder: Path) -> None:
    path = scored(["Good", "bad"], folder, "label_original")
    for library in ("polars", "pandas"):
        found = table_of(path, "label", Question(search="BAD"), None, library, f"to_{library}()")
        assert found["compound"].to_list() == [-0.5]
    with pytest.raises(BadRequest, match=r"^search: the texts are within a column, as 'user\.name'"):
        table_of(path, "user.name", Question(search="x"), None, "pandas", "to_pandas()")


def test_texts_of_a_request_are_rows_like_those_of_a_file() -> None:
    texts = ["bad", "Good", "x"]
    scores = [
        {"neg": 0.0, "neu": 0.0, "pos": 0.0, "compound": compound_of(text), "label": "neutral"}
        for text in texts
    ]
    rows = of_texts({"spec": {"texts": texts}, "result": {"scores": scores}})
    assert rows[1] == {"row": 1, "columns": {"text": "Good"}} | scores[1]
    assert [row["row"] for row in chosen(rows, Question(sort="-compound"))] == [1, 2, 0]
    assert [row["row"] for row in chosen(rows, Question(search="OO"))] == [1]
    assert chosen(rows, Question(label="positive")) == []
    frame = pd.DataFrame({"id": [7, 8, 9]})
    found = table_of(rows, "text", Question(sort="compound"), frame, "pandas", "to_pandas()")
    assert found["id"].tolist() == [7, 9, 8]
    assert table_of(rows, "text", Question(search="oo"), None, "polars", "to_polars()")["text"].to_list() == [
        "Good"
    ]


def test_what_the_scored_file_alone_does_not_answer_is_asked_of_the_server() -> None:
    assert Question("positive", "-compound", "battery").is_local("text")
    assert not Question(sort="stars").check(of_server=True).is_local("text")
    assert not Question(search="battery").is_local("user.text")
    assert Question().is_local("user.text")
    with pytest.raises(BadRequest, match=r"^label: is 5; should be"):
        Question(label=5, sort="stars").check(of_server=True)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("question", "said"),
    [
        (Question(label="good"), "label: is 'good'; should be positive, neutral or negative"),
        (
            Question(sort="text"),
            "sort: is 'text'; should be row, compound or -compound; the table that comes",
        ),
        (Question(search=5), "search: is 5; should be a text"),  # type: ignore[arg-type]
    ],
)
def test_a_question_that_has_no_answer_is_refused(question: Question, said: str) -> None:
    with pytest.raises(BadRequest) as refused:
        question.check()
    assert str(refused.value).startswith(said)


def test_a_library_that_is_missing_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = scored(["Good"], folder)
    for library, purpose, said in (
        (
            "pandas",
            "to_pandas()",
            'to_pandas() needs pandas, which is not installed: pip install "jobyard[notebook]"',
        ),
        (
            "polars",
            "to_polars()",
            'to_polars() needs polars, which is not installed: pip install "jobyard[notebook]" polars',
        ),
    ):
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, library, None)
            with pytest.raises(JobyardClientError) as refused:
                table_of(path, "text", Question(), None, library, purpose)
            assert str(refused.value) == said


def test_a_scored_file_of_another_format_is_said() -> None:
    job = {"id": "1", "result": {"format": "csv", "file": "a.csv"}}
    with pytest.raises(JobyardClientError, match=r'the scored file of job 1 is csv; .* format="parquet"'):
        scored_file(job)
