"""Compiled loops over bytes: of text that was read, and cells put into rows.

Importing this imports numba, which takes half a second: only processes that read files do.
"""

import numpy as np

from jobyard.workers.compiled import compiled

QUOTE, RETURN, NEWLINE, COMMA, BACKSLASH = (ord(mark) for mark in '"\r\n,\\')

# How a cell is written.
PLAIN, CSV, JSON, CSV_ESCAPED = range(4)

SPACE = ord(" ")
APOSTROPHE = ord("'")
POINT = ord(".")

# How many bytes JSON needs for a byte of a string, and the letter of an escape of two.
WIDTHS = np.array([6 if byte < 32 else 1 for byte in range(256)], np.uint8)
LETTERS = np.zeros(256, np.uint8)
for _byte, _letter in zip(b'"\\\b\f\n\r\t', b'"\\bfnrt', strict=True):
    WIDTHS[_byte], LETTERS[_byte] = 2, _letter
# What the byte after a backslash is: in quotes, where other backslashes stay (0), and in PostgreSQL's text.
QUOTE_ESCAPES = np.zeros(256, np.uint8)
QUOTE_ESCAPES[[QUOTE, BACKSLASH]] = QUOTE, BACKSLASH
TEXT_ESCAPES = np.arange(256).astype(np.uint8)
for _letter, _byte in zip(b"bfnrtv", b"\b\f\n\r\t\v", strict=True):
    TEXT_ESCAPES[_letter] = _byte
HEX = np.frombuffer(b"0123456789abcdef", np.uint8)
UNICODE = np.frombuffer(b"\\u00", np.uint8)


@compiled
def flawed(  # type: ignore[no-untyped-def] # noqa: C901 - one loop, as `rows_of`
    buffer, starts, ends, allows_zero, flags
):
    """Flag each row of bytes that is no text: not UTF-8 as Python has it, or with a zero byte.

    Row r has the bytes from `starts[r]` to `ends[r]`. Flags that are set stay set. Nothing is found wrong
    with zero bytes if `allows_zero`.
    """
    for row in range(len(starts)):
        at = starts[row]
        end = ends[row]
        while at < end:
            byte = buffer[at]
            if byte < 0x80:
                if byte == 0 and not allows_zero:
                    break
                at += 1
                continue
            # How many bytes follow, and between which the first of these is.
            low, high = 0x80, 0xBF
            if 0xC2 <= byte <= 0xDF:
                more = 1
            elif 0xE0 <= byte <= 0xEF:
                more = 2
                if byte == 0xE0:
                    low = 0xA0
                elif byte == 0xED:
                    high = 0x9F
            elif 0xF0 <= byte <= 0xF4:
                more = 3
                if byte == 0xF0:
                    low = 0x90
                elif byte == 0xF4:
                    high = 0x8F
            else:
                break
            if at + more >= end or buffer[at + 1] < low or buffer[at + 1] > high:
                break
            if more > 1 and (buffer[at + 2] & 0xC0) != 0x80:
                break
            if more > 2 and (buffer[at + 3] & 0xC0) != 0x80:
                break
            at += more + 1
        if at < end:
            flags[row] = True


@compiled
def newlines(buffer, begin, end):  # type: ignore[no-untyped-def]
    """How many lines end there."""
    count = 0
    for at in range(begin, end):
        count += buffer[at] == NEWLINE
    return count


@compiled
def without_returns(buffer, starts, ends):  # type: ignore[no-untyped-def]
    """Move the end of each row before the carriage returns that it ends with."""
    for row in range(len(starts)):
        while ends[row] > starts[row] and buffer[ends[row] - 1] == RETURN:
            ends[row] -= 1


@compiled
def longest_of(data):  # type: ignore[no-untyped-def]
    """The length of the longest string of a Parquet page in PLAIN encoding: lengths of 4 bytes, and bytes."""
    longest = 0
    at = 0
    while at + 4 <= len(data):
        length = data[at] | data[at + 1] << 8 | data[at + 2] << 16 | data[at + 3] << 24
        longest = max(longest, length)
        at += 4 + length
    return longest


@compiled
def undoubled(buffer, starts, lengths, offsets, data):  # type: ignore[no-untyped-def]
    """Copy fields, as `rows_of` found them, one after another: `offsets` and `data` of an Arrow array."""
    to = 0
    for row in range(len(starts)):
        offsets[row] = to
        start = starts[row]
        length = lengths[row]
        if start >= 0:
            for at in range(length):
                data[to + at] = buffer[start + at]
        else:
            start = ~start
            for at in range(length):
                data[to + at] = buffer[start]
                start += 2 if buffer[start] == QUOTE else 1
        to += length
    offsets[len(starts)] = to


@compiled
def unescaped(offsets, data, letters, places, out):  # type: ignore[no-untyped-def]
    """Copy strings without the backslashes before `letters`, as what these stand for. Returns their size."""
    to = 0
    for row in range(len(offsets) - 1):
        places[row] = to
        at = offsets[row]
        end = offsets[row + 1]
        while at < end:
            byte = data[at]
            at += 1
            if byte == BACKSLASH and at < end and letters[data[at]]:
                byte = letters[data[at]]
                at += 1
            out[to] = byte
            to += 1
    places[len(offsets) - 1] = to
    return to


@compiled
def _quotes(data, begin, end):  # type: ignore[no-untyped-def]
    """How many quotes a field of CSV has, and whether it has to stand in quotes."""
    quotes = 0
    others = 0
    for at in range(begin, end):
        byte = data[at]
        quotes += byte == QUOTE
        others += (byte == COMMA) | (byte == NEWLINE) | (byte == RETURN)
    return quotes, quotes + others > 0


@compiled
def _is_number(data, at, end):  # type: ignore[no-untyped-def]
    """Whether a field is digits with at most one point among them, and perhaps an exponent."""
    digits = 0
    points = 0
    while at < end and (48 <= data[at] <= 57 or (data[at] == POINT and not points)):
        points += data[at] == POINT
        digits += data[at] != POINT
        at += 1
    if not digits:
        return False
    if at < end and (data[at] == 69 or data[at] == 101):  # E and e
        at += 1
        if at < end and (data[at] == 43 or data[at] == 45):
            at += 1
        if at == end:
            return False
        while at < end and 48 <= data[at] <= 57:
            at += 1
    return at == end


@compiled
def is_formula(data, begin, end):  # type: ignore[no-untyped-def]
    """Whether a spreadsheet takes a field for a formula: by =, +, -, @ (also of full width), tab, CR or LF.

    A number with its sign is none.
    """
    if begin == end:
        return False
    first = data[begin]
    if first == 43 or first == 45:
        return not _is_number(data, begin + 1, end)
    if first == 0xEF and end - begin >= 3 and data[begin + 1] == 0xBC:
        third = data[begin + 2]
        return third == 0x9D or third == 0x8B or third == 0x8D or third == 0xA0
    return first == 61 or first == 64 or first == 9 or first in (RETURN, NEWLINE)


@compiled
def measure(offsets, data, nulls, null_length, prefix_length, style, sizes):  # type: ignore[no-untyped-def]
    """Add to `sizes` how many bytes `put` writes for each cell of a column."""
    for row in range(len(sizes)):
        if len(nulls) and nulls[row]:
            sizes[row] += prefix_length + null_length
            continue
        begin, end = offsets[row], offsets[row + 1]
        size = prefix_length + end - begin
        if style in (CSV, CSV_ESCAPED):
            quotes, is_quoted = _quotes(data, begin, end)
            size += quotes + 2 * is_quoted
            if style == CSV_ESCAPED:
                size += is_formula(data, begin, end)
        elif style == JSON:
            size += 2
            for at in range(begin, end):
                size += WIDTHS[data[at]] - 1
        sizes[row] += size


@compiled
def put(offsets, data, nulls, null, prefix, style, cursors, out):  # type: ignore[no-untyped-def]
    """Write each cell of a column, after `prefix`, at its row's cursor in `out`; moves the cursors."""
    for row in range(len(cursors)):
        to = _copy(prefix, 0, len(prefix), out, cursors[row])
        begin, end = offsets[row], offsets[row + 1]
        if len(nulls) and nulls[row]:
            to = _copy(null, 0, len(null), out, to)
        elif style == JSON:
            to = _put_json(data, begin, end, out, to)
        elif style == CSV and _quotes(data, begin, end)[1]:
            to = _put_quoted(data, begin, end, out, to, False)
        elif style == CSV_ESCAPED:
            escapes = is_formula(data, begin, end)
            if _quotes(data, begin, end)[1]:
                to = _put_quoted(data, begin, end, out, to, escapes)
            else:
                if escapes:
                    out[to] = APOSTROPHE
                    to += 1
                to = _copy(data, begin, end, out, to)
        else:
            to = _copy(data, begin, end, out, to)
        cursors[row] = to


@compiled
def _copy(data, begin, end, out, to):  # type: ignore[no-untyped-def]
    for at in range(begin, end):
        out[to] = data[at]
        to += 1
    return to


@compiled
def _put_quoted(data, begin, end, out, to, escapes):  # type: ignore[no-untyped-def]
    """A field of CSV in quotes; those inside it are doubled."""
    out[to] = QUOTE
    to += 1
    if escapes:
        out[to] = APOSTROPHE
        to += 1
    for at in range(begin, end):
        out[to] = data[at]
        to += 1
        if data[at] == QUOTE:
            out[to] = QUOTE
            to += 1
    out[to] = QUOTE
    return to + 1


@compiled
def _put_json(data, begin, end, out, to):  # type: ignore[no-untyped-def]
    """A string of JSON, escaped as Python's json does it."""
    out[to] = QUOTE
    to += 1
    for at in range(begin, end):
        byte = data[at]
        width = WIDTHS[byte]
        if width == 1:
            out[to] = byte
        elif width == 2:
            out[to] = BACKSLASH
            out[to + 1] = LETTERS[byte]
        else:
            to = _copy(UNICODE, 0, len(UNICODE), out, to) - len(UNICODE)
            out[to + 4] = HEX[byte >> 4]
            out[to + 5] = HEX[byte & 15]
        to += width
    out[to] = QUOTE
    return to + 1
