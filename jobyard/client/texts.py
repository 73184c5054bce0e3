"""Texts as people have them: one, a list, a column of a data frame."""

from collections.abc import Iterable, Mapping

from jobyard.client.errors import BadRequest


def texts_of(texts: str | Iterable[str]) -> list[str]:
    """One text, or all of a list, an array or a column of a data frame. Raises BadRequest at what is none.

    An empty value is refused rather than left out: the scores would no longer belong to their rows.
    """
    if isinstance(texts, str):
        texts = [texts]
    if isinstance(texts, bytes | Mapping) or hasattr(texts, "columns"):
        kind = type(texts).__name__
        raise BadRequest(
            f"texts: is a {kind}; should be a text, a list of texts or a column of a data frame, "
            'as frame["text"]'
        )
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
