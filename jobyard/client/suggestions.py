"""What is meant by a name that there is not."""

import difflib
from collections.abc import Iterable


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that is most like it; None where none is near."""
    return next(iter(difflib.get_close_matches(name, list(known), n=1)), None)


def instead(name: str, known: Iterable[str]) -> str:
    """ "did you mean 'epochs'?", or "should be one of 'a' and 'b'"."""
    names = sorted(known)
    near = nearest(name, names)
    return f"did you mean {near!r}?" if near is not None else f"should be {_one_of(names)}"


def _one_of(names: list[str]) -> str:
    *others, last = map(repr, names)
    return f"one of {', '.join(others)} and {last}" if others else last
