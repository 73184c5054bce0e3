"""Names of columns: each its own, as pandas gives them to columns without one, or of one name."""

from collections.abc import Sequence

# Of names in a sentence.
SHOWN = 5


def unique_names(names: Sequence[str]) -> tuple[list[str], list[str]]:
    """Names of which no two are the same, and sentences about those that were given.

    The second column called `a` becomes `a.1`; the third, if it has no name, `Unnamed: 2`.
    """
    taken = set(names)
    seen: set[str] = set()
    given: dict[str, list[str]] = {"": [], "twice": []}
    unique = []
    for place, name in enumerate(names):
        new = name
        if not name:
            new = _free(f"Unnamed: {place}", taken)
            given[""].append(new)
        elif name in seen:
            new = _free(name, taken)
            given["twice"].append(new)
        seen.add(new)
        taken.add(new)
        unique.append(new)
    sentences = []
    if given[""]:
        sentences.append(f"{_columns(given[''])} no name in the file")
    if given["twice"]:
        sentences.append(f"{_columns(given['twice'])} the name of an earlier column in the file")
    return unique, sentences


def _free(name: str, taken: set[str]) -> str:
    if name not in taken:
        return name
    number = 1
    while f"{name}.{number}" in taken:
        number += 1
    return f"{name}.{number}"


def _columns(names: list[str]) -> str:
    shown = ", ".join(repr(name[:100]) for name in names[:SHOWN])
    if len(names) == 1:
        return f"column {shown} has"
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"columns {shown}{more} have"
