"""The loop that scores a batch of texts: NLTK's VADER on the bytes of an Arrow array, compiled by numba.

Each text is read once, character by character, into numbers of words; the rules then look at numbers only, in
NLTK's order of floating point operations. What Python says of characters, NLTK of words and the lexicon of
valences comes in `Tables`. Time grows with a text's length, and a text's scores depend on nothing else.

It is one file, because numba recompiles what it caches on disk only when the file of the function changes.
"""

# numba finds the types of what is compiled.
# mypy: allow-untyped-defs, allow-untyped-calls

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from jobyard.workers.compiled import compiled

# ---- what `Tables.characters` says of a character: its lower case, and flags
LETTER = (1 << 21) - 1
SPACE, PUNCTUATION, BANG, QUESTION, UPPER, LOWER, UNSURE = (1 << bit for bit in range(21, 28))
# From this bit on, what `unseen` says of it.
UNSEEN = 28
# Is in no word: beyond Unicode.
NO_LETTER = LETTER

# ---- what `Tables.flags` says of a word; the last three hold only where it is written in lower case
VALENCE, BOOSTER, NEGATION, LEAST, SPARING, BUT, KIND, OF = (1 << bit for bit in range(8))
NEVER, SO, PHRASE = (1 << bit for bit in range(8, 11))

# ---- a word in a text: its number in the tables, whether it is written as there, and whether in capitals
CAPITALS, EXACT, NUMBER = 1, 2, 2
# Words that neither NLTK nor the lexicon know, without and with an "n't".
PLAIN, PLAIN_NEGATION = 0, 1

# FNV-1a's, of 64 bits.
PRIME = 0x100000001B3


class Tables(NamedTuple):
    """What is known before any text is seen, as arrays.

    characters: uint32 [code points]; beyond them a character is its own lower case and nothing else
    slot_hash, slot_word: uint64, int32 [2^n]: words by `hash_of`, in open addressing; −1 is an empty slot
    letters, starts: uint32, int32 [words + 1]: the code points of all words, and where each begins
    flags, valences, boosts: uint16, float64, float64 [words]
    marks: uint64: each of PUNC_LIST, its bytes from the lowest on
    phrases, phrase_values: int32 [idioms, 3], float64: words of idioms, −1 for no third one
    phrase_whole: bool: whether Python's value is an int
    dampeners: int32 [pairs, 2]: words that together dampen
    seed: uint64: where hashes begin, a secret of the process, so that equal hashes can't be provoked
    compensated: whether Python's sum() makes up for rounding (since 3.12)
    """

    characters: npt.NDArray[np.uint32]
    slot_hash: npt.NDArray[np.uint64]
    slot_word: npt.NDArray[np.int32]
    letters: npt.NDArray[np.uint32]
    starts: npt.NDArray[np.int32]

    flags: npt.NDArray[np.uint16]
    valences: npt.NDArray[np.float64]
    boosts: npt.NDArray[np.float64]
    c_incr: float
    n_scalar: float
    marks: npt.NDArray[np.uint64]
    seed: np.uint64
    compensated: bool

    phrases: npt.NDArray[np.int32]
    phrase_values: npt.NDArray[np.float64]
    phrase_whole: npt.NDArray[np.bool_]
    dampeners: npt.NDArray[np.int32]
    b_decr: float


# numba's caches on disk name this class and `Tables`: under other names, an old cache could not be loaded.
class Scratch(NamedTuple):
    """Room for the words of one text: numbers of all; of those with a valence, where they are in the text,
    where the same one was first, and in the bytes; and a table of the different ones among these."""

    codes: npt.NDArray[np.int32]
    laden: npt.NDArray[np.int32]
    firsts: npt.NDArray[np.int32]
    places: npt.NDArray[np.int64]
    seen: npt.NDArray[np.int32]


def room_for(size: int) -> Scratch:
    """What a text of so many bytes may need."""
    most = _most_words(size)
    seen = np.empty(_last_slot(most) + 1, np.int32)
    codes, laden, firsts = (np.empty(most, np.int32) for _ in range(3))
    return Scratch(codes, laden, firsts, np.empty(most, np.int64), seen)


def _most_words(size: int) -> int:
    """A word has two characters, and white space after it."""
    return size // 3 + 1


def _last_slot(words: int) -> int:
    """The last of 2^n slots, of which so many words fill no more than a half."""
    last = 15
    while last < 2 * words:
        last = last * 2 + 1
    return last


def hash_of(word: str, seed: int) -> int:
    """FNV-1a of the code points, from `seed` on."""
    value = seed
    for letter in map(ord, word):
        value = ((value ^ letter) * PRIME) & 0xFFFF_FFFF_FFFF_FFFF
    return value


# ---- compiled


# Without the GIL, and without counting references, which would take longer than the work (so nothing can be
# allocated in here).
OPTIONS: dict[str, Any] = {"nogil": True, "_nrt": False}


def _jit(function: Any, **options: Any) -> Any:
    """Without counting references to arrays, which takes longer than the work."""
    return compiled(function, _nrt=False, **options)


def _inlined(function: Any) -> Any:
    """A part of its caller: half of the time would be spent on handing over arrays."""
    return _jit(function, inline="always")


most_words = _jit(_most_words)
last_slot = _jit(_last_slot)


@_jit
def _decode(data, p, end):
    """The code point at byte `p`, and its size. Broken UTF-8 leads to no byte after `end`."""
    b = np.int64(data[p])
    if b < 0x80:
        return b, 1
    if b < 0xE0 and p + 1 < end:
        return (b & 0x1F) << 6 | (data[p + 1] & 0x3F), 2
    if b < 0xF0 and p + 2 < end:
        return (b & 0x0F) << 12 | (data[p + 1] & 0x3F) << 6 | (data[p + 2] & 0x3F), 3
    if p + 3 < end:
        high = (b & 0x07) << 18 | (data[p + 1] & 0x3F) << 12
        return high | (data[p + 2] & 0x3F) << 6 | (data[p + 3] & 0x3F), 4
    return NO_LETTER, 1


@_jit
def _about(c, characters):
    return np.int64(characters[c]) if c < characters.size else c


@_jit
def _hash(data, p, end, characters, seed):
    """`hash_of` the bytes' characters in lower case."""
    h = seed
    while p < end:
        c, size = _decode(data, p, end)
        h = (h ^ np.uint64(_about(c, characters) & LETTER)) * np.uint64(PRIME)
        p += size
    return h


@_inlined
def _find(data, begin, end, h, characters, slot_hash, slot_word, letters, starts):
    """The number of the word with hash `h`, with EXACT if it is; or PLAIN."""
    last = slot_word.size - 1
    slot = np.int64(h >> np.uint64(40)) & last
    while slot_word[slot] >= 0:
        if slot_hash[slot] == h:
            word = slot_word[slot]
            k, stop = starts[word], starts[word + 1]
            exact = True
            p = begin
            while p < end and k < stop:
                c, size = _decode(data, p, end)
                if _about(c, characters) & LETTER != letters[k]:
                    break
                exact = exact and c == letters[k]
                p += size
                k += 1
            if p == end and k == stop:
                return word << NUMBER | (EXACT if exact else 0)
        slot = (slot + 1) & last
    return PLAIN


@_inlined
def _is_mark(data, p, size, marks):
    if size > 8:
        return False
    mark = np.uint64(0)
    for k in range(size):
        mark |= np.uint64(data[p + k]) << np.uint64(8 * k)
    found = False
    for known in marks:
        found = found or mark == known
    return found


@_inlined
def _has_nt(data, begin, end):
    """Whether "n't" is there, in capitals or not: no other letters become these in lower case."""
    for p in range(begin + 1, end - 1):
        if data[p] == 0x27 and data[p - 1] | 0x20 == 0x6E and data[p + 1] | 0x20 == 0x74:
            return True
    return False


@_inlined
def _is(code, flag, flags):
    return flags[code >> NUMBER] & flag != 0


@_inlined
def _is_exact(code, flag, flags):
    return code & EXACT != 0 and flags[code >> NUMBER] & flag != 0


@_jit
def _phrase(a, b, c, flags, phrases):
    """Which idiom these words are, or −1. One of two words has −1 for `c`."""
    if not (_is_exact(a, PHRASE, flags) and _is_exact(b, PHRASE, flags)):
        return -1
    if c >= 0 and not _is_exact(c, PHRASE, flags):
        return -1
    for k in range(phrases.shape[0]):
        if phrases[k, 0] == a >> NUMBER and phrases[k, 1] == b >> NUMBER and phrases[k, 2] == c >> NUMBER:
            return k
    return -1


@_jit
def _dampens(a, b, flags, dampeners):
    if _is_exact(a, PHRASE, flags) and _is_exact(b, PHRASE, flags):
        for k in range(dampeners.shape[0]):
            if dampeners[k, 0] == a >> NUMBER and dampeners[k, 1] == b >> NUMBER:
                return True
    return False


@_jit
def _with_idioms(v, i, n, codes, flags, idioms):
    """NLTK's `_idioms_check` of the word at `i`, and whether it comes to an int."""
    phrases, phrase_values, phrase_whole, dampeners, b_decr = idioms
    three, two, one, word = codes[i - 3], codes[i - 2], codes[i - 1], codes[i]
    none = np.int32(-1)
    k = _phrase(one, word, none, flags, phrases)
    if k < 0:
        k = _phrase(two, one, word, flags, phrases)
    if k < 0:
        k = _phrase(two, one, none, flags, phrases)
    if k < 0:
        k = _phrase(three, two, one, flags, phrases)
    if k < 0:
        k = _phrase(three, two, none, flags, phrases)
    if i + 1 < n:
        after = _phrase(word, codes[i + 1], none, flags, phrases)
        k = after if after >= 0 else k
    if i + 2 < n:
        after = _phrase(word, codes[i + 1], codes[i + 2], flags, phrases)
        k = after if after >= 0 else k
    whole = False
    if k >= 0:
        v, whole = phrase_values[k], phrase_whole[k]
    if _dampens(three, two, flags, dampeners) or _dampens(two, one, flags, dampeners):
        v, whole = v + b_decr, False
    return v, whole


@_inlined
def _valence(i, n, codes, mixed, flags, valences, boosts, c_incr, n_scalar, idioms):  # noqa: C901
    """NLTK's `sentiment_valence` of the word at `i` of `n`, and whether it is an int."""
    code = codes[i]
    if _is(code, BOOSTER, flags) or (_is(code, KIND, flags) and i + 1 < n and _is(codes[i + 1], OF, flags)):
        return 0.0, True
    v = valences[code >> NUMBER]
    whole = False
    if mixed and code & CAPITALS:
        v = v + c_incr if v > 0 else v - c_incr
    for back in range(min(i, 3)):
        before = codes[i - back - 1]
        if _is(before, VALENCE, flags):
            continue
        s = 0.0
        if _is(before, BOOSTER, flags):
            s = boosts[before >> NUMBER]
            if v < 0:
                s = -s
            if mixed and before & CAPITALS:
                s = s + c_incr if v > 0 else s - c_incr
            if back == 1:
                s *= 0.95
            elif back == 2:
                s *= 0.9
        v += s
        if back == 1 and _is_exact(before, NEVER, flags) and _is_exact(codes[i - 1], SO, flags):
            v *= 1.5
        elif back == 2 and (
            (_is_exact(before, NEVER, flags) and _is_exact(codes[i - 2], SO, flags))
            or _is_exact(codes[i - 1], SO, flags)
        ):
            v *= 1.25
        elif _is(before, NEGATION, flags):
            v *= n_scalar
        if back == 2:
            v, whole = _with_idioms(v, i, n, codes, flags, idioms)
    if (
        i > 0
        and _is(codes[i - 1], LEAST, flags)
        and not _is(codes[i - 1], VALENCE, flags)
        and not (i > 1 and _is(codes[i - 2], SPARING, flags))
    ):
        v, whole = v * n_scalar, False
    return v, whole


@_jit
def _rounded(x, unit):
    """Python's round(x, digits) of |x| ≤ 1, with unit = 10 ** digits ≤ 10,000: of two nearest the even."""
    size = abs(x)
    scaled = size * unit
    below = np.floor(scaled)
    rest = scaled - below - 0.5
    if abs(rest) < 1e-6:
        # What was rounded away in `scaled` decides. Both halves (Veltkamp's split) times the unit are exact.
        t = size * 134217729.0
        high = t - (t - size)
        rest = (high * unit - (below + 0.5)) + (size - high) * unit
    if rest > 0 or (rest == 0 and below % 2 == 1):
        below += 1
    return np.copysign(below / unit, x)


@_jit
def score_batch(data, offsets, tables, scratch, out, undecided, unseen):  # noqa: C901 (calls take time)
    """Score text k, bytes offsets[k] to offsets[k + 1] of `data`, into out[:, k]: neg, neu, pos, compound.

    data: uint8, UTF-8; offsets: int64 [texts + 1]; scratch: room for the longest text; out: float64
    [4, texts]; undecided: bool [texts], set where Python is to score the text; unseen: uint8 [texts], what
    the characters of the text are to `unseen`, but for texts that are undecided.
    """
    characters, slot_hash, slot_word, letters, starts = tables[:5]
    flags, valences, boosts, c_incr, n_scalar, marks, seed, compensated = tables[5:13]
    idioms = tables[13:]
    codes, laden, firsts, places, seen = scratch
    for k in range(offsets.size - 1):
        p, end = offsets[k], offsets[k + 1]
        last = last_slot(most_words(end - p))
        undecided[k] = False
        unseen[k] = 0
        n = valent = capitals = bangs = questions = 0
        but = -1

        # ---- read: characters become words, and these numbers
        while p < end:
            begin = p
            count = punctuation = leading = trailing = 0
            kinds = size = 0
            h = rest_hash = seed
            while p < end:
                c, size = _decode(data, p, end)
                about = _about(c, characters)
                if about & SPACE:
                    break
                kinds |= about
                count += 1
                p += size
                h = (h ^ np.uint64(about & LETTER)) * np.uint64(PRIME)
                if about & PUNCTUATION:
                    punctuation += 1
                    trailing += 1
                    if punctuation == count:
                        leading = count
                    if about & BANG:
                        bangs += 1
                    if about & QUESTION:
                        questions += 1
                else:
                    trailing = 0
                    rest_hash = h
            stop = p
            if p < end:
                p += size
            if kinds >= UNSURE:  # that flag, or those after it: one comparison for both
                unseen[k] |= kinds >> UNSEEN
                if count > 1 and kinds & UNSURE:
                    undecided[k] = True
                    break
            if count < 2:
                continue
            if 0 < punctuation < count - 1:
                if punctuation == leading and _is_mark(data, begin, leading, marks):
                    begin += leading
                    h = _hash(data, begin, stop, characters, seed)
                elif punctuation == trailing and _is_mark(data, stop - trailing, trailing, marks):
                    stop -= trailing
                    h = rest_hash
            code = _find(data, begin, stop, h, characters, slot_hash, slot_word, letters, starts)
            if code == PLAIN and punctuation and _has_nt(data, begin, stop):
                code = PLAIN_NEGATION << NUMBER
            if kinds & UPPER and not kinds & LOWER:
                code |= CAPITALS
                capitals += 1
            codes[n] = code
            if but < 0 and _is(code, BUT, flags):
                but = n
            if _is(code, VALENCE, flags):
                if valent == 0:
                    for slot in range(last + 1):
                        seen[slot] = -1
                h = seed
                for q in range(begin, stop):
                    h = (h ^ np.uint64(data[q])) * np.uint64(PRIME)
                slot = np.int64(h >> np.uint64(32)) & last
                while seen[slot] >= 0:
                    # The same word in the same bytes: no character's bytes begin another's.
                    if codes[laden[seen[slot]]] == code:
                        q, r = begin, places[seen[slot]]
                        while q < stop and data[q] == data[r]:
                            q += 1
                            r += 1
                        if q == stop:
                            break
                    slot = (slot + 1) & last
                if seen[slot] < 0:
                    seen[slot] = valent
                laden[valent] = n
                places[valent] = begin
                firsts[valent] = laden[seen[slot]]
                valent += 1
            n += 1
        if n == 0 or undecided[k]:
            for q in range(4):
                out[q, k] = 0.0
            continue

        # ---- weigh: numbers become sums
        mixed = 0 < capitals < n
        total = lost = positive = negative = 0.0
        neutral = n - valent
        # Python's sum makes up for rounding from the second float on, and not for ints.
        floating = but >= 0
        for m in range(valent):
            v, whole = _valence(firsts[m], n, codes, mixed, flags, valences, boosts, c_incr, n_scalar, idioms)
            if but >= 0 and laden[m] != but:
                v *= 0.5 if laden[m] < but else 1.5
                whole = False
            t = total + v
            if compensated and floating and not whole:
                lost += (total - t) + v if abs(total) >= abs(v) else (v - t) + total
            floating = floating or not whole
            total = t
            if v > 0:
                positive += v + 1
            elif v < 0:
                negative += v - 1
            else:
                neutral += 1
        if abs(lost) < np.inf:
            total += lost

        # ---- NLTK's `score_valence`
        emphasis = min(bangs, 4) * 0.292
        if questions > 3:
            emphasis += 0.96
        elif questions > 1:
            emphasis += questions * 0.18
        if total > 0:
            total += emphasis
        elif total < 0:
            total -= emphasis
        if positive > abs(negative):
            positive += emphasis
        elif positive < abs(negative):
            negative -= emphasis
        everything = positive + abs(negative) + neutral
        if not (everything < np.inf and total * total < np.inf):
            undecided[k] = True
            continue
        out[0, k] = _rounded(abs(negative / everything), 1e3)
        out[1, k] = _rounded(neutral / everything, 1e3)
        out[2, k] = _rounded(positive / everything, 1e3)
        out[3, k] = _rounded(total / np.sqrt(total * total + 15), 1e4)
