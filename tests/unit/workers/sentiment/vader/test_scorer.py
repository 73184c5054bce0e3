"""The scorer gives NLTK's own scores, from a lexicon that it checks."""

import hashlib
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nltk.sentiment.vader import VaderConstants

from jobyard.shared.errors import ConfigError
from jobyard.workers.sentiment.vader.scorer import Scorer
from tests.fuzz.reference import LEXICON, bits, packaged_nltk
from tests.fuzz.texts import make_texts

ROOT = Path(__file__).parents[5]

NLTK = packaged_nltk()
SCORER = Scorer()

WORDS = st.one_of(
    st.sampled_from(sorted(NLTK.lexicon)),
    st.sampled_from(sorted(VaderConstants.NEGATE)),
    st.sampled_from(sorted(VaderConstants.BOOSTER_DICT)),
    st.sampled_from(sorted(VaderConstants.SPECIAL_CASE_IDIOMS)),
    st.sampled_from(["but", "least", "at", "very", "never", "so", "this", "kind", "of", "the", "a", "I"]),
    st.sampled_from(["😀", "👍🏽", "❤️", "é", "ß", "İ", "ﬁne", "\u200b", "\x00", "\x1f", "\x85", "naïve"]),
    st.text(max_size=8),
)
CASES = st.sampled_from([str.lower, str.upper, str.title, str])
MARKS = st.sampled_from(["", *VaderConstants.PUNC_LIST, "...", "(", "&", "!?", "????", "!!!!!"])
GAPS = st.sampled_from([" ", "  ", "\t", "\n", "\r\n", "\x0b", "\x1c", "\u00a0", "\u2028", "\u3000", ""])
TOKENS = st.builds(
    lambda word, case, before, after, gap: before + case(word) + after + gap, WORDS, CASES, MARKS, MARKS, GAPS
)
TEXTS = st.lists(TOKENS, max_size=20).map("".join)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "I love this product! It's absolutely amazing and works perfectly.",
            (0.0, 0.319, 0.681, 0.9298),
        ),
        ("This is the worst experience I have ever had. Totally awful!", (0.49, 0.51, 0.0, -0.8264)),
        ("The weather today is okay, neither good nor bad.", (0.377, 0.473, 0.15, -0.4357)),
    ],
)
def test_known_texts_have_their_known_scores(text: str, expected: tuple[float, ...]) -> None:
    assert SCORER.score(text) == expected


@pytest.mark.parametrize("text", ["", " ", "\n\t", "!", "a", "\u00a0"])
def test_a_text_without_words_has_zeros(text: str) -> None:
    assert SCORER.score(text) == (0.0, 0.0, 0.0, 0.0)


@pytest.mark.parametrize("mark", VaderConstants.PUNC_LIST)
@pytest.mark.parametrize(
    "pattern", ["{}good", "good{}", "{}good{}", "no{0} good", "a good{0} GREAT day", "x{}y"]
)
def test_every_mark_beside_a_word_counts_as_in_nltk(mark: str, pattern: str) -> None:
    text = pattern.format(mark, mark)
    assert SCORER.score(text)._asdict() == NLTK.polarity_scores(text)


@given(TEXTS)
def test_every_text_has_exactly_nltks_scores(text: str) -> None:
    assert SCORER.score(text)._asdict() == NLTK.polarity_scores(text)


def test_many_texts_have_nltks_scores_to_the_bit() -> None:
    texts = make_texts(11, 10_000, sorted(NLTK.lexicon))
    ours = [SCORER.score(text) for text in texts]
    assert np.array_equal(bits(ours), bits([tuple(NLTK.polarity_scores(text).values()) for text in texts]))


@pytest.mark.parametrize("half", ["\ud800", "good\udc80", "\udfff not good", "\ud83d \ude00 GOOD bad"])
def test_halves_of_surrogate_pairs_are_characters_as_in_nltk(half: str) -> None:
    assert SCORER.score(half)._asdict() == NLTK.polarity_scores(half)


def test_a_text_of_megabytes_takes_no_kilobyte_a_character() -> None:
    words = [f"{letters}{number}" for number in range(100_000) for letters in ("word", "not", "good?!")]
    tracemalloc.start()
    SCORER.score(" ".join(words))
    assert tracemalloc.get_traced_memory()[1] < 100e6
    tracemalloc.stop()


@given(st.lists(TEXTS, max_size=4))
def test_a_score_does_not_depend_on_the_texts_before(texts: list[str]) -> None:
    assert [SCORER.score(text) for text in texts] == [SCORER.score(text) for text in reversed(texts)][::-1]


def test_the_lexicon_is_named_by_its_hash() -> None:
    assert SCORER.sha256 == hashlib.sha256(LEXICON.read_bytes()).hexdigest()


def test_words_of_ones_own_count_over_the_lexicon_and_the_rest_stays() -> None:
    scorer = Scorer(words={"sick": 2.1, "grumpf": -3})
    assert scorer.lexicon == SCORER.lexicon | {"sick": 2.1, "grumpf": -3.0}
    assert scorer.score("sick").compound > 0 > SCORER.score("sick").compound
    assert scorer.score("grumpf").compound < 0 == SCORER.score("grumpf").compound
    assert scorer.score("good") == SCORER.score("good")


def test_words_of_ones_own_are_in_the_hash_as_lines_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "lexicon.txt"
    words = {"sick": 2, "schön": 1.5}
    assert Scorer(words=words).sha256 == Scorer(words=dict(reversed(words.items()))).sha256
    assert Scorer(words=words).sha256 != Scorer(words=words | {"sick": 2.5}).sha256 != SCORER.sha256
    assert Scorer(words={}).sha256 == SCORER.sha256
    added = "schön\t1.5\nsick\t2.0\n".encode()  # sorted
    path.write_bytes(LEXICON.read_bytes().rstrip(b"\r\n") + b"\n" + added)
    assert Scorer(str(path)).sha256 == Scorer(words=words).sha256
    assert Scorer(str(path)).lexicon == Scorer(words=words).lexicon


def test_the_default_lexicon_is_found_without_importing_its_package() -> None:
    code = (
        "import sys; from jobyard.workers.sentiment.vader.scorer import Scorer; Scorer();"
        "print('vaderSentiment' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "False"


def test_importing_the_packages_is_cheap() -> None:
    code = (
        "import sys, jobyard.workers.sentiment, jobyard.workers.datasets;"
        "print([name for name in ('nltk', 'numba', 'pyarrow', 'PIL', 'tensorflow') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\n\n"])
def test_a_lexicon_of_ones_own_is_used_with_or_without_a_last_newline(tmp_path: Path, end: str) -> None:
    path = tmp_path / "lexicon.txt"
    path.write_text("grumpf\t-3.1\t0.5\t[1]\nhooray\t2" + end, newline="")
    scorer = Scorer(str(path))
    assert scorer.score("grumpf").compound < 0 < scorer.score("hooray").compound
    assert scorer.score("awful").compound == 0


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"good\t1\nbad", 2),
        (b"good one", 1),
        (b"good\t1\n\nbad\t-1", 2),
        (b"good\tmuch", 1),
        (b"good\tnan", 1),
        (b"good\tinf", 1),
        (b"", 1),
        (b"good\t1\n\xff\t2", 2),
    ],
)
def test_a_broken_lexicon_is_named_with_its_line(tmp_path: Path, content: bytes, line: int) -> None:
    path = tmp_path / "lexicon.txt"
    path.write_bytes(content)
    with pytest.raises(ConfigError) as raised:
        Scorer(str(path))
    assert str(path) in raised.value.message
    assert f"line {line}" in raised.value.message


def test_a_lexicon_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.txt: can't be read: No such file"):
        Scorer(str(tmp_path / "nowhere.txt"))
