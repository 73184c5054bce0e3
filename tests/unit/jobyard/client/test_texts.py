"""Texts are taken as people have them, what is missing is None, and what is no text has its place named."""

import datetime
import enum
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobyard.client import BadRequest
from jobyard.client.series import series_of
from jobyard.client.texts import checked_texts

STRINGS = np.dtypes.StringDType(na_object=np.nan)
TEXTS = st.lists(st.none() | st.text(st.characters(exclude_categories=["Cs"])), max_size=30)


class Text(enum.StrEnum):
    GOOD = "good"


class Table(list[str]):
    """As a frame of a library that isn't known: iterable, with columns."""

    columns = ("text",)


def texts_of(texts: Any) -> list[str | None]:
    return list(checked_texts(series_of(texts, "texts").values))


@pytest.mark.parametrize(
    ("texts", "found"),
    [
        (["good", None, float("nan"), np.float32("nan"), Decimal("NaN")], ["good", None, None, None, None]),
        ([pd.NA, pd.NaT, np.datetime64("NaT"), np.ma.masked], [None, None, None, None]),
        (("good",), ["good"]),
        ([Text.GOOD, np.str_("bad")], ["good", "bad"]),
        ((text for text in ["good"]), ["good"]),
        (np.array(["good", "bad"]), ["good", "bad"]),
        (np.array(["good", None], dtype=object), ["good", None]),
        (np.array(["good", np.nan], dtype=STRINGS), ["good", None]),
        (np.ma.array(["good", "bad"], mask=[False, True]), ["good", None]),
        (pd.Series(["good", None]), ["good", None]),
        (pd.Series(["good", None], dtype=object), ["good", None]),
        (pd.Series(["good", None], dtype="string[pyarrow]"), ["good", None]),
        (pd.Series(["good", None], dtype="category"), ["good", None]),
        (pd.Index(["good"]), ["good"]),
        (pl.Series(["good", None]), ["good", None]),
        (pa.array(["good", None]), ["good", None]),
        (pa.chunked_array([["good"], [None]]), ["good", None]),
        (pa.array(["good", None]).dictionary_encode(), ["good", None]),
        ([], []),
    ],
)
def test_texts_keep_their_places(texts: Iterable[object], found: list[str | None]) -> None:
    assert texts_of(texts) == found
    assert {type(text) for text in texts_of(texts)} <= {str, type(None)}


@given(TEXTS)
def test_each_kind_of_series_gives_the_texts_that_it_was_made_of(texts: list[str | None]) -> None:
    kinds: list[Callable[[list[str | None]], object]] = [
        iter,
        lambda values: np.array(values, dtype=object),
        lambda values: pd.Series(values, dtype="str"),
        lambda values: pd.Series(values, dtype=object, index=values),
        lambda values: pl.Series(values, dtype=pl.String),
        lambda values: pa.array(values, pa.large_string()),
    ]
    for kind in kinds:
        assert texts_of(kind(texts)) == texts


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        ([5], "texts[0]: is 5, and no text; should be a text, or None where there is none"),
        (["good", ["good"]], "texts[1]: is ['good'], and no text"),
        ([b"good"], "texts[0]: is b'good', and no text"),
        (["x", "good \ud83d"], "texts[1]: character 6 is half of a surrogate pair"),
        (pd.Series([datetime.date(2026, 1, 1)]), "texts[0]: is datetime.date(2026, 1, 1), and no text"),
        (pl.Series([1.5]), "texts[0]: is 1.5, and no text"),
        (Table(["good"]), "texts: is a Table; should be a text, a list of texts, a data frame"),
        ({"a": "good"}, "texts: is a dict; should be"),
        (b"good", "texts: is a bytes; should be"),
        ({"good"}, "texts: is a set; should be"),
        (5, "texts: is an int; should be"),
        (np.array([["good"]]), "texts: has 2 dimensions; should have one"),
        (np.array([b"good"]), "texts: is an array of bytes; should be of texts"),
    ],
)
def test_what_is_no_text_is_named(texts: Any, said: str) -> None:
    with pytest.raises(BadRequest) as refused:
        texts_of(texts)
    assert str(refused.value).startswith(said)
