"""Texts as people have them are sent, or refused with the place."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from jobyard.client import BadRequest
from jobyard.client.texts import texts_of


class Series:
    """As a column of a data frame: iterable, and no sequence."""

    def __init__(self, *values: Any) -> None:
        self._values = values

    def __iter__(self) -> Any:
        return iter(self._values)


class Frame(Series):
    columns = ("text",)


@pytest.mark.parametrize(
    ("texts", "found"),
    [
        ("good", ["good"]),
        (["good", "bad"], ["good", "bad"]),
        (("good",), ["good"]),
        (Series("good", "bad"), ["good", "bad"]),
        (np.array(["good", "bad"]), ["good", "bad"]),
        ((text for text in ["good"]), ["good"]),
        (pa.array(["good", "bad"]), ["good", "bad"]),
        (pa.chunked_array([["good"], ["bad"]]), ["good", "bad"]),
        ([], []),
    ],
)
def test_texts_come_as_they_are(texts: Iterable[str], found: list[str]) -> None:
    assert texts_of(texts) == found
    assert {type(text) for text in texts_of(found)} <= {str}


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["good", float("nan")], "texts[1]: is nan, and no text; leave it out"),
        (["good", None], "texts[1]: is None, and no text"),
        ([5], "texts[0]: is 5, and no text"),
        ([["good"]], "texts[0]: is ['good'], and no text"),
        ([b"good"], "texts[0]: is b'good', and no text"),
        (["x", "good \ud83d"], "texts[1]: character 6 is half of a surrogate pair"),
        (Frame("text"), "texts: is a Frame; should be a text, a list of texts or a column of a data frame"),
        ({"a": "good"}, "texts: is a dict; should be"),
        (b"good", "texts: is a bytes; should be"),
        ({"good"}, "texts: is a set; should be"),
        (pa.array(["good", None]), "texts[1]: is None, and no text"),
        (5, "texts: is a int; should be"),
    ],
)
def test_what_is_no_text_is_named(texts: Any, said: str) -> None:
    with pytest.raises(BadRequest) as refused:
        texts_of(texts)
    assert str(refused.value).startswith(said)
