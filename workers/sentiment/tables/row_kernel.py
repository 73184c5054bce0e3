"""The compiled loop that finds the rows of delimited text.

Importing this imports numba, which takes half a second: only processes that read files do.
"""

from jobyard.workers.compiled import compiled
from jobyard.workers.sentiment.tables.kernels import NEWLINE, QUOTE, RETURN, SPACE, newlines

# Why a row is broken.
RAGGED, UNCLOSED, CLOSED_LATER, UNDOUBLED, QUOTE_TOO_LONG, TOO_LONG = range(6)

# Columns of what `rows_of` notes of a broken row: where and why it is broken, and how many fields it has.
AT, WHY, FIELDS = range(3)

# Columns of what it notes of a row: its bytes, and how many fields it has.
BEGIN, END, COUNT = range(3)

# What it counts: fields in quotes, and rows over several lines each of which would be a row by itself;
# where the last of these began and ended.
QUOTED, MERGED, MERGED_BEGIN, MERGED_END = range(4)
COUNTS = 4


@compiled
def _before_row(buffer, begin, end, delimiter, width, whole):  # type: ignore[no-untyped-def]
    """The end of the first of the lines up to `end`, if the next one has delimiters as a row has; else `end`.

    The last line of the buffer need not end with a newline if the buffer is `whole`.
    """
    line = begin
    while line < end and buffer[line] != NEWLINE:
        line += 1
    if line == end:
        return end
    delimiters = 0
    at = line + 1
    while at < len(buffer) and buffer[at] != NEWLINE:
        delimiters += buffer[at] == delimiter
        at += 1
    return line if delimiters == width - 1 and (at < len(buffer) or whole) else end


@compiled
def _is_merged(buffer, begin, end, delimiter, fields):  # type: ignore[no-untyped-def]
    """Whether a row has several lines, and in each as many delimiters as in a row."""
    if fields == 1 or newlines(buffer, begin, end) < 2:
        return False
    delimiters = 0
    for at in range(begin, end):
        if buffer[at] == delimiter:
            delimiters += 1
        elif buffer[at] == NEWLINE:
            if delimiters != fields - 1:
                return False
            delimiters = 0
    return True


@compiled
def rows_of(  # type: ignore[no-untyped-def] # noqa: C901 - one loop: to go through functions costs half the speed
    buffer,
    begin,
    stop,
    is_last,
    delimiter,
    unquoted,
    escape,
    padding,
    longest,
    width,
    keeps_blank,
    starts,
    lengths,
    spans,
    rows,
    most,
    breaks,
    skip,
    counts,
):
    """The rows of delimited text in `buffer[begin:stop]`.

    Without `escape` and `padding`, which are None then, and but for carriage returns, these are what Python's
    csv module finds if it is strict. Lines end with LF, or with carriage returns and LF; other carriage
    returns are letters. A field in quotes has those inside it doubled; if `unquoted` is not None, there are
    no quotes. After an `escape` the next byte is a letter whatever it is: in quotes, or everywhere if there
    are no quotes. `padding` may stand before any field, and after one in quotes.

    Field f of row r begins at `starts[r, f]` (`~` that, if it has doubled quotes), and has `lengths[r, f]`
    bytes once these are undoubled; of the row BEGIN, END and COUNT are in `spans`. Where there is no room
    for these nothing is kept, and rows are counted only. They are numbered from `rows` on, up to `most`.
    A row of other than `width` fields is broken, unless that is 0. Blank lines, also of spaces, are no rows
    unless `keeps_blank`: then they have one field. Unless `is_last`, a row that may continue is left for
    later.

    A broken row ends with its line, or with the line on which the quote opens that breaks it: what follows
    may be rows. The first ones are noted in `breaks`, by AT, WHY and FIELDS. Unless `skip`, the first one
    ends it. `counts`, if it has room, are added to.

    Returns (rows, where the next row begins, broken rows, whether the last of these continues after
    `buffer`).
    """
    columns = starts.shape[1]
    broken = 0
    if unquoted is None:
        quote = QUOTE  # a constant: half the speed hangs on it
    else:
        quote = -1
    while begin < stop and rows < most:
        is_too_long = stop - begin > longest
        whole = is_last and not is_too_long
        end = min(stop, begin + longest)
        at = begin
        fields = 0
        quoted = 0
        why = -1
        while at < end and (buffer[at] == RETURN or buffer[at] == SPACE):
            at += 1
        is_blank = not keeps_blank and (at == end or buffer[at] == NEWLINE)
        if not is_blank:
            at = begin
            while True:
                doubled = 0
                if padding is not None:
                    while at < end and buffer[at] == padding:
                        at += 1
                if at < end and buffer[at] == quote:
                    opened = at
                    at += 1
                    while True:
                        if escape is not None:
                            while at < end and buffer[at] != quote:
                                at += 2 if buffer[at] == escape else 1
                            break
                        while at < end and buffer[at] != quote:
                            at += 1
                        if at + 1 < end and buffer[at + 1] == quote:
                            doubled += 1
                            at += 2
                        else:
                            break
                    if at >= end or (at + 1 == end and not whole):
                        if not whole and not is_too_long:
                            return rows, begin, broken, False
                        why = QUOTE_TOO_LONG if is_too_long else UNCLOSED
                        at = opened
                        break
                    start = opened + 1
                    length = at - start - doubled
                    quoted += 1
                    at += 1
                    if padding is not None:
                        while at < end and buffer[at] == padding:
                            at += 1
                    if (
                        at < end
                        and buffer[at] != delimiter
                        and buffer[at] != NEWLINE
                        and buffer[at] != RETURN
                    ):
                        why = UNDOUBLED
                        if newlines(buffer, opened, at):
                            why = CLOSED_LATER
                            at = opened
                        break
                else:
                    start = at
                    while True:
                        while (
                            at < end
                            and buffer[at] != delimiter
                            and buffer[at] != NEWLINE
                            and buffer[at] != RETURN
                        ):
                            if escape is not None:  # noqa: SIM102 - numba leaves it out where it is None
                                if quote < 0 and buffer[at] == escape:
                                    at += 1
                            at += 1
                        if at < end and buffer[at] == RETURN:
                            after = at + 1
                            while after < end and buffer[after] == RETURN:
                                after += 1
                            if after < end and buffer[after] != NEWLINE:
                                at = after
                                continue
                        break
                    if escape is not None:
                        at = min(at, end)
                    length = at - start
                if fields < columns:
                    starts[rows, fields] = ~start if doubled else start
                    lengths[rows, fields] = length
                fields += 1
                if at < end and buffer[at] == delimiter:
                    at += 1
                    continue
                break
        if why < 0:
            while at < end and buffer[at] == RETURN:
                at += 1
            if at < end:
                if buffer[at] == NEWLINE:
                    at += 1
                else:  # a carriage return after a field in quotes, and more
                    why = UNDOUBLED
            elif is_too_long:
                at -= 1
                why = TOO_LONG
            elif not whole:
                return rows, begin, broken, False
        if why < 0 and fields and width and fields != width:
            why = RAGGED
            at -= 1
        if why >= 0 and why != UNDOUBLED and quoted:
            # Perhaps by a quote that another one on a later line closed: if that line is a row. This must not
            # depend on what comes after the row: at the end of a part it is not there.
            line = _before_row(buffer, begin, at, delimiter, width, whole)
            if line < at:
                why = CLOSED_LATER
                at = line
        if why < 0:
            if fields:
                if len(spans):
                    spans[rows, BEGIN] = begin
                    spans[rows, END] = at
                    spans[rows, COUNT] = fields
                rows += 1
                if quoted and len(counts):
                    counts[QUOTED] += quoted
                    if _is_merged(buffer, begin, at, delimiter, fields):
                        counts[MERGED] += 1
                        counts[MERGED_BEGIN] = begin
                        counts[MERGED_END] = at
            begin = at
            continue
        if broken < len(breaks):
            breaks[broken, AT] = at
            breaks[broken, WHY] = why
            breaks[broken, FIELDS] = fields
        broken += 1
        while at < len(buffer) and buffer[at] != NEWLINE:
            at += 1
        if at == len(buffer):
            return rows, at, broken, True
        begin = at + 1
        if not skip:
            break
    return rows, begin, broken, False
