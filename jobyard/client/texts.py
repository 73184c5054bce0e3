"""Texts as people have them: one, a list, a column of a data frame."""

from collections.abc import Iterable, Mapping, Set
from os import PathLike
from typing import TypeVar

from jobyard.client.errors import BadRequest

T = TypeVar("T")


def texts_of(texts: str | Iterable[str]) -> list[str]:
    """One text, or all of a list, an array or a column of a data frame. Raises BadRequest at what is none.

    An empty value is refused rather than left out: the scores would no longer belong to their rows.
    """
    if isinstance(texts, str):
        texts = [texts]
    if isinstance(texts, bytes | Mapping | Set) or hasattr(texts, "columns"):  # a set has no order
        kind = type(texts).__name__
        raise BadRequest(
            f"texts: is a {kind}; should be a text, a list of texts or a column of a data frame, "
            'as frame["text"]'
        )
    if hasattr(texts, "to_pylist"):  # of PyArrow, whose elements are no `str`
        texts = texts.to_pylist()
    try:
        found = list(texts)
    except TypeError:
        raise BadRequest(f"texts: is a {type(texts).__name__}; should be a text or a list of texts") from None
    for place, text in enumerate(found):
        if not isinstance(text, str):
            raise BadRequest(
                f"texts[{place}]: is {text!r:.50}, and no text; leave it out, or score a file, in which "
                "a row without a text keeps its place"
            )
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise BadRequest(
                f"texts[{place}]: character {error.start + 1} is half of a surrogate pair, and no character; "
                'text.encode("utf-16", "surrogatepass").decode("utf-16", "replace") mends it'
            ) from None
    return [str(text) for text in found]


def listed(values: Iterable[T], name: str) -> list[T]:
    """The values of a field that takes several. Raises BadRequest for a text: its letters are not meant."""
    if isinstance(values, str | bytes | PathLike):
        raise BadRequest(f"{name}: should be a list, as [{str(values)!r}], but is {str(values)!r}")
    try:
        return list(values)
    except TypeError:
        raise BadRequest(f"{name}: is a {type(values).__name__}; should be a list") from None
