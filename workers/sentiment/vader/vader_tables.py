"""What the compiled loop has to know, asked of Python (characters), NLTK (rules) and the lexicon (words)."""

import functools
import secrets
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from nltk.sentiment.vader import VaderConstants

from jobyard.workers.sentiment.vader import unseen, vader_kernel
from jobyard.workers.sentiment.vader.rules import MARKS, PUNCTUATION
from jobyard.workers.sentiment.vader.vader_kernel import Tables

# The words that NLTK's code names itself.
FLAGGED = {
    vader_kernel.LEAST: {"least"},
    vader_kernel.SPARING: {"at", "very"},
    vader_kernel.BUT: {"but"},
    vader_kernel.KIND: {"kind"},
    vader_kernel.OF: {"of"},
    vader_kernel.NEVER: {"never"},
    vader_kernel.SO: {"so", "this"},
}
# No character beyond has a case or is white space, in any Unicode so far.
LAST_CASED = 0x1FFFF
BOOSTERS: dict[str, float] = VaderConstants.BOOSTER_DICT
IDIOMS: dict[str, float] = VaderConstants.SPECIAL_CASE_IDIOMS


def make_tables(lexicon: Mapping[str, float]) -> Tables:
    """The tables of a lexicon."""
    phrases = [key.split() for key in IDIOMS]
    # NLTK looks for pairs among the boosters, and gives each the weight B_DECR.
    dampeners = [key.split() for key in BOOSTERS if len(key.split()) == 2]
    flags: dict[int, set[str]] = FLAGGED | {
        vader_kernel.VALENCE: set(lexicon) - {""},
        vader_kernel.BOOSTER: set(BOOSTERS),
        vader_kernel.NEGATION: VaderConstants.NEGATE | {word for word in lexicon if "n't" in word},
        vader_kernel.PHRASE: {word for phrase in (*phrases, *dampeners) for word in phrase},
    }
    # The first two stand for all words that are not here.
    words = ["", "", *sorted(set().union(*flags.values()))]
    number = {word: index for index, word in enumerate(words)} | {"": -1}
    numbers = np.zeros(len(words), np.uint16)
    for flag, flagged in flags.items():
        numbers[[number[word] for word in flagged]] |= flag
    numbers[vader_kernel.PLAIN_NEGATION] = vader_kernel.NEGATION
    seed = secrets.randbits(64)
    slot_hash, slot_word = _slots(words, seed)
    return Tables(
        characters=_characters(frozenset("".join(words))),
        slot_hash=slot_hash,
        slot_word=slot_word,
        letters=np.array([ord(letter) for word in words for letter in word], np.uint32),
        starts=np.cumsum([0, *map(len, words)], dtype=np.int32),
        flags=numbers,
        valences=np.array([lexicon.get(word, 0.0) for word in words]),
        boosts=np.array([BOOSTERS.get(word, 0.0) for word in words]),
        marks=np.array([int.from_bytes(mark.encode(), "little") for mark in sorted(MARKS)], np.uint64),
        phrases=np.array([[number[word] for word in [*phrase, ""][:3]] for phrase in phrases], np.int32),
        phrase_values=np.array(list(IDIOMS.values()), np.float64),
        phrase_whole=np.array([isinstance(value, int) for value in IDIOMS.values()]),
        dampeners=np.array([[number[word] for word in pair] for pair in dampeners], np.int32),
        c_incr=VaderConstants.C_INCR,
        b_decr=VaderConstants.B_DECR,
        n_scalar=VaderConstants.N_SCALAR,
        seed=np.uint64(seed),
        compensated=sum([0.1] * 10) == 1,
    )


def _slots(words: list[str], seed: int) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int32]]:
    """Open addressing over all words but the first two."""
    size = 1 << (4 * len(words)).bit_length()
    slot_hash = np.zeros(size, np.uint64)
    slot_word = np.full(size, -1, np.int32)
    for index, word in enumerate(words[2:], 2):
        value = vader_kernel.hash_of(word, seed)
        slot = (value >> 40) % size
        while slot_word[slot] >= 0:
            slot = (slot + 1) % size
        slot_hash[slot], slot_word[slot] = value, index
    return slot_hash, slot_word


def _characters(letters: frozenset[str]) -> npt.NDArray[np.uint32]:
    """Each character's flags, and its lower case if words of `letters` can be found in that way."""
    table, unsteady = _all_characters()
    table = table.copy()
    for character, lowers in unsteady.items():
        if letters & lowers:
            table[ord(character)] |= vader_kernel.UNSURE
    return table


@functools.cache
def _all_characters() -> tuple[npt.NDArray[np.uint32], dict[str, frozenset[str]]]:
    """Each character's flags and lower case; and those whose lower case is no one character.

    That may be two (İ), or depend on what is around it (Σ). Each comes with what it may become, beyond
    ASCII: where no word has any of that, the character is in no word, and nothing else is to be known.
    """
    table = np.arange(LAST_CASED + 1, dtype=np.uint32)
    unsteady = {}
    for character in PUNCTUATION.findall("".join(map(chr, range(128)))):
        table[ord(character)] |= vader_kernel.PUNCTUATION
    table[ord("!")] |= vader_kernel.BANG
    table[ord("?")] |= vader_kernel.QUESTION
    for character in map(chr, range(LAST_CASED + 1)):
        lower = character.lower()
        if lower != character:
            becomes = lower + f"a{character}".lower()[1:]
            letter = ord(lower) if becomes == 2 * lower and len(lower) == 1 else vader_kernel.NO_LETTER
            if letter == vader_kernel.NO_LETTER:
                unsteady[character] = frozenset(each for each in becomes if not each.isascii())
            table[ord(character)] = letter
        if character.isupper():
            table[ord(character)] |= vader_kernel.UPPER
        elif character.islower() or character.istitle():
            table[ord(character)] |= vader_kernel.LOWER
        elif character.isspace():
            table[ord(character)] |= vader_kernel.SPACE
    for kind, pattern in unseen.patterns().items():
        for character in pattern.findall("".join(map(chr, range(LAST_CASED + 1)))):
            table[ord(character)] |= kind << vader_kernel.UNSEEN
    return table, unsteady
