"""How delimited text is written, as far as its first bytes and what was asked for tell.

Each delimiter and each way of quoting is tried on the first bytes, by the loop that reads the file later.
What leaves the fewest rows broken is meant; where two leave none, what has the column that was asked for.
"""

import csv
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from jobyard.shared.errors import WorkError
from jobyard.workers.sentiment.tables import drawings, headers
from jobyard.workers.sentiment.tables.dialects import DELIMITERS, NOTHING, SPACE, Dialect, separated
from jobyard.workers.sentiment.tables.readings import LONG_BYTES, Head, Reading

SEPARATOR = re.compile(rb'"?sep=([!#-/:-@[\]-`{-~\t\x01])"?[\r\n]', re.IGNORECASE)
ESCAPE = re.compile(rb"\\[ntr\\]")
NULL_CELL = re.compile(rb"(?:^|\t)\\N(?:\t|\r*$)", re.MULTILINE)
# A comma of prose: before a space, within a number, or at the end of a line.
PROSE = re.compile(r",(?=\s|$)|(?<=\d),(?=\d)")
# What is rarely between fields, and not looked for: where all lines have it, that is to be said.
OTHERS = ("^", "~", ":", "&", "#", "/", "\x02", "\x1e", "\x1f")
DECIMAL = re.compile(r"[+-]?\d+,\d+")


@dataclass(frozen=True)
class Asked:
    """What is known beforehand; what is None, or "auto", is to be found out.

    `names` are columns that the header should have; the first that it has decides. `texts` is the name of the
    column of texts.
    """

    delimiter: str | None = None
    quote: str = "auto"
    header: str = "auto"
    skip_lines: int | None = None
    nulls: Sequence[str] = ()
    names: Sequence[str] = ()
    texts: str | None = None
    # A delimiter that the file's name speaks for.
    expected: str = ","


@dataclass(frozen=True)
class Sniffed:
    """A dialect, and sentences about what was decided.

    `names` are those of the header, or of no use; `has_names`: one of them was asked for. `is_wide`: there
    are several columns; `is_table`: and all rows agree; `is_clear`: and there is a header, without doubt.
    """

    dialect: Dialect
    names: list[str]
    has_names: bool
    is_wide: bool
    is_table: bool
    is_clear: bool
    warnings: list[str] = field(default_factory=list)


def sniff(
    data: bytes, begin: int, asked: Asked, *, is_whole: bool, longer: Callable[[], bytes] | None = None
) -> Sniffed:
    """The dialect of a file whose text begins at `begin` of its first bytes.

    `longer` returns the first LONG_BYTES, which are looked at where a field may be longer than `data`. Raises
    WorkError where two readings are as good.
    """
    head = Head(data, begin, is_whole=is_whole)
    told = SEPARATOR.match(data, begin)
    if told and asked.delimiter is None:
        asked = replace(asked, delimiter=told[1].decode("latin-1"))
    start = told.end() if told else begin
    start = data.find(b"\n", start - 1) + 1 if told else start
    if asked.skip_lines is not None:
        start = max(begin, head.after_lines(asked.skip_lines))
    readings = [
        _best_quoting(head, delimiter, start, asked)
        for delimiter in ([asked.delimiter] if asked.delimiter else DELIMITERS)
    ]
    if longer is not None and head.has_open_quote:
        more_data = longer()
        return sniff(more_data, begin, asked, is_whole=len(more_data) < LONG_BYTES)
    has_names = [_start(reading, asked) for reading in readings]
    reading, sentences = _choose(readings, has_names, asked)
    is_named = has_names[readings.index(reading)]
    if asked.delimiter is None and reading.width == 1:
        reading, is_named, more = _of_one_column(reading, start, asked, is_named=is_named)
        sentences += more
    drawings.refuse_drawn(head.data[reading.begin :])
    if asked.delimiter is None and reading.width == 1 and not is_named:
        _refuse_several(reading)
    verdict = _header(reading, asked, is_named=is_named)
    return _sniffed(head, reading, verdict, asked, sentences, is_named)


def _start(reading: Reading, asked: Asked) -> bool:
    """Find where the table begins. True if its header has a name that was asked for."""
    is_named = reading.start_at(asked.names, asked.texts) and asked.header != "no"
    if asked.skip_lines is not None or asked.header == "no":
        reading.start_plain(asked.texts, has_header=asked.header != "no")
    if asked.delimiter is not None and asked.quote != "auto" and asked.header == "yes":
        reading.leave_margins()  # all is said, so rows that don't fit are broken
    return is_named


def _of_one_column(
    reading: Reading, start: int, asked: Asked, *, is_named: bool
) -> tuple[Reading, bool, list[str]]:
    """The reading if there are other delimiters than the usual ones, and sentences about it."""
    head = reading.head
    spaces = _best_quoting(head, SPACE, start, replace(asked, delimiter=SPACE))
    is_quoted = head.data.startswith(b'"', start) and spaces.quoted >= len(spaces.counts)
    if is_quoted and _start(spaces, asked) and spaces.width > 1 and not spaces.bad:
        return spaces, True, []
    if reading.dialect.delimiter != "," or not reading.bad or not _is_prose(reading):
        return reading, is_named, []
    alone = _best_quoting(head, NOTHING, start, replace(asked, delimiter=NOTHING))
    is_named = _start(alone, asked)
    if alone.bad or reading.first != alone.first:
        return reading, is_named, []
    return (
        alone,
        is_named,
        [
            "the header has one name, so commas are read as letters; if they are between fields, set "
            "`delimiter`"
        ],
    )


def _refuse_several(reading: Reading) -> None:
    """Raises WorkError for rows of one field that are several: in quotes, or with another delimiter."""
    lines = [row[0] for row in reading.rows[reading.first :]]
    is_quoted = reading.quoted == len(reading.counts)
    for delimiter in DELIMITERS if is_quoted else OTHERS:
        rows = _split(lines, delimiter)
        if len(rows) < 2 or len({len(row) for row in rows}) > 1 or len(rows[0]) < 2:
            continue
        if is_quoted:
            raise WorkError(
                f"each line is in quotes as a whole, so all of it is one column, {lines[0][:100]!r}; should "
                "be written without these quotes"
            )
        if _are_names(rows[0]) and not any(cell.startswith((" ", "//")) for row in rows for cell in row):
            raise WorkError(
                f"the columns may be {separated(delimiter)}, since each line has as many; `delimiter` should "
                "say so, or be a comma",
                field="delimiter",
            )


def _split(lines: Sequence[str], delimiter: str) -> list[list[str]]:
    """Their fields; none if a field has a line break, which Python's csv module refuses."""
    try:
        return list(csv.reader(lines, delimiter=delimiter))
    except csv.Error:
        return []


def _are_names(cells: Sequence[str]) -> bool:
    return all(cell and headers.is_name(cell) and not headers.is_value(cell) for cell in cells)


def _is_prose(reading: Reading) -> bool:
    """Whether all commas are those of sentences, below a header that has none."""
    rows = reading.rows[reading.first + 1 :]
    several = [row for row in rows if len(row) > 1]
    has_fields = len(several) == len(rows) and all(headers.is_value(row[-1].strip()) for row in rows)
    return not has_fields and not any("," in PROSE.sub("", ",".join(row)) for row in several)


def _best_quoting(head: Head, delimiter: str, begin: int, asked: Asked) -> Reading:
    found: dict[str, Reading] = {}
    for quote in _quotings(head, delimiter, asked):
        dialect = Dialect(delimiter, quote, nulls=tuple(asked.nulls))
        found[quote] = Reading(head, dialect, begin)
        mark = re.escape(delimiter.encode())
        around_quote = mark + rb' +"|" +' + mark
        if (
            quote in ("double", "backslash")
            and delimiter != SPACE
            and (re.search(around_quote, head.data) or _has_padding(found[quote]))
        ):
            padded = Reading(head, dialect._replace(is_padded=True), begin)
            if padded.bad <= found[quote].bad and (
                padded.quoted > found[quote].quoted or _has_padding(padded)
            ):
                found[quote] = padded
    if len(found) == 1:
        return next(iter(found.values()))
    plain = found.get("double")
    if plain is not None and not plain.bad:
        is_text = "text" in found and _has_null(head, delimiter) and not plain.quoted
        return found["text"] if is_text else plain
    backslash, text, none = (found.get(quote) for quote in ("backslash", "text", "none"))
    if backslash is not None and backslash.quoted and (plain is None or backslash.bad < plain.bad):
        return backslash
    if text is not None and (plain is None or text.bad < plain.bad):
        return text
    if plain is None or none is None:
        return plain or none or next(iter(found.values()))
    return none if _are_letters(plain, none) else plain


def _quotings(head: Head, delimiter: str, asked: Asked) -> Iterator[str]:
    """The ways of quoting that are possible, the usual one first."""
    is_text = _has_null(head, delimiter) or f"\\{delimiter}".encode() in head.data
    match asked.quote:
        case "auto":
            yield "double"
            if b'\\"' in head.data:
                yield "backslash"
            if is_text:
                yield "text"
            if b'"' in head.data:
                yield "none"
        case "backslash":
            yield "backslash"
            if delimiter == "\t" or is_text:
                yield "text"
        case quote:
            yield quote


def _has_null(head: Head, delimiter: str) -> bool:
    """Whether a cell is null as PostgreSQL's text format has it."""
    return delimiter == "\t" and NULL_CELL.search(head.data) is not None


def _has_padding(reading: Reading) -> bool:
    """Whether there are spaces before all names but the first."""
    names = reading.rows[reading.first][1:] if reading.rows else []
    return bool(names) and all(name.startswith(" ") for name in names)


def _are_letters(plain: Reading, none: Reading) -> bool:
    """Whether quotes are letters: `plain`, in which they are not, leaves rows broken, and `none` fewer."""
    if none.bad >= plain.bad or none.width != max(none.width, plain.width) or not none.keeps_types():
        return False
    is_usual = plain.bad == plain.merged and plain.dialect.delimiter == "," and none.width == 2
    if is_usual and not none.has_values():
        return False  # two lines with one comma each are nothing special
    proper = plain.quoted - plain.merged
    return proper <= plain.bad if plain.dialect.delimiter == "\t" else proper < plain.bad


def _choose(readings: list[Reading], has_names: list[bool], asked: Asked) -> tuple[Reading, list[str]]:
    """The best reading, and a sentence about others that are nearly as good."""
    if len(readings) == 1:
        return readings[0], []

    def rank(reading: Reading) -> tuple[bool, bool, bool, float]:
        named = has_names[readings.index(reading)]
        share = reading.bad / (reading.bad + reading.good or 1)
        return (not named, reading.first > 0 and reading.has_preamble, share > 0, share)

    tables = [reading for reading in readings if reading.width > 1 and reading.good >= max(reading.bad, 1)]
    tables = [reading for reading in tables if not reading.has_preamble or _has_header(reading)]
    if any(has_names):
        named = [reading for reading, has_name in zip(readings, has_names, strict=True) if has_name]
        tables = [reading for reading in tables if reading in named] or [
            max(named, key=lambda reading: reading.dialect.delimiter == asked.expected)
        ]
    if not any(reading.counts for reading in readings):  # not even the header ends within the head
        return max(
            readings, key=lambda reading: reading.head.data.count(reading.dialect.delimiter.encode())
        ), []
    if not tables:
        (found,) = (reading for reading in readings if reading.dialect.delimiter == asked.expected)
        found.first, found.width = 0, (found.counts or [1])[0]
        return found, []
    decimals = [reading for reading in tables if not _splits_numbers(reading, tables)]
    tables = decimals or tables
    best = min(tables, key=lambda reading: (rank(reading), _has_sentences(reading), -reading.width))
    rivals = [reading for reading in tables if reading is not best and rank(reading) == rank(best)]
    same = [
        reading
        for reading in rivals
        if reading.width == best.width and _has_sentences(reading) == _has_sentences(best)
    ]
    if same:
        raise WorkError(
            f"the columns may be {_shown(best)} or {_shown(same[0])}; `delimiter` should say which",
            field="delimiter",
        )
    return best, [
        f"the columns are {_shown(best)}; they may also be {_shown(rival)}: then set `delimiter`"
        for rival in rivals[:1]
    ]


def _has_sentences(reading: Reading) -> bool:
    """Whether a space follows all commas or semicolons, as in prose."""
    cells = [cell for row in reading.table for cell in row[1:]]
    return reading.dialect.delimiter in ",;" and bool(cells) and all(cell.startswith(" ") for cell in cells)


def _splits_numbers(reading: Reading, others: list[Reading]) -> bool:
    """Whether commas are between the digits of what is one number in another reading."""
    if reading.dialect.delimiter != ",":
        return False
    return any(
        _has_decimals(name, cells)
        for other in others
        if other is not reading
        for name, cells in zip(other.names, zip(*other.table, strict=True), strict=False)
    )


def _has_decimals(name: str, cells: Sequence[str]) -> bool:
    found = [cell.strip() for cell in cells if cell]
    is_name = "," not in name or DECIMAL.fullmatch(name) is not None
    return is_name and bool(found) and all(map(DECIMAL.fullmatch, found))


def _has_header(reading: Reading) -> bool:
    verdict = headers.judge(reading.names, reading.table)
    return verdict.is_header and verdict.is_sure


def _shown(reading: Reading) -> str:
    names = ", ".join(repr(name[:50]) for name in reading.names[:5])
    return f"{separated(reading.dialect.delimiter)} ({names}{', …' if reading.width > 5 else ''})"


def _header(reading: Reading, asked: Asked, *, is_named: bool) -> headers.Verdict:
    if asked.header != "auto":
        return headers.Verdict(is_header=asked.header == "yes", is_sure=True)
    if is_named:
        return headers.Verdict(is_header=True, is_sure=True)
    return headers.judge(reading.names, reading.table)


def _sniffed(
    head: Head,
    reading: Reading,
    verdict: headers.Verdict,
    asked: Asked,
    sentences: list[str],
    is_named: bool,
) -> Sniffed:
    skipped = head.lines_before(reading.begins[reading.first] if reading.first else reading.begin)
    dialect = reading.dialect._replace(
        header=verdict.is_header,
        before=reading.margins.before,
        after=reading.margins.after,
        is_ruled=verdict.is_header and reading.is_ruled,
        skip_lines=asked.skip_lines or skipped,
        is_guessed=asked.quote == "auto",
        nulls=tuple(asked.nulls),
    )
    warnings = list(sentences)
    number = skipped + 1
    if dialect.before:
        warnings.append(
            "rows have one field more than the header: the first one is read as the name of the row, as R "
            "writes it"
        )
    if dialect.after < 0:
        warnings.append("the header ends with a delimiter, and the rows don't: it is left out")
    if dialect.is_ruled:
        warnings.append(f"line {number + 1} is left out: it has dashes only, as Markdown has below a header")
    if reading.first and skipped:
        first = head.line(reading.begins[0])
        lines = "line is" if reading.first == 1 else "lines are"
        warnings.append(f"{reading.first} {lines} left out before the header on line {number}: {first!r}")
    if asked.header == "auto" and not verdict.is_header:
        warnings.append(
            f"line {number} is read as data, not as the names of the columns; if it has names, "
            "set `header` to yes"
        )
    elif asked.header == "auto" and verdict.is_header and not verdict.is_sure and _doubtful(reading):
        warnings.append(
            f"line {number} is read as the names of the columns; if it is data, set `header` to no"
        )
    if asked.quote == "auto" and dialect.quote == "none":
        warnings.append(
            "quotes are read as letters, since some are not closed; if they are around fields, "
            "set `quote` to double"
        )
    if asked.quote == "auto" and dialect.quote == "text" and ESCAPE.search(head.data):
        warnings.append(
            "\\n, \\t and \\\\ are read as escapes, as in PostgreSQL's text; if backslashes are letters, "
            "set `quote` to none"
        )
    has_letters = (
        (dialect.delimiter == "\t" or _has_null(head, "\t"))
        and dialect.quote != "text"
        and not reading.quoted
    )
    if asked.quote == "auto" and has_letters and ESCAPE.search(head.data):
        warnings.append(
            "backslashes are read as letters; if \\n, \\t and \\\\ are escapes, set `quote` to backslash"
        )
    is_table = reading.width > 1 and not reading.bad and reading.good > 1
    is_clear = is_table and verdict.is_header and verdict.is_sure
    return Sniffed(dialect, reading.names, is_named, reading.width > 1, is_table, is_clear, warnings)


def _doubtful(reading: Reading) -> bool:
    """Whether some of the first row's cells don't look like names."""
    return not all(map(headers.is_name, reading.names))
