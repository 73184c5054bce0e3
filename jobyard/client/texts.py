"""Texts as people have them: one, a list, a column of a data frame."""

from collections.abc import Iterable, Iterator
from os import PathLike
from typing import TypeVar

from jobyard.client.errors import BadRequest
from jobyard.client.series import is_missing
from jobyard.client.types import kind_of, shown

T = TypeVar("T")


def checked_texts(values: Iterable[object], name: str = "texts") -> Iterator[str | None]:
    """Texts, and None for what is missing. Raises BadRequest, with the place, at what is no text."""
    for place, value in enumerate(values):
        if not isinstance(value, str):
            if not is_missing(value):
                raise BadRequest(
                    f"{name}[{place}]: is {value!r:.50}, and no text; should be a text, or None where "
                    "there is none"
                )
            yield None
            continue
        if not value.isascii():
            _check_characters(value, f"{name}[{place}]")
        # Of a subclass, as those of NumPy and of enumerations, the text alone.
        yield value if type(value) is str else str.__str__(value)


def _check_characters(text: str, where: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise BadRequest(
            f"{where}: character {error.start + 1} is half of a surrogate pair, and no character; "
            'text.encode("utf-16", "surrogatepass").decode("utf-16", "replace") mends it'
        ) from None


def listed(values: Iterable[T], name: str) -> list[T]:
    """The values of a field that takes several. Raises BadRequest for a text: its letters are not meant."""
    if isinstance(values, str | bytes | PathLike):
        text = values.decode(errors="replace") if isinstance(values, bytes) else str(values)
        raise BadRequest(f"{name}: should be a list, as [{shown(text)}], but is {shown(text)}")
    try:
        return list(values)
    except TypeError:
        raise BadRequest(f"{name}: is {kind_of(values)}; should be a list") from None
