"""What is an emoji is known without asking this Python's Unicode."""

import pytest

from jobyard.shared.emoji import is_emoji, without_selectors


@pytest.mark.parametrize(
    "word",
    [
        "😂",
        "❤",
        "❤️",
        "☺\ufe0e",
        "👍🏽",
        "👨‍👩‍👧",
        "🇫🇷",
        "1️⃣",
        "#\u20e3",
        "©",
        "™",
        "→",
        "😂😂",
        "\U0001faf7",
        "⌚",
    ],
)
def test_emoji_and_signs_are_emoji(word: str) -> None:
    assert is_emoji(word)


@pytest.mark.parametrize(
    "word", ["", "x", "好", "1", "#", "\u212a", "\ufe0f", "\u200d", "a😂", "😂a", ":-)", "°", "…", " 😂"]
)
def test_all_else_is_none(word: str) -> None:
    assert not is_emoji(word)


def test_how_an_emoji_is_shown_makes_it_no_other_one() -> None:
    assert without_selectors("❤️☺\ufe0e") == "❤☺"
