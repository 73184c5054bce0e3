"""sentiment: NLTK's VADER scores texts, or a file of them."""

import codecs
import json
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import (
    AfterValidator,
    Field,
    StringConstraints,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)

from jobyard.shared.addresses import parse
from jobyard.shared.emoji import is_emoji, without_selectors
from jobyard.shared.kinds.base import Kind, Parameters, Queue, Reference, Source, Spec
from jobyard.shared.kinds.fields import FileOrAddress
from jobyard.shared.kinds.words import first_words

MAX_TEXTS = 1_000
MAX_TEXT_CHARACTERS = 10_000
# The explanation of a word is some hundred times as long as the word.
MAX_EXPLAINED_CHARACTERS = 500_000
MAX_COLUMNS = 2_000
MAX_FILES = 1_000
# Of several files that are scored as one, the column that says which one a row is of.
SOURCE = "source"
MAX_LEXICON_WORDS = 10_000
MAX_WORD_CHARACTERS = 100

# What Python calls the encodings that files of texts come in. Those that run into millions of characters
# for a few bytes, or that are no encodings of text, are not among them.
SHOWN_ENCODINGS = ("utf-8", "utf-16", "cp1252", "iso8859-1", "gb18030", "shift_jis")
ENCODINGS = frozenset(
    (
        *SHOWN_ENCODINGS,
        *("ascii", "utf-8-sig", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"),
        *(f"iso8859-{part}" for part in range(2, 17) if part != 12),
        *(f"cp125{page}" for page in (0, 1, 3, 4, 5, 6, 7, 8)),
        *("cp437", "cp850", "cp866", "mac-roman", "koi8-r", "koi8-u"),
        *("gbk", "gb2312", "big5", "euc_jp", "euc_kr", "cp932", "cp949", "cp950"),
    )
)

Text = Annotated[str, StringConstraints(min_length=1, max_length=MAX_TEXT_CHARACTERS, pattern=r"\S")]


class ColumnNumber(Parameters):
    """A column by its number, also where another one is called so."""

    number: int = Field(strict=True, ge=1, le=MAX_COLUMNS)


def _column(value: object, check: ValidatorFunctionWrapHandler) -> str | int | ColumnNumber:
    """Validates with one message, where the union would give one for each of its types."""
    try:
        found: str | int | ColumnNumber = check(value)
    except ValidationError:
        raise ValueError(f"should be a name, or a number from 1 to {MAX_COLUMNS:,}") from None
    return found


Column = Annotated[
    Annotated[str, StringConstraints(min_length=1, max_length=1_000)]
    | Annotated[int, Field(strict=True, ge=1, le=MAX_COLUMNS)]
    | ColumnNumber,
    Field(union_mode="left_to_right"),
    WrapValidator(_column),
]


def _encoding(name: str) -> str:
    """The codec's own name. Raises ValueError where Python knows no such encoding of text."""
    try:
        found = codecs.lookup(name).name
    except (LookupError, ValueError):
        found = ""
    if found not in ENCODINGS:
        raise ValueError(f"should be an encoding of texts, such as {', '.join(SHOWN_ENCODINGS)}")
    return found


# Excel's own limit is 31 characters; that of other programs is higher.
Sheet = Annotated[str, StringConstraints(min_length=1, max_length=255)]

# What `delimiter` is for a file whose lines are texts.
NO_DELIMITER = "none"
_DELIMITERS = {
    "comma": ",",
    "semicolon": ";",
    "tab": "\t",
    "\\t": "\t",
    "pipe": "|",
    "space": " ",
    "^A": "\x01",
    "\\x01": "\x01",
}


def _delimiter(given: str) -> str:
    """The character itself, or "none". Raises ValueError at what can't be between fields."""
    found = _DELIMITERS.get(given, given)
    if found != NO_DELIMITER and (
        len(found) != 1 or not found.isascii() or found.isalnum() or found in '"\\\r\n\0.-_'
    ):
        raise ValueError(
            "should be one character, such as a comma, ; or |, or tab; or none, to score whole lines"
        )
    return found


# Lines before a header, words that are no texts, and characters of such a word.
MAX_SKIPPED = 1_000
MAX_NULLS = 20
NullValue = Annotated[str, StringConstraints(min_length=1, max_length=100)]

Delimiter = Annotated[str, StringConstraints(min_length=1, max_length=10), AfterValidator(_delimiter)]

Encoding = Annotated[str, StringConstraints(max_length=30), AfterValidator(_encoding)]


def _words(lexicon: dict[str, float]) -> dict[str, float]:
    """In lower case, as words are looked up. Raises ValueError at one that could be found in no text, and at
    one that has two valences.
    """
    found: dict[str, float] = {}
    looked_up: dict[str, float] = {}
    for word, valence in lexicon.items():
        shown = repr(word[:50])
        if word.split() != [word]:
            raise ValueError(f"{shown} should be one word, without white space")
        if len(word) > MAX_WORD_CHARACTERS or (len(word) < 2 and not is_emoji(word)):
            raise ValueError(f"{shown} should have 2 to {MAX_WORD_CHARACTERS} characters, or be an emoji")
        if is_emoji(word):
            key, reason = without_selectors(word), "U+FE0F after an emoji doesn't matter"
        else:
            key, reason = word.lower(), "capitals don't matter"
        if looked_up.setdefault(key, valence) != valence:
            raise ValueError(f"{shown} has two valences: {reason}")
        found[word if is_emoji(word) else key] = valence
    return found


Lexicon = Annotated[
    dict[str, Annotated[float, Field(ge=-4, le=4)]],
    Field(min_length=1, max_length=MAX_LEXICON_WORDS),
    AfterValidator(_words),
]


# The fields that say how a file is read and written.
OF_A_FILE = (
    *("column", "group_by", "sheet", "delimiter", "quote", "header", "skip_lines", "null_values", "encoding"),
    *("errors", "format", "escape_formulas"),
)


class Thresholds(Parameters):
    """The compound scores from which a text counts as positive or negative."""

    positive: float = Field(default=0.05, ge=-1, le=1, description="From this on a text is positive")
    negative: float = Field(default=-0.05, ge=-1, le=1, description="Up to this a text is negative")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.negative >= self.positive:
            raise ValueError("negative should be below positive")
        return self

    def label(self, compound: float) -> str:
        """positive ≥ its threshold, negative ≤ its threshold, else neutral."""
        if compound >= self.positive:
            return "positive"
        if compound <= self.negative:
            return "negative"
        return "neutral"


class SentimentSpec(Spec):
    """Score texts with NLTK's VADER: neg, neu, pos, compound and a label."""

    texts: list[Text] | None = Field(default=None, min_length=1, max_length=MAX_TEXTS)
    file: FileOrAddress | None = Field(
        default=None,
        description="Id of an uploaded file, or an address https://… or s3://… that the settings allow: CSV, "
        "TSV, JSON, Parquet, an Excel workbook or one text per line, also compressed (gzip, zstd, bzip2, "
        "xz), or as the only table in a zip or tar archive",
    )
    files: list[FileOrAddress] | None = Field(
        default=None,
        min_length=1,
        max_length=MAX_FILES,
        description="Ids of uploaded files, or addresses, that are scored as one; a column `source` has the "
        "name or address of each row's file",
    )
    column: Column | None = Field(
        default=None,
        description="The file's column of texts, by name or by number from 1; default: `text`. "
        'If 5 is also the name of another column, "5" is the name and {"number": 5} the number',
    )
    group_by: Column | None = Field(
        default=None,
        description="Also summarize the texts for each value of this column of the file, by name or number",
    )
    sheet: Sheet | None = Field(
        default=None,
        description="Name of a workbook's sheet; default: the only one with rows, or with the column",
    )
    delimiter: Delimiter | None = Field(
        default=None,
        description="What separates fields: one character, `tab` or `space`; `none` scores whole lines. "
        "Default: detected",
    )
    quote: Literal["auto", "double", "backslash", "none"] = Field(
        default="auto",
        description="How quotes inside a quoted field are escaped: by a second quote (`double`), or by a "
        "`backslash`, which in a tab-separated file also escapes n, t and \\, as in PostgreSQL's text "
        "format; `none`: quotes are ordinary characters",
    )
    header: Literal["auto", "yes", "no"] = Field(
        default="auto", description="Whether the first line has the names of the columns"
    )
    skip_lines: int | None = Field(
        default=None,
        ge=0,
        le=MAX_SKIPPED,
        description="Number of lines before the header, or before the rows; default: detected",
    )
    null_values: list[NullValue] | None = Field(
        default=None,
        max_length=MAX_NULLS,
        description="Words that stand for a missing text, such as NULL or NA; default: "
        "\\N in delimited files",
    )
    encoding: Encoding = Field(default="utf-8", description="Encoding of the file; not for Parquet")
    errors: Literal["fail", "skip"] = Field(
        default="fail",
        description="`fail`: a broken row fails the job; `skip`: broken rows are left out and reported",
    )
    thresholds: Thresholds = Field(default=Thresholds())
    lexicon: Lexicon | None = Field(
        default=None,
        description="Words and emoji with their valences (−4 to 4) for this job; they override the lexicon's "
        "own, and capitals don't matter",
    )
    normalize: Literal["none", "standard"] = Field(
        default="none",
        description="`none`: NLTK gets the texts unchanged; `standard`: emoji become words, curly quotes "
        "become straight, and HTML tags and invisible characters are removed before NLTK's rules apply",
    )
    explain: bool = Field(
        default=False, description="For texts: show what each word adds to the compound score, and why"
    )
    format: Literal["parquet", "csv", "jsonl"] = Field(
        default="parquet", description="Format of the scored file"
    )
    escape_formulas: bool = Field(
        default=False,
        description="With format csv: put an apostrophe before what a spreadsheet would run as a formula "
        "(it begins with =, +, -, @, a tab or a line break, and is not a number); otherwise texts "
        "are unchanged",
    )

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if sum(source is not None for source in (self.texts, self.file, self.files)) != 1:
            raise ValueError("should have either texts, file or files")
        if self.texts is not None:
            defaults = type(self).model_fields
            for name in OF_A_FILE:
                # Most requests set none of them.
                if name in self.model_fields_set and getattr(self, name) != defaults[name].default:
                    raise ValueError(f"{name} should only be given with file")
        elif self.explain:
            raise ValueError("explain should only be given with texts")
        if self.escape_formulas and self.format != "csv":
            raise ValueError("escape_formulas should only be given with format csv")
        if self.explain and sum(map(len, self.texts or [])) > MAX_EXPLAINED_CHARACTERS:
            raise ValueError(
                f"with explain, texts should have at most {MAX_EXPLAINED_CHARACTERS:,} characters in all"
            )
        return self


class SentimentPart(Parameters):
    """One part of a file that is scored in parts: the spec of a child. It can't be submitted."""

    part: int = Field(ge=0, description="Number of the part, from 0")
    parts: int = Field(ge=1)
    rows: int = Field(ge=1)


# A spec with texts is long, and need not be read: within a text the quotes would have backslashes.
_OF_A_FILE = re.compile(r'"texts":\s*null')


# What errors of the work say of a column, and of another field that says how a file is read.
_WRONG_COLUMN = re.compile(r"(?:there is no column |^(?:.*: )?column )('.*?'|\".*?\"|\d+)(?:;|:| is )")
_NAMED_FIELD = re.compile(r"`(column|sheet|delimiter|encoding|header|quote|skip_lines)`")


def _called(file: str) -> str:
    """A file by what its address says; one that was deleted is just a file."""
    try:
        return parse(file).name
    except ValueError:
        return "a file"


class Sentiment(Kind[SentimentSpec]):
    """Score texts."""

    name = "sentiment"
    queue = Queue.CPU
    Spec = SentimentSpec
    Part = SentimentPart
    work = "jobyard.workers.kinds.sentiment:work"
    label = "Sentiment"
    action = "Score texts"
    icon = "chat-square-text"
    # A file is found out about in a process of its own, which may take long.
    stall_seconds = 3_600.0
    sources = (
        Source("texts", "texts", "write at least one text", ("explain",)),
        Source("file", "file", "choose a file", OF_A_FILE, several="files"),
    )
    order = 4

    def inputs(self, spec: SentimentSpec) -> Mapping[str, UUID | None]:
        return {name: one for name, one in self._files(spec) if isinstance(one, UUID)}

    def addresses(self, spec: SentimentSpec) -> Mapping[str, str]:
        return {name: one for name, one in self._files(spec) if isinstance(one, str)}

    @staticmethod
    def _files(spec: SentimentSpec) -> list[tuple[str, UUID | str]]:
        """By the field that names them."""
        alone = [] if spec.file is None else [("file", spec.file)]
        return [*alone, *((f"files.{number}", one) for number, one in enumerate(spec.files or []))]

    def references(self, spec: SentimentSpec) -> Sequence[Reference]:
        return []

    def title(self, spec: Mapping[str, Any], files: Mapping[str, str]) -> str:
        if spec["texts"] is None and spec["file"] is None:
            return f"{len(spec['files']):,} files"
        if spec["texts"] is None:
            return files.get(spec["file"]) or _called(spec["file"])
        texts = spec["texts"]
        if len(texts) > 1:
            return f"{len(texts):,} texts"
        # In a list, a long one is left out.
        return first_words(next(iter(texts), "")) or "1 text"

    def wrong_field(self, spec: Mapping[str, Any], error: str) -> str | None:
        """That of a file's reading which the error names, as all do that another one may mend."""
        if found := _WRONG_COLUMN.search(error):
            grouped = spec.get("group_by")
            is_group = "to group by" in error or (grouped is not None and repr(grouped) == found[1])
            return "group_by" if is_group else "column"
        named = _NAMED_FIELD.search(error)
        return None if named is None or spec.get("texts") is not None else named[1]

    def links(self, spec: str) -> Sequence[str]:
        if not _OF_A_FILE.search(spec):
            return []
        return ["scores", "groups"] if json.loads(spec).get("group_by") is not None else ["scores"]
