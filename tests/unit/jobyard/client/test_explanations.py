"""What the scorer explains, in words."""

import pytest

from jobyard.client.explanations import reasons, that_matter
from jobyard.workers.sentiment.vader.scorer import Scorer


@pytest.mark.parametrize(
    ("text", "word", "expected"),
    [
        ("it is good", "good", "+1.9"),
        ("it is very GOOD", "GOOD", "+1.9, in capitals +0.733, boosted by “very” +0.293"),
        ("it is not good", "good", "+1.9, negated by “not” -3.306"),
        ("good but bad", "good", "+1.9, weighted by “but” -0.95"),
        ("it is kind of great", "kind", "+2.4, is itself a booster -2.4"),
        ("at least good", "good", "+1.9"),
        ("least good", "good", "+1.9, after “least” -3.306"),
    ],
)
def test_reasons(text: str, word: str, expected: str) -> None:
    words = {one["word"]: one for one in that_matter(Scorer().explain(text)["words"])}
    assert reasons(words[word]) == expected


def test_words_that_add_nothing_do_not_matter() -> None:
    assert that_matter(Scorer().explain("the table is red!")["words"]) == []
