"""What VADER can't see is said in words."""

import pytest

from jobyard.client import unseen

NOTHING = {"emoji": 0, "curly": 0, "html": 0, "not_english": 0.004}


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({}, ""),
        ({"emoji": 1}, "emoji in 1 text"),
        ({"curly": 1_204, "html": 3}, "curly quotes in 1,204 texts, HTML in 3"),
        ({"emoji": 1, "html": 1}, "emoji in 1 text, HTML in 1"),
    ],
)
def test_kinds_are_named_with_how_many_texts_have_them(found: dict[str, int], said: str) -> None:
    assert unseen.kinds(NOTHING | found) == said


@pytest.mark.parametrize(
    ("share", "said"),
    [(None, ""), (0.0, ""), (0.049, ""), (0.234, "about 23 % of the texts are not in English")],
)
def test_a_share_of_other_languages_is_named_where_it_is_more_than_errors(
    share: float | None, said: str
) -> None:
    assert unseen.foreign(NOTHING | {"not_english": share}).startswith(said)
    assert bool(unseen.foreign(NOTHING | {"not_english": share})) == bool(said)
