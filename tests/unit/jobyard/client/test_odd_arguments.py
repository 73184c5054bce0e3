"""Whatever is given for texts, columns, pictures and files, only a JobyardClientError leaves the client."""

import io
import uuid
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from jobyard.client import Client, JobyardClientError
from jobyard.client.picture_inputs import pictures
from jobyard.client.score_inputs import score_input

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
    st.binary(max_size=5),
    st.sampled_from(
        ["\ud83d", "a\0b", "x" * 5_000, "[", "**", "a.csv", "folder", "https://x", pd.NA, pd.NaT, {1: 2}]
    ),
    st.sampled_from(
        [np.str_("x"), np.float32("nan"), uuid.UUID(int=1), Path("a.csv"), Path("folder"), ..., str]
    ),
    st.sampled_from([Image.new("F", (1, 1)), Image.new("P", (0, 3)), io.BytesIO, Ellipsis]),
)
NUMBERS = st.one_of(st.booleans(), st.integers(-2, 300), st.floats())


def arrays(values: list[Any]) -> np.ndarray[Any, Any]:
    array = np.empty(len(values), object)
    array[:] = values
    return array


CONTAINERS = st.one_of(
    st.lists(SCALARS, max_size=4),
    st.lists(SCALARS, max_size=4).map(tuple),
    st.lists(SCALARS, max_size=4).map(iter),
    st.lists(SCALARS, max_size=4).map(lambda values: pd.Series(values, dtype=object)),
    st.lists(SCALARS, max_size=4).map(
        lambda values: pd.DataFrame({"a": pd.Series(values, dtype=object), 2: 1})
    ),
    st.lists(SCALARS, max_size=4).map(arrays),
    st.lists(NUMBERS, max_size=4).map(np.array),
    st.lists(NUMBERS, min_size=4, max_size=4).map(lambda values: np.array(values).reshape(2, 2)),
    st.lists(st.text(max_size=3) | st.none(), max_size=3).map(
        lambda values: pl.DataFrame({"a": values, "b": values})
    ),
    st.lists(st.text(max_size=3) | st.none(), max_size=3).map(
        lambda values: pa.table({"a": pa.array(values)})
    ),
    st.sampled_from(
        [pl.LazyFrame({"a": ["x"]}).select("no"), pl.Series([[1]]), pa.array([{"a": 1}]), pa.array([None])]
    ),
    st.text(max_size=5).map(io.StringIO),
    st.binary(max_size=5).map(io.BytesIO),
)
ANYTHING = SCALARS | CONTAINERS


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.csv").write_text("text\nfine\n")
    Path("folder").mkdir()


@given(ANYTHING, ANYTHING, ANYTHING)
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_texts_and_their_columns(texts: Any, column: Any, group: Any) -> None:
    for spec in ({"texts": texts, "column": column, "group_by": group}, {"file": texts}, {"files": texts}):
        with ExitStack() as opened, suppress(JobyardClientError):
            score_input(spec, opened)


@given(ANYTHING)
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_pictures(tmp_path: Path, images: Any) -> None:
    with suppress(JobyardClientError):
        pictures(images, tmp_path)


@given(SCALARS)
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_files_of_other_methods(monkeypatch: pytest.MonkeyPatch, path: Any) -> None:
    def send(*_: object, **__: object) -> None:
        raise JobyardClientError("something was sent")

    with Client("http://127.0.0.1:9", "token") as client:
        monkeypatch.setattr(client._transport._http, "send", send)
        for call in (
            lambda: client.upload(path),
            lambda: client.train("pets", architecture=path),
            lambda: client.predict("pets", archive=path),
            lambda: client.import_pictures("pets", path),
            lambda: client.add_model(path, name="x", classes=["a"]),
        ):
            with suppress(JobyardClientError):
                call()
