"""What is said of each word adds up to the compound score, and says what was the reason."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobyard.shared.kinds.sentiment import SentimentSpec
from jobyard.workers.sentiment.vader.scorer import Scorer
from jobyard.workers.sentiment.vader.texts import score_texts
from tests.fuzz.reference import packaged_nltk
from tests.fuzz.texts import make_texts
from tests.reports import NoMetrics

SCORER = Scorer()
LEXICON = sorted(packaged_nltk().lexicon)


def adds_up(text: str, scorer: Scorer = SCORER) -> None:
    explanation = scorer.explain(text)
    for word in explanation["words"]:
        changes = sum(change["change"] for change in word["because"])
        assert word["valence"] + changes == pytest.approx(word["score"], abs=1e-9)
        assert all(change["change"] for change in word["because"])
    total = sum(word["score"] for word in explanation["words"]) + explanation["punctuation"]
    assert round(total / math.sqrt(total * total + 15), 4) == scorer.score(text).compound


@given(st.integers(0, 10_000))
def test_the_words_of_any_text_add_up_to_its_compound_score(seed: int) -> None:
    for text in make_texts(seed, 10, LEXICON):
        adds_up(text)


@given(st.text())
def test_any_text_at_all_adds_up(text: str) -> None:
    adds_up(text)


def test_words_of_ones_own_add_up() -> None:
    words = {"very": 2.0, "but": 1.5, "kind": -2.0, "never": -1.0, "of": 0.5, "least": 1.0}
    scorer = Scorer(words=words)
    for text in make_texts(1, 3_000, [*words, "good", "bad"]):
        adds_up(text, scorer)


def reasons(text: str, of: str) -> list[tuple[str, str | None, float]]:
    [word] = [word for word in SCORER.explain(text)["words"] if word["word"] == of]
    return [(why["rule"], why["word"], round(why["change"], 6)) for why in word["because"]]


@pytest.mark.parametrize(
    ("text", "word", "expected"),
    [
        ("it is good", "good", []),
        ("it is GOOD", "GOOD", [("capitals", None, 0.733)]),
        ("GOOD it is", "GOOD", [("capitals", None, 0.733)]),
        ("GOOD GREAT", "GOOD", []),
        ("very good", "good", [("booster", "very", 0.293)]),
        ("VERY good", "good", [("booster", "VERY", 1.026)]),
        ("very much good", "good", [("booster", "very", 0.27835)]),
        ("slightly bad", "bad", [("booster", "slightly", 0.293)]),
        ("it is not good", "good", [("negation", "not", -3.306)]),
        (
            "it wasn't so good",
            "good",
            [("booster", "so", 0.293), ("negation", "wasn't", -3.81582), ("so", "so", -0.405705)],
        ),
        ("never so good", "good", [("booster", "so", 0.293), ("so", "so", 1.0965)]),
        ("this is such a bad ass car", "bad", [("idiom", "bad ass", 4.0)]),
        ("a car of sort of good", "good", [("booster", "sort of", -0.293)]),
        ("least good", "good", [("least", "least", -3.306)]),
        ("good but so", "good", [("but", "but", -0.95)]),
        ("the car but good", "good", [("but", "but", 0.95)]),
        ("it is kind of", "kind", [("booster", None, -2.4)]),
    ],
)
def test_each_rule_is_named_with_the_word_that_it_is_about(
    text: str, word: str, expected: list[tuple[str, str | None, float]]
) -> None:
    assert reasons(text, word) == expected


def test_a_repeated_word_says_whose_surroundings_count() -> None:
    words = SCORER.explain("it was not good, but tasty and good")["words"]
    assert [word["first"] for word in words] == [0, 1, 2, 3, 4, 5, 6, 3]
    assert words[7]["because"][0] == {"rule": "negation", "word": "not", "change": pytest.approx(-3.306)}


def test_words_are_those_that_nltk_sees_and_marks_weigh_for_the_whole_text() -> None:
    explanation = SCORER.explain("A (fine) day, bad!! :)")
    assert [word["word"] for word in explanation["words"]] == ["(fine)", "day", "bad", ":)"]
    assert explanation["punctuation"] == pytest.approx(-0.584)
    assert SCORER.explain("the car!")["punctuation"] == 0


@pytest.mark.parametrize("text", ["", "  ", "a b"])
def test_a_text_without_words_has_nothing_to_explain(text: str) -> None:
    assert SCORER.explain(text) == {"words": [], "punctuation": 0.0}


def test_texts_are_explained_where_that_is_wished(notes: NoMetrics) -> None:
    spec = SentimentSpec(texts=["I love it", "not good"], explain=True)
    result = score_texts(spec, SCORER, notes)
    plain = score_texts(spec.model_copy(update={"explain": False}), SCORER, notes)
    rows: list[dict[str, Any]] = result["scores"]
    assert rows == [
        {**row, "scored_as": None, **SCORER.explain(text)}
        for row, text in zip(plain["scores"], spec.texts or [], strict=True)
    ]
    assert "words" not in plain["scores"][0]
