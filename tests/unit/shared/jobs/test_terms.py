"""Words and labels by which jobs are found, whatever is written."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobyard.shared.jobs import JobFilter
from jobyard.shared.jobs.terms import MAX_WORDS, TERM_CHARACTERS, WORD_CHARACTERS, terms_of, words_of

TEXTS = st.text(max_size=200)
KEYS = st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9_./-]{0,62}\Z")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Photos-of_Birds.zip", ["photos", "of", "birds", "zip"]),
        ("cats@3 CATS", ["cats", "3"]),
        ("Straße ﬁne naïve", ["strasse", "fine", "naïve"]),
        ("nai\u0308ve", ["naïve"]),
        ("鳥 и птица", ["鳥", "и", "птица"]),
        ("!? _ \0\n", []),
    ],
)
def test_words_are_letters_and_digits_of_any_alphabet_in_any_case(text: str, words: list[str]) -> None:
    assert words_of(text) == words


@given(TEXTS)
def test_a_word_is_found_by_itself_however_it_is_written(text: str) -> None:
    words = words_of(text)
    for word in words:
        assert 0 < len(word) <= WORD_CHARACTERS
        assert ":" not in word
        assert words_of(word) == [word]
    assert words_of(f" {text}! {text}") == words
    assert words_of(unicodedata.normalize("NFD", text)) == words
    assert words_of(unicodedata.normalize("NFKC", text)) == words


@given(TEXTS, TEXTS)
def test_a_query_asks_for_what_was_written_of_each_of_its_words(text: str, other: str) -> None:
    terms = terms_of([text], note=other)
    assert not terms.of_spec & terms.of_marks
    written = f"{other} {text}"
    if not words_of(written):
        with pytest.raises(ValueError, match="should have at least one letter or digit"):
            JobFilter(q=written[:200])
        return
    asked = JobFilter(q=written[:200]).terms
    assert len(asked) == len(set(asked))
    # The last one may have been cut.
    assert {*asked[:-1]} <= terms.of_spec | terms.of_marks


@given(KEYS, st.text(st.characters(exclude_categories=("Cc", "Cs")), max_size=255))
def test_a_label_is_found_by_what_a_filter_says_of_it(key: str, value: str) -> None:
    [asked] = JobFilter(label=[f"{key}:{value}"]).terms
    assert asked in terms_of(labels={key: value}).of_marks
    assert len(asked) <= TERM_CHARACTERS


def test_a_long_note_counts_with_its_first_words() -> None:
    note = " ".join(f"word{number}" for number in range(2 * MAX_WORDS))
    terms = terms_of(name="name", labels={"a": "b"}, note=note).of_marks
    assert {"name", "a", "b", "a:b", "word0"} <= terms
    assert len(terms) == MAX_WORDS + 1


@given(st.datetimes(), st.datetimes())
def test_every_date_is_a_bound(after: object, before: object) -> None:
    asked = JobFilter(after=after, before=before)  # type: ignore[arg-type]
    assert JobFilter(**asked.asked()) == asked
