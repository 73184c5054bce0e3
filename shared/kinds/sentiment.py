"""sentiment: NLTK's VADER scores texts, or a file of them."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import (
    AfterValidator,
    Field,
    StringConstraints,
    model_validator,
)

from jobyard.shared.addresses import parse
from jobyard.shared.emoji import is_emoji, without_selectors
from jobyard.shared.kinds.base import Kind, Parameters, Queue, Reference, Source, Spec
from jobyard.shared.kinds.fields import WORDS, FileOrAddress
from jobyard.shared.kinds.reading import (
    MAX_NULLS,
    MAX_SKIPPED,
    Column,
    Delimiter,
    Encoding,
    NullValue,
    Sheet,
    field_named_by,
)
from jobyard.shared.kinds.words import first_words

MAX_TEXTS = 1_000
MAX_TEXT_CHARACTERS = 10_000
# The explanation of a word is some hundred times as long as the word.
MAX_EXPLAINED_CHARACTERS = 500_000
MAX_FILES = 1_000
# Of several files that are scored as one, the column that says which one a row is of.
SOURCE = "source"
MAX_LEXICON_WORDS = 10_000
MAX_WORD_CHARACTERS = 100

Text = Annotated[str, StringConstraints(min_length=1, max_length=MAX_TEXT_CHARACTERS, pattern=WORDS)]


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
        """That of a file's reading which another one may mend."""
        return None if spec.get("texts") is not None else field_named_by(error, spec.get("group_by"))

    def links(self, spec: str) -> Sequence[str]:
        if not _OF_A_FILE.search(spec):
            return []
        return ["scores", "groups"] if json.loads(spec).get("group_by") is not None else ["scores"]
