"""Many texts at once have exactly the scores that NLTK gives each."""

import csv
import random
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nltk.sentiment import vader
from nltk.sentiment.vader import SentimentIntensityAnalyzer, VaderConstants

from jobyard.workers.sentiment.vader import vader_kernel
from jobyard.workers.sentiment.vader.bulk import BulkScorer
from jobyard.workers.sentiment.vader.rules import PUNCTUATION
from jobyard.workers.sentiment.vader.scorer import Scorer
from jobyard.workers.sentiment.vader.vader_kernel import _rounded
from jobyard.workers.sentiment.vader.vader_tables import LAST_CASED
from tests.fuzz.reference import bits, different, packaged_nltk
from tests.fuzz.texts import BOOSTERS, IDIOMS, NEGATIONS, ODD, RULE_WORDS, make_texts

ROOT = Path(__file__).parents[5]
# Stands beside the repository, and not everywhere.
CORPORA = ROOT.parent / "shared" / "data" / "texts"
TEXTS = 200_000

NLTK = packaged_nltk()
SCORER = Scorer()
BULK = BulkScorer(SCORER)

WORDS = st.one_of(
    st.sampled_from(sorted(NLTK.lexicon)),
    st.sampled_from([*RULE_WORDS, *BOOSTERS, *NEGATIONS, *IDIOMS]),
    st.sampled_from(ODD),
    st.text(st.characters(codec="utf-8"), max_size=6),
)
CASES = st.sampled_from([str, str.upper, str.title])
MARKS = st.sampled_from(["", *VaderConstants.PUNC_LIST, "...", "(", "&", "!?", "????"])
SENTENCES = st.lists(
    st.builds(lambda word, case, before, after: f"{before}{case(word)}{after}", WORDS, CASES, MARKS, MARKS),
    max_size=12,
).map(" ".join)

# Words of one's own that get in the way of the rules, or whose capitals are no one letter.
OWN_WORDS = {
    "but": 1.5,
    "never": -1.0,
    "very": 2.0,
    "least": 1.5,
    "at": -0.5,
    "of": 0.25,
    "so": -2.0,
    "the": 0.5,
    "kind": -2.0,
    "😀": 3.0,
    "schön": 1.7,
    "σας": 2.0,
    "i̇stanbul": -3.0,
    "don't": 1.0,
    "mustard": 0.0,
    "x2": -0.0,
}


def nltk_with(scorer: Scorer) -> SentimentIntensityAnalyzer:
    analyzer = SentimentIntensityAnalyzer.__new__(SentimentIntensityAnalyzer)
    analyzer.lexicon = scorer.lexicon
    analyzer.constants = VaderConstants()
    return analyzer


def test_as_many_texts_as_there_is_time_for_have_nltks_scores_to_the_bit() -> None:
    texts = make_texts(0, TEXTS, sorted(NLTK.lexicon))
    assert different(texts, NLTK, BULK) == []


def test_the_texts_that_are_tested_come_upon_every_rule() -> None:
    texts = make_texts(0, 5_000, sorted(NLTK.lexicon))
    rules = {
        change["rule"]
        for text in texts
        for word in SCORER.explain(text)["words"]
        for change in word["because"]
    }
    assert rules == {"capitals", "booster", "negation", "so", "idiom", "least", "but"}


def test_words_of_ones_own_have_nltks_scores_to_the_bit() -> None:
    scorer = Scorer(words=OWN_WORDS)
    texts = make_texts(7, 20_000, [*OWN_WORDS, *RULE_WORDS, "good", "bad", "İSTANBUL", "ΣΑΣ", "Schön"])
    assert different(texts, nltk_with(scorer), BulkScorer(scorer), scorer.scored_as) == []


@given(st.lists(SENTENCES, max_size=5))
def test_every_text_has_exactly_nltks_scores(texts: list[str]) -> None:
    assert different(texts, NLTK, BULK) == []


@given(st.lists(st.text(st.characters(codec="utf-8")), max_size=5))
def test_any_text_at_all_has_exactly_nltks_scores(texts: list[str]) -> None:
    assert different(texts, NLTK, BULK) == []


@pytest.mark.parametrize("name", ["tweets.csv", "amazon_snippets.csv"])
def test_real_texts_have_nltks_scores_to_the_bit(name: str) -> None:
    if not (CORPORA / name).exists():
        pytest.skip(f"there is no {name} beside the repository")
    with (CORPORA / name).open(encoding="utf-8", newline="") as file:
        texts = [row["text"] for row in csv.DictReader(file)]
    assert len(texts) > 3_000
    assert different(texts, NLTK, BULK) == []


# ---- characters


@pytest.fixture(scope="module")
def cased() -> list[str]:
    """All characters that have a case, or are white space."""
    return [
        character
        for character in map(chr, range(0x110000))
        if character.lower() != character
        or character.isupper()
        or character.islower()
        or character.istitle()
        or character.isspace()
    ]


def test_the_table_of_characters_reaches_as_far_as_python_knows_cases(cased: list[str]) -> None:
    assert ord(max(cased)) <= LAST_CASED


def test_nltks_punctuation_is_ascii() -> None:
    assert PUNCTUATION.search("".join(map(chr, range(128, 0x110000)))) is None


@pytest.mark.parametrize(
    "pattern", ["{0} GOOD bad", "GOOD{0}bad fine", "{0}{0} not GOOD", "a{0} A{0} good", "li{0}e", "A{0} GOOD"]
)
def test_every_character_with_a_case_or_that_is_white_space_counts_as_in_python(
    cased: list[str], pattern: str
) -> None:
    texts = [pattern.format(character) for character in cased]
    assert different(texts, NLTK, BULK) == []


@pytest.mark.parametrize("code", range(128))
def test_every_ascii_character_counts_as_in_nltk_wherever_it_is(code: int) -> None:
    c = chr(code)
    patterns = [
        f"{c}good",
        f"good{c}",
        f"{c}good{c}",
        f"go{c}od",
        f"not {c} good",
        f"{c}{c}good",
        f"good{c}{c}",
        f"a{c} I{c}t bad",
        f"not{c}good{c}but{c}GREAT",
    ]
    assert different(patterns, NLTK, BULK) == []


# ---- sizes


@pytest.mark.parametrize("text", ["", " ", "\n\t", "!", "a", "\u00a0", "a b c", "?" * 9, "ab"])
def test_a_text_without_sentiment_has_nltks_scores(text: str) -> None:
    assert different([text], NLTK, BULK) == []


def test_a_long_text_has_nltks_scores() -> None:
    text = " ".join(make_texts(3, 500, sorted(NLTK.lexicon)))
    assert len(text) > 10_000
    assert different([text, "good", text[::-1]], NLTK, BULK) == []


def test_a_text_of_megabytes_is_scored_as_one_by_one() -> None:
    text = " ".join(make_texts(4, 40_000, sorted(NLTK.lexicon)))
    assert len(text.encode()) > 2_000_000
    assert np.array_equal(bits(BULK.score(pa.array([text]))), bits([SCORER.score(text)]))


def test_each_way_to_write_a_word_has_the_context_of_its_own_first_time() -> None:
    letters = [[letter, letter.upper()] for letter in "horrible"]
    forms = ["".join(form) for form in np.array(np.meshgrid(*letters)).reshape(len(letters), -1).T]
    text = " ".join(f"{gap} {form}" for form in forms for gap in ("not", "very", "so this"))
    assert different([text, text.lower(), f"{text} but {text}"], NLTK, BULK) == []


def test_valences_beyond_all_measure_are_left_to_python(tmp_path: Path) -> None:
    path = tmp_path / "lexicon.txt"
    path.write_text("huge\t1e308\ntiny\t-1e308\nlarge\t1e160\nsmall\t5e-324")
    scorer = Scorer(str(path))
    texts = ["huge", "huge huge", "tiny huge huge tiny", "large small", "very large", "small", "not small!"]
    assert different(texts, nltk_with(scorer), BulkScorer(scorer)) == []


# ---- arrays


@given(
    st.lists(st.none() | SENTENCES, max_size=8),
    st.sampled_from([pa.string(), pa.large_string()]),
    st.integers(0, 8),
    st.integers(0, 8),
)
def test_slices_and_nulls_are_scored_in_place(
    texts: Sequence[str | None], kind: pa.DataType, start: int, length: int
) -> None:
    scores = BULK.score(pa.array(texts, kind).slice(min(start, len(texts)), length))
    part = texts[start : start + length]
    nothing = (float("nan"),) * 4
    expected = [nothing if text is None else SCORER.score(text) for text in part]
    assert np.array_equal(bits(scores), bits(expected))


def test_what_lies_under_a_null_is_not_looked_at() -> None:
    array = pa.array(["good", "bad", "fine"])
    _, offsets, data = array.buffers()
    hidden = pa.Array.from_buffers(pa.string(), 3, [pa.py_buffer(b"\x05"), offsets, data])
    assert hidden.to_pylist() == ["good", None, "fine"]
    assert np.isnan(BULK.score(hidden).compound).tolist() == [False, True, False]


def test_all_arrays_are_scored_by_one_compiled_loop() -> None:
    writable = pa.py_buffer(bytearray(b"good"))
    offsets = pa.py_buffer(np.array([0, 4], np.int32))
    BULK.score(pa.Array.from_buffers(pa.string(), 1, [None, offsets, writable]))
    for array in (pa.array(["good"]), pa.array(["good"], pa.large_string()), pa.array([], pa.string())):
        BULK.score(array)
    assert len(vader_kernel.score_batch.signatures) == 1


@pytest.mark.parametrize("kind", [pa.binary(), pa.string_view(), pa.int64(), pa.null()])
def test_an_array_of_anything_else_is_refused(kind: pa.DataType) -> None:
    with pytest.raises(TypeError, match="should be of string or large_string"):
        BULK.score(pa.array([], kind))


@given(st.lists(st.binary(max_size=6), min_size=1, max_size=6))
def test_bytes_that_are_no_text_do_no_harm_to_the_texts_beside_them(junk: list[bytes]) -> None:
    contents = [part for each in junk for part in (each, b"GOOD not bad")]
    offsets = np.cumsum([0, *map(len, contents)], dtype=np.int32)
    array = pa.Array.from_buffers(
        pa.string(), len(contents), [None, pa.py_buffer(offsets), pa.py_buffer(b"".join(contents))]
    )
    assert set(BULK.score(array).compound[1::2]) == {SCORER.score("GOOD not bad").compound}


def test_several_threads_may_score_at_once() -> None:
    arrays = [pa.array(make_texts(seed, 3_000, sorted(NLTK.lexicon))) for seed in range(4)]
    alone = [bits(BULK.score(array)) for array in arrays]
    with ThreadPoolExecutor(4) as pool:
        together = [bits(scores) for scores in pool.map(BULK.score, arrays * 5)]
    assert all(np.array_equal(one, alone[k % 4]) for k, one in enumerate(together))


def test_the_lexicon_is_named_as_the_scorers() -> None:
    assert BULK.sha256 == SCORER.sha256


def test_numba_is_imported_with_the_first_bulk_scorer_and_not_before() -> None:
    code = (
        "import sys; from jobyard.workers.sentiment.vader.bulk import BulkScorer, Scorer;"
        "scorer = Scorer(); scorer.score('good'); scorer.explain('good'); print('numba' in sys.modules);"
        "BulkScorer(scorer); print('numba' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.split() == ["False", "True"]


# ---- numbers


@given(st.floats(-1, 1), st.sampled_from([3, 4]))
def test_numbers_are_rounded_as_python_does(number: float, digits: int) -> None:
    assert repr(float(_rounded(number, 10.0**digits))) == repr(round(number, digits))


@pytest.mark.parametrize("digits", [3, 4])
def test_numbers_between_two_are_rounded_as_python_does(digits: int) -> None:
    unit = 10**digits
    middles = [(k + 0.5) / unit for k in range(unit)]
    numbers = [near for x in middles for near in (x, np.nextafter(x, 0), np.nextafter(x, 1), -x)]
    numbers += [k / 2**power for power in range(1, 17) for k in range(2**power)]
    ours = [float(_rounded(x, float(unit))) for x in map(float, numbers)]
    assert ours == [round(float(x), digits) for x in numbers]


def sum_of_312(numbers: Sequence[float]) -> float:
    """What Python's own sum() does since 3.12, of ints and floats: ints plainly, floats by Neumaier's way."""
    total, lost, floating = 0.0, 0.0, False
    for number in numbers:
        after = total + number
        if floating and isinstance(number, float):
            lost += (total - after) + number if abs(total) >= abs(number) else (number - after) + total
        floating = floating or isinstance(number, float)
        total = after
    return total + lost


def balanced_texts() -> list[str]:
    """Texts whose valences add up to nothing but what rounding leaves, which four marks then weigh on."""
    by_tenths = {round(10 * valence): word for word, valence in NLTK.lexicon.items() if word.isalpha()}
    chance = random.Random(1)
    texts = []
    while len(texts) < 3_000:
        tenths = chance.sample(sorted(by_tenths), 5)
        if (last := -sum(tenths)) in by_tenths:
            texts.append(" ".join(by_tenths[each] for each in [*tenths, last]) + " !!!!")
    return texts


def plain_sum(numbers: Sequence[float]) -> float:
    total = 0.0
    for number in numbers:
        total += number
    return total


@pytest.mark.parametrize("compensated", [False, True])
def test_sums_are_those_of_the_python_that_runs(monkeypatch: pytest.MonkeyPatch, compensated: bool) -> None:
    monkeypatch.setattr(vader, "sum", sum_of_312 if compensated else plain_sum, raising=False)
    bulk = BulkScorer(SCORER)
    tables = bulk._tables
    short = make_texts(5, 20_000, sorted(NLTK.lexicon))
    texts = [*balanced_texts(), *(" ".join(short[k : k + 5]) for k in range(0, len(short), 5))]
    bulk._tables = tables._replace(compensated=compensated)
    assert different(texts, NLTK, bulk) == []
    bulk._tables = tables._replace(compensated=not compensated)
    assert different(texts, NLTK, bulk) != []


def test_texts_that_balance_are_summed_as_by_this_python() -> None:
    assert different(balanced_texts(), NLTK, BULK) == []


def test_python_says_itself_how_it_sums() -> None:
    assert BULK._tables.compensated == (sum([0.1] * 10) == sum_of_312([0.1] * 10))


def test_code_is_compiled_where_it_can_be_kept_nowhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    njit = numba.njit

    def nowhere(*functions: Any, **options: Any) -> Any:
        if options.get("cache"):
            raise RuntimeError("cannot cache function: no locator available")
        return njit(*functions, **options)

    monkeypatch.setattr(numba, "njit", nowhere)
    assert vader_kernel._jit(lambda number: number + 1)(1) == 2
