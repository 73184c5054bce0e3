"""How many texts have what VADER can't see is counted, by the compiled loop as by Python."""

from collections.abc import Sequence

import pyarrow as pa
import pytest

from jobyard.workers.sentiment.vader.bulk import BulkScorer
from jobyard.workers.sentiment.vader.scorer import Scorer
from jobyard.workers.sentiment.vader.unseen import Unseen
from tests.fuzz.normalized import make_untidy_texts

BULK = BulkScorer(Scorer())


def counted(texts: Sequence[str | None], bulk: BulkScorer = BULK) -> Unseen:
    return bulk.score_and_look(pa.array(texts, pa.string()))[1]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I love it, really: 5 < 6 & 7 > 3 <3 (c) :-)", Unseen()),
        ("naïve 好 — … © ™ → №", Unseen()),
        ("<user> AT&T; a&b", Unseen()),
        ("great👍", Unseen(emoji=1)),
        ("❤ 1️⃣ ⌚ 🇫🇷 \U0001fae0", Unseen(emoji=1)),
        ("don’t", Unseen(curly=1)),
        ("“so”", Unseen(curly=1)),
        ("a&amp;b", Unseen(html=1)),
        ("a<br/>b", Unseen(html=1)),
        ("&unknown; <user> &lt;", Unseen(html=1)),
        ("&unknown; <user> <i>", Unseen(html=1)),
        ("👍’&#39;", Unseen(1, 1, 1)),
        ("Σ👍’&#39;", Unseen(1, 1, 1)),
    ],
)
def test_a_text_is_counted_by_what_is_in_it(text: str, expected: Unseen) -> None:
    assert Unseen.of(text) == counted([text]) == expected


def test_many_texts_are_counted_as_one_by_one() -> None:
    texts = make_untidy_texts(6, 5_000, ["good", "bad", "ΣΑΣ", "not"])
    one_by_one = Unseen()
    for text in texts:
        one_by_one = one_by_one.plus(Unseen.of(text))
    undecided = BulkScorer(Scorer(words={"σας": 1.0}))
    assert counted(texts) == counted(texts, undecided) == one_by_one


def test_what_is_put_into_words_is_counted_all_the_same() -> None:
    assert counted(["great👍", "don’t", None, "so"], BulkScorer(Scorer(normalize=True))) == Unseen(1, 1, 0)


def test_emoji_with_a_valence_of_their_own_are_seen() -> None:
    own = Scorer(words={"😂": 3.0, "❤": 1.0})
    texts = ["worst😂", "❤️ 😂😂", "😂👍", "👍", "😂’", "😂&amp;"]
    expected = Unseen(emoji=2, curly=1, html=1)
    assert counted(texts, BulkScorer(own)) == expected
    one_by_one = Unseen()
    for text in texts:
        one_by_one = one_by_one.plus(own.unseen(text))
    assert one_by_one == expected


def test_what_lies_under_a_null_is_not_counted() -> None:
    array = pa.array(["👍", "<br>", "’"])
    _, offsets, data = array.buffers()
    hidden = pa.Array.from_buffers(pa.string(), 3, [pa.py_buffer(b"\x02"), offsets, data])
    assert BULK.score_and_look(hidden)[1] == Unseen(html=1)
