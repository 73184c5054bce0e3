"""Texts made to go wrong: out of what VADER's rules know, odd characters, marks and gaps."""

import random
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from nltk.sentiment.vader import VaderConstants

RULE_WORDS = ["but", "least", "at", "very", "never", "so", "this", "kind", "of", "sort", "just", "enough"]
RULE_PHRASES = [
    "never so",
    "never this",
    "so this",
    "at least",
    "very least",
    "kind of",
    "sort of",
    "just enough",
]
BOOSTERS = sorted(VaderConstants.BOOSTER_DICT)
NEGATIONS = sorted(VaderConstants.NEGATE)
IDIOMS = sorted(VaderConstants.SPECIAL_CASE_IDIOMS)
NEUTRAL = [
    "the",
    "a",
    "I",
    "table",
    "went",
    "home",
    "was",
    "it",
    "x2",
    "3",
    "co-op",
    "o'clock",
    "isn't-it",
    "N'T",
]
# Emoji and their parts, letters whose case is odd (İ ſ ß ﬁ ǅ Σ, the Kelvin and Ångström signs), combining,
# invisible and control characters, white space of Python and what only looks so.
ODD = [
    *("😀", "👍🏽", "❤️", "👨‍👩‍👧", "🏳️‍🌈", "™", "…", "“", "”", "’", "—", "¿", "٣", "Ⅷ", "ⓐ", "Ⓐ", "ª", "ʰ"),
    *(
        "é",
        "É",
        "e\u0301",
        "ß",
        "ẞ",
        "İ",
        "ı",
        "ſ",
        "ﬁ",
        "ǅ",
        "ǆ",
        "Σ",
        "σ",
        "ς",
        "\u212a",
        "\u212b",
        "Ω",
        "ά",
    ),
    *("\u0130", "\u0307", "i\u0307", "Ꭰ", "ꭰ", "𐐀", "𐐨", "𝐀", "ア", "ｱ", "好", "ก็", "हिन्दी", "שלום", "مرحبا"),
    *(
        "\u200b",
        "\u200c",
        "\u200d",
        "\u2060",
        "\ufeff",
        "\u180e",
        "\ufffd",
        "\U0010ffff",
        "\x00",
        "\x07",
        "\x7f",
    ),
    *("\x1c", "\x1f", "\x85", "\xad", "\xa0", "\u2028", "\u3000", "\ue000", "\u0345", "\u0d7f", "\u07ff"),
]
GAPS = [" "] * 120 + [
    *(
        "  ",
        "\t",
        "\n",
        "\r\n",
        "\x0b",
        "\x0c",
        "\x1c",
        "\x1d",
        "\x1e",
        "\x1f",
        "\x85",
        "\xa0",
        "\u1680",
        "\u2000",
    ),
    *(
        "\u2003",
        "\u200a",
        "\u2028",
        "\u2029",
        "\u202f",
        "\u205f",
        "\u3000",
        "\u200b",
        "\ufeff",
        "",
        "",
        "-",
        "/",
    ),
]
PUNCTUATION = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
MARKS = [
    *[""] * 300,
    *VaderConstants.PUNC_LIST * 2,
    *PUNCTUATION,
    *("...", "!?", "????", "!!!!", "!!!!!", "?!?!?", "'s", "n't", "!.", "()", "’", "…"),
]
POOL = 20_000
MOST_WORDS = 12


def make_texts(seed: int, count: int, lexicon: Sequence[str]) -> list[str]:
    """So many texts of up to a dozen words: the same ones for the same seed and lexicon."""
    pool = [_piece(random.Random(f"{seed}-{number}"), lexicon) for number in range(min(POOL, 2 * count))]
    chance = np.random.default_rng(seed)
    lengths = chance.integers(0, MOST_WORDS + 1, count)
    pieces = chance.integers(0, len(pool), (count, MOST_WORDS))
    _repeat(pieces, chance)
    gaps = chance.integers(0, len(GAPS), (count, MOST_WORDS))
    return [
        "".join([pool[piece] + GAPS[gap] for piece, gap in zip(row[:length], between, strict=False)])
        for row, between, length in zip(pieces.tolist(), gaps.tolist(), lengths.tolist(), strict=True)
    ]


def _repeat(pieces: npt.NDArray[np.int64], chance: np.random.Generator) -> None:
    """Let some words of a text be those before them: NLTK gives them the context of the first."""
    for column in range(1, MOST_WORDS):
        rows = np.flatnonzero(chance.random(len(pieces)) < 0.1)
        pieces[rows, column] = pieces[rows, chance.integers(0, column, len(rows))]


def _piece(chance: random.Random, lexicon: Sequence[str]) -> str:
    """A word, or a few that belong together, in some case, with what stands around."""
    kind = chance.random()
    if kind < 0.35:
        word = chance.choice(lexicon)
    elif kind < 0.47:
        word = chance.choice(BOOSTERS)
    elif kind < 0.57:
        word = chance.choice(NEGATIONS)
    elif kind < 0.69:
        word = chance.choice(RULE_WORDS)
    elif kind < 0.73:
        word = chance.choice(RULE_PHRASES)
    elif kind < 0.78:
        words = chance.choice(IDIOMS).split()
        word = " ".join(words[chance.randrange(2) : len(words) - chance.randrange(2)])
    elif kind < 0.88:
        word = chance.choice(NEUTRAL)
    elif kind < 0.95:
        word = "".join(chance.choices(ODD, k=chance.randint(1, 3)))
    elif kind < 0.98:
        # A letter of a word that is known is another one, or has something with it.
        word = chance.choice([chance.choice(lexicon), *RULE_WORDS])
        at = chance.randrange(len(word) + 1)
        word = word[:at] + chance.choice(ODD) + word[at + chance.randrange(2) :]
    else:
        word = "".join(_character(chance) for _ in range(chance.randint(1, 5)))
    word = _cased(word, chance)
    return chance.choice(MARKS) + word + chance.choice(MARKS)


def _cased(word: str, chance: random.Random) -> str:
    case = chance.random()
    if case < 0.6:
        return word
    if case < 0.78:
        return word.upper()
    if case < 0.88:
        return word.title()
    if case < 0.94:
        # The Kelvin sign and the long s: one becomes a plain k in lower case, the other never an s.
        return word.replace("k", "\u212a").replace("s", chance.choice("sſS"))
    return "".join(chance.choice([letter.upper(), letter]) for letter in word)


def _character(chance: random.Random) -> str:
    """Any character of Unicode, the first ones more often, but no half of a surrogate pair."""
    code = int(0x110000 ** chance.random())
    return chr(code if not 0xD800 <= code < 0xE000 else code - 0x800)
