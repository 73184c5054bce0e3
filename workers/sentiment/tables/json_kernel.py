"""A compiled loop over JSON: where its elements begin and end."""

import numpy as np

from jobyard.workers.compiled import compiled

QUOTE, BACKSLASH = ord('"'), ord("\\")

COMMA, COLON = ord(","), ord(":")

# What `elements_of` is in the middle of: how many brackets are open, whether a string is, whether the next
# byte of it is escaped, whether an element is, and whether that is a bare word or number.
DEPTH, IN_STRING, ESCAPED, IN_ELEMENT, BARE = range(5)
# What came last between elements: START, a COMMA, or an element (OVER). And how often in an array a comma is
# missing, one has no element before it, or there is a colon; 1 in NOTED says where: so many bytes on.
LAST, MISSING, ALONE, COLONS, NOTED, WHERE = range(5, 11)
STATE = 11
START, OVER = 0, 1

OPENING = np.zeros(256, np.int8)
SPACING = np.zeros(256, np.bool_)
for _byte in b"[{":
    OPENING[_byte] = 1
for _byte in b"]}":
    OPENING[_byte] = -1
for _byte in b" \t\r\n,:\x1e":
    SPACING[_byte] = True


@compiled
def elements_of(buffer, begin, state, starts, ends):  # type: ignore[no-untyped-def] # noqa: C901 - one loop
    """Find the elements of JSON in `buffer[begin:]`, which is inside of an array, an object or nothing.

    Commas, colons and white space are between them; what is in them is not looked at. The first one may have
    begun before the buffer: then it begins at -1. `state` is for the next call: STATE numbers, 0 at first.
    There is room for as many as `starts` and `ends` have.

    Returns (how many, where it stopped, whether a closing bracket of what they are in is there, where the
    element begins that continues after the buffer: -1 if before it).
    """
    count = 0
    start = -1
    at = begin
    while at < len(buffer) and count < len(starts):
        byte = buffer[at]
        is_end = False
        if state[IN_STRING]:
            if state[ESCAPED]:
                state[ESCAPED] = 0
            elif byte == BACKSLASH:
                state[ESCAPED] = 1
            elif byte == QUOTE:
                state[IN_STRING] = 0
                is_end = state[DEPTH] == 0
            at += 1
        elif state[DEPTH]:
            if byte == QUOTE:
                state[IN_STRING] = 1
            else:
                state[DEPTH] += OPENING[byte]
                is_end = state[DEPTH] == 0
            at += 1
        elif state[IN_ELEMENT]:  # bare
            is_end = SPACING[byte] or OPENING[byte] != 0 or byte == QUOTE
            at += not is_end
        elif SPACING[byte]:
            if byte in (COMMA, COLON):
                if byte == COLON or state[LAST] != OVER:
                    state[COLONS if byte == COLON else ALONE] += 1
                    if not state[NOTED]:
                        state[NOTED], state[WHERE] = 1, at
                state[LAST] = COMMA
            at += 1
        elif OPENING[byte] < 0:
            return count, at, True, -1
        else:
            start = at
            if state[LAST] == OVER:
                state[MISSING] += 1
                if not state[NOTED]:
                    state[NOTED], state[WHERE] = 1, at
            state[LAST] = OVER
            state[IN_ELEMENT] = 1
            state[DEPTH] = OPENING[byte]
            state[IN_STRING] = byte == QUOTE
            state[BARE] = not state[DEPTH] and not state[IN_STRING]
            at += 1
        if is_end:
            starts[count] = start
            ends[count] = at
            count += 1
            start = -1
            state[IN_ELEMENT] = 0
            state[BARE] = 0
    return count, at, False, start
