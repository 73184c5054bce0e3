"""What is scored in place of emoji, curly quotes, HTML and invisible characters, to NLTK's last bit."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nltk.sentiment.vader import SentimentIntensityAnalyzer
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer as Package

from jobyard.workers.sentiment.vader import unseen
from jobyard.workers.sentiment.vader.bulk import BulkScorer
from jobyard.workers.sentiment.vader.emoji import descriptions
from jobyard.workers.sentiment.vader.normalization import Normalizer
from jobyard.workers.sentiment.vader.scorer import Scorer
from jobyard.workers.sentiment.vader.vader_tables import LAST_CASED
from tests.fuzz.normalized import make_untidy_texts
from tests.fuzz.reference import bits, different, packaged_nltk

NLTK = packaged_nltk()
PLAIN = Scorer()
STANDARD = Scorer(normalize=True)
BULK = BulkScorer(STANDARD)
PACKAGE = Package()
OWN = {"😂": 3.0, "❤": -2.0, "→": 1.0, "1️⃣": 2.5, "👍🏽": 2.0, "sick": 2.1, "won’t": -3.0}

UNTIDY = st.sampled_from(make_untidy_texts(5, 2_000, sorted(NLTK.lexicon)))


def scores(analyzer: SentimentIntensityAnalyzer | Package, text: str) -> tuple[float, ...]:
    found: Mapping[str, float] = analyzer.polarity_scores(text)
    return tuple(found.values())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("worst 😂", "worst face with tears of joy"),
        ("great👍", "great thumbs up"),
        ("👍great😂😂", "thumbs up great face with tears of joy face with tears of joy"),
        ("I don’t like it", "I don't like it"),
        ("“great”, she said", '"great", she said'),
        ("don´t ‘go’ ʼtis «good»", "don't 'go' 'tis \"good\""),
        ("great<br />movie", "great movie"),
        ("<p class='x'>bad</p><P>good</P>", "bad good"),
        ("good<!-- bad -->movie", "good movie"),
        ("bread &amp; butter &lt;3 it&#39;s &#x22;ok&#x22;", 'bread & butter <3 it\'s "ok"'),
        ("it&amp;#39;s &amp;quot;fine&amp;quot;", 'it\'s "fine"'),
        ("I&rsquo;m &hearts; &nbsp; it &#128514;", "I'm heart suit it face with tears of joy"),
        ("cut off &amp", "cut off &"),
        ("gr\u200beat \ufeffmo\u00advie\u2060", "great movie"),
        ("not\u00a0good\u2003at all\n", "not good at all"),
        ("❤️ ❤ \u2764\ufe0e", "red heart red heart red heart"),
        ("👍🏽", "thumbs up: medium skin tone"),
        ("👨‍👩‍👧", "family: man, woman, girl"),
        ("🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f", "England"),
        ("🇫🇷🇩🇪", "France Germany"),
        ("1️⃣", "keycap: 1."),
        ("😘", "face blowing a. kiss"),
        ("great\U0001fae0", "great \U0001fae0"),
    ],
)
def test_what_vader_cant_see_is_put_into_words(text: str, expected: str) -> None:
    assert STANDARD.scored_as(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("I <3 you", "a < b and c > d", "</3", "<user> said <sarcasm>", "a <b and c> d", "this&notthat"),
        *("AT&T; R&B;", "Fish & Chips", "naïve café …—", "5 > 3 <- here", "#1 *2*", "好 שלום ಠ_ಠ", "25 ℃ №"),
        ">:( <i guess> :'(",
    ],
)  # fmt: skip
def test_what_only_looks_like_it_stays(text: str) -> None:
    assert STANDARD.scored_as(text) == text


def test_each_emoji_of_one_character_has_vadersentiments_scores() -> None:
    single = [emoji for emoji in PACKAGE.emojis if len(emoji) == 1]
    scored = [emoji for emoji in single if PACKAGE.polarity_scores(emoji)["compound"]]
    assert (len(single), len(scored)) == (1_212, 162)
    expected = bits([scores(PACKAGE, emoji) for emoji in single])
    assert np.array_equal(bits([STANDARD.score(emoji) for emoji in single]), expected)
    assert np.array_equal(bits(BULK.score(pa.array(single))), expected)


def test_each_emoji_of_several_characters_has_the_scores_of_its_description() -> None:
    for emoji in PACKAGE.emojis:
        words = STANDARD.scored_as(emoji).split()
        said = [word[0] if len(word) == 2 and word[1] == "." else word for word in words]
        assert " ".join(said) == PACKAGE.emojis[emoji]


def test_the_colour_of_a_skin_changes_no_compound() -> None:
    for tone in map(chr, range(0x1F3FB, 0x1F400)):
        for emoji in [emoji for emoji in descriptions() if tone in emoji and emoji != tone]:
            if (plain := emoji.replace(tone, "")) in descriptions():
                assert STANDARD.score(emoji).compound == STANDARD.score(plain).compound, emoji


def test_an_emoji_at_a_word_leaves_the_word_its_score() -> None:
    assert PLAIN.score("great\U0001fae0").compound == 0
    assert STANDARD.score("great\U0001fae0").compound == PLAIN.score("great").compound
    assert PLAIN.score("I don’t like it").compound > 0 > STANDARD.score("I don’t like it").compound


# ---- to the bit


def test_many_texts_have_nltks_scores_of_the_normalized_text_to_the_bit() -> None:
    texts = make_untidy_texts(3, 8_000, sorted(NLTK.lexicon))
    normalized = Normalizer(standard=True).normalized
    expected = bits([scores(NLTK, normalized(text)) for text in texts])
    assert np.array_equal(bits(BULK.score(pa.array(texts))), expected)
    assert np.array_equal(bits([STANDARD.score(text) for text in texts[:2_000]]), expected[:2_000])


def test_untidy_texts_come_upon_all_that_is_normalized() -> None:
    texts = make_untidy_texts(3, 1_000, sorted(NLTK.lexicon))
    found = BULK.score_and_look(pa.array(texts))[1]
    assert all(count > 100 for count in found)
    assert sum(STANDARD.score(text) != PLAIN.score(text) for text in texts) > 300


@given(st.lists(st.none() | UNTIDY | st.text(st.characters(codec="utf-8")), max_size=6), st.integers(0, 6))
def test_slices_and_nulls_are_normalized_in_place(texts: list[str | None], start: int) -> None:
    array = pa.array(texts, pa.string()).slice(min(start, len(texts)))
    nothing = (float("nan"),) * 4
    expected = [nothing if text is None else STANDARD.score(text) for text in texts[start:]]
    assert np.array_equal(bits(BULK.score(array)), bits(expected))


def test_texts_without_any_of_it_are_nltks_own() -> None:
    texts = make_untidy_texts(9, 10_000, sorted(NLTK.lexicon))
    plain = [text for text in texts if not unseen.kinds(text)]
    assert len(plain) > 100
    assert different(plain, NLTK, BULK) == []


@pytest.mark.parametrize("pattern", ["{0}good bad", "A{0}a GOOD", "don{}t like"])
def test_only_characters_that_are_looked_for_change_any_score(pattern: str) -> None:
    """So texts without them need not be normalized."""
    characters = [chr(code) for code in range(LAST_CASED + 200) if not 0xD800 <= code < 0xE000]
    texts = [pattern.format(one) for one in characters if not unseen.kinds(one)]
    normalized = pa.array(map(STANDARD.scored_as, texts))
    plain = BulkScorer(PLAIN)
    assert np.array_equal(bits(plain.score(pa.array(texts))), bits(plain.score(normalized)))


# ---- emoji of one's own


def test_own_words_may_be_emoji_alone_or_at_a_word() -> None:
    own = Scorer(words=OWN)
    assert own.score("worst 😂😂😂").compound > 0 > PLAIN.score("worst 😂😂😂").compound
    assert own.score("the table❤️.").compound < 0
    assert own.score("go→it").compound > 0
    assert own.score("1️⃣").compound == own.score("1\u20e3").compound > 0
    assert own.score("great👍").compound == PLAIN.score("great👍").compound == 0
    assert Scorer(words=OWN, normalize=True).score("I won't").compound < 0


@pytest.mark.parametrize("normalize", [False, True])
def test_own_words_have_nltks_scores_of_the_normalized_text_to_the_bit(normalize: bool) -> None:
    scorer = Scorer(words=OWN, normalize=normalize)
    texts = make_untidy_texts(4, 2_000, [*OWN, *OWN, *sorted(NLTK.lexicon)[::50]])
    analyzer = packaged_nltk()
    analyzer.lexicon = scorer.lexicon
    expected = bits([scores(analyzer, scorer.scored_as(text)) for text in texts])
    assert np.array_equal(bits(BulkScorer(scorer).score(pa.array(texts))), expected)
    assert np.array_equal(bits([scorer.score(text) for text in texts]), expected)


def test_other_emoji_and_quotes_stay_where_only_own_emoji_are_looked_for() -> None:
    assert Scorer(words={"😂": 3.0}).scored_as("“great”👍😂 ") == "“great”👍 😂\ufe0f"


@pytest.mark.parametrize(
    "text",
    ["<a " * 300_000, "&" * 1_000_000, "<!--" * 300_000, "<a b=" + "=" * 1_000_000, "\u200d" * 100_000],
)
def test_no_text_takes_long(text: str) -> None:
    """A quadratic search would take hours."""
    assert STANDARD.score(text) is not None


def test_an_explanation_is_of_the_normalized_text() -> None:
    words = STANDARD.explain("great👍")["words"]
    assert [word["word"] for word in words] == ["great", "thumbs", "up"]
