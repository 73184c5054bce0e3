"""Texts like reviews, made from a seed: some hundred characters each, words as frequent as Zipf says."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

# Stands beside the repository, and not everywhere.
CORPORA = Path(__file__).parents[3] / "shared" / "data" / "texts"

COMMON = (
    "the of and to a in it is was I that this for with but on as have be not you are they at one all so we "
    "film movie just like from had very by really out if about more when product my there up time no what "
    "which or even only me good her his some than get can been would after it's don't who an because how were"
)
SYLLABLES = "ba ce di fo gu la me ni po ru sa te vi xo zu cra ple stri mon ter ing ly ed er al"
MARKS = [*[""] * 84, *[","] * 7, *["."] * 5, "!", "!!", "?", "...", '"', ")"]
EMOJI = ["😀", "😍", "👍", "❤️", "😡", "🤷‍♀️"]
# How frequent sentiment is among a review's words.
LADEN = 0.08
WORDS = 16


def reviews(count: int, lexicon: Sequence[str], seed: int = 1) -> list[str]:
    """The same texts for the same seed and lexicon."""
    chance = np.random.default_rng(seed)
    syllables = SYLLABLES.split()
    rare = ["".join(chance.choice(syllables, chance.integers(2, 5))) for _ in range(50_000)]
    neutral = [*COMMON.split(), *rare]
    laden = chance.permutation([word for word in lexicon if word.isalpha()]).tolist()
    lengths = np.clip(chance.normal(WORDS, 5, count), 4, 40).astype(int)
    words = int(lengths.sum())
    # The word of rank r as often as 1/r.
    common = (len(neutral) ** chance.random(words)).astype(int) - 1
    moved = (len(laden) ** chance.random(words)).astype(int) - 1
    picked = [
        laden[a] if is_laden else neutral[b]
        for a, b, is_laden in zip(
            moved.tolist(), common.tolist(), (chance.random(words) < LADEN).tolist(), strict=True
        )
    ]
    for k in np.flatnonzero(chance.random(words) < 0.03).tolist():
        picked[k] = picked[k].upper() if k % 2 else picked[k].title()
    for k in np.flatnonzero(chance.random(words) < 0.003).tolist():
        picked[k] = EMOJI[k % len(EMOJI)]
    marks = chance.integers(0, len(MARKS), words).tolist()
    tokens = [word + MARKS[mark] for word, mark in zip(picked, marks, strict=True)]
    ends = np.cumsum(lengths).tolist()
    return [" ".join(tokens[end - length : end]) for end, length in zip(ends, lengths.tolist(), strict=True)]


def corpora() -> dict[str, list[str]]:
    """Real texts, where they are: {name: texts}."""
    found = {}
    for path in sorted(CORPORA.glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            found[path.stem] = [row["text"] for row in csv.DictReader(file)]
    return found
