"""Random tables whose truth is known: how they are written is to be found out.

Each is of one dialect, with texts that such a dialect can hold, as programs write it.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

WORDS = (
    *("good", "awful", "a", "table", "not", "VERY", "love", "hate", "the", "phone", "of", "really", "was"),
    *(
        "don't",
        "ok",
        "café",
        "naïve",
        "😀",
        "C:\\new",
        "50%",
        "so-so",
        "(well)",
        "5",
        "...",
        "#1",
        "http://a.b/c?d=e",
    ),
)
LABELS = ("ham", "spam", "other")
DELIMITERS = (",", ";", "\t", "|", "\x01")


@dataclass
class RandomTable:
    """A file, what is asked for, and its truth: texts by row, of which None is null, and lines left out."""

    content: bytes
    name: str
    spec: dict[str, Any]
    texts: list[str | None]
    broken: list[int] = field(default_factory=list)


def make_table(seed: int) -> RandomTable:
    """The table of a seed."""
    return _Maker(random.Random(seed)).make()


class _Maker:
    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self.quoting = chance.choice(("all", "minimal", "minimal", "texts", "backslash", "none", "postgres"))
        self.delimiter = "\t" if self.quoting == "postgres" else chance.choice(DELIMITERS)
        self.has_header = chance.random() < 0.8
        self.end = chance.choice(("\n", "\n", "\r\n", "\r\n", "\r"))
        self.null = chance.choice(("", "", "\\N")) if self.quoting != "postgres" else "\\N"
        if self.delimiter == "\t" and self.quoting != "postgres":  # which is told by its nulls
            self.null = ""
        self.is_padded = self.quoting in ("all", "texts") and chance.random() < 0.1
        self.skips = self.quoting in ("all", "minimal", "texts") and chance.random() < 0.3
        self.encoding = chance.choice(
            ("utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252")
        )
        self.words = [word for word in WORDS if word != "😀" or self.encoding != "cp1252"]
        others = chance.sample(("number", "label", "day", "words"), chance.randint(0, 3))
        # Of texts and labels alone nobody knows whether the first are names.
        self.kinds = ["id", *others] if not self.has_header or chance.random() < 0.7 else others
        if not self.kinds:  # an only column has nothing to be separated from
            self.delimiter, self.has_header, self.is_padded, self.skips = ",", True, False, False
            self.null, self.quoting = "", self.quoting.replace("postgres", "all")
        # As R does it, which quotes names and texts, and pads nothing.
        is_plain = self.has_header and not self.skips and not self.is_padded
        self.names_rows = self.quoting in ("all", "texts") and is_plain and chance.random() < 0.1
        self.place = chance.randint(0, len(self.kinds))
        self.kinds.insert(self.place, "text")

    def make(self) -> RandomTable:
        chance = self._chance
        count = chance.randint(3, 60)
        texts = [None if chance.random() < 0.1 else self._text() for _ in range(count)]
        if self.quoting == "postgres":  # what tells it from other text with backslashes
            texts[chance.randrange(count)] = None
        if self.quoting == "backslash":  # the same
            texts[chance.randrange(count)] = 'so "good" it is'
        rows = [
            self._line([self._cell(kind, number, text) for kind in self.kinds])
            for number, text in enumerate(texts)
        ]
        header = [{"text": "text", "id": "id"}.get(kind, f"{kind}_of") for kind in self.kinds]
        preamble, trailing = (
            self._preamble(),
            chance.random() < 0.1 and not self.skips and self.quoting != "postgres",
        )
        if trailing:
            rows = [row + self.delimiter * 2 for row in rows]
        elif self.names_rows:
            rows = [f'"{number}"{self.delimiter}{row}' for number, row in enumerate(rows, 1)]
        is_named = trailing and (not self.has_header or chance.random() < 0.7)
        lines = [*preamble, *([self._header(header, is_named)] if self.has_header else [])]
        if self.has_header and len(header) > 1 and not preamble and chance.random() < 0.05:
            lines.append(self.delimiter.join(["----"] * (len(header) + 2 * is_named)))
        broken = self._break(rows, len(lines)) if self.skips else []
        content = self.end.join([*lines, *rows]) + (
            self.end if len(self.kinds) == 1 or chance.random() < 0.9 else ""
        )
        spec: dict[str, Any] = {"errors": "skip" if self.skips else "fail"}
        if self.encoding == "cp1252":
            spec["encoding"] = self.encoding
        spec["column"] = "text" if self.has_header else {"number": self.place + 1}
        suffixes = (".csv", ".tsv", ".dat", ".txt") if self.has_header else (".csv", ".tsv")
        name = f"in{chance.choice(suffixes)}"
        return RandomTable(content.encode(self.encoding), name, spec, texts, broken)

    def _text(self) -> str:
        chance = self._chance
        words = chance.choices(self.words, k=chance.randint(1, 14))
        quoted = self.quoting in ("all", "minimal", "texts", "backslash")
        if quoted or self.quoting == "postgres":
            words = [self._seasoned(word) for word in words]
        elif len(words) > 1 and chance.random() < 0.3:
            place = chance.randrange(len(words))
            words[place] = chance.choice((f'"{words[place]}"', f'"{words[place]}', f'6"{words[place]}'))
        return " ".join(words)

    def _seasoned(self, word: str) -> str:
        """With what has to be quoted or escaped."""
        if self._chance.random() > 0.12:
            return word
        marks = [",", ";", "|", "\t", "\n", ', "so"', '"', "\n\n"]
        if self.quoting == "postgres":
            marks = [",", "\t", "\n", '"', "\\"]
        return word + self._chance.choice(marks)

    def _cell(self, kind: str, number: int, text: str | None) -> str | None:
        chance = self._chance
        made: dict[str, Callable[[], str | None]] = {
            "text": lambda: text,
            "id": lambda: str(number),
            "number": lambda: f"{chance.uniform(0, 5):.2f}",
            "label": lambda: chance.choice(LABELS),
            "day": lambda: f"2024-{chance.randint(1, 12):02}-{chance.randint(1, 28):02}",
            "words": lambda: " ".join(chance.choices(WORDS[:8], k=chance.randint(1, 3))),
        }
        return made[kind]()

    def _line(self, cells: list[str | None]) -> str:
        between = f"{self.delimiter} " if self.is_padded else self.delimiter
        return between.join(map(self._written, cells, self.kinds))

    def _written(self, cell: str | None, kind: str) -> str:
        if cell is None:
            return self.null
        match self.quoting:
            case "none":
                return cell
            case "postgres":
                for letter, escape in (("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"), ("\r", "\\r")):
                    cell = cell.replace(letter, escape)
                return cell
            case "backslash":
                return '"' + cell.replace("\\", "\\\\").replace('"', '\\"') + '"'
        must = any(mark in cell for mark in (self.delimiter, '"', "\n", "\r"))
        if must or self.quoting == "all" or (self.quoting == "texts" and kind in ("text", "label", "words")):
            return '"' + cell.replace('"', '""') + '"'
        return cell

    def _header(self, names: list[str], trailing: bool) -> str:
        if self._chance.random() < 0.1 and len(names) > 2:  # a name that is there twice
            others = [place for place in range(len(names)) if place != self.place]
            names[others[-1]] = names[others[0]]
        between = f"{self.delimiter} " if self.is_padded else self.delimiter
        quote = '"' if self.quoting == "all" or self.names_rows else ""
        return between.join(f"{quote}{name}{quote}" for name in names) + self.delimiter * 2 * trailing

    def _preamble(self) -> list[str]:
        if not self.has_header or self._chance.random() > 0.25:
            return []
        if self.delimiter == "\x01" or len(self.kinds) == 1:
            return ["# exported by a program"]
        return self._chance.choice(
            (["# exported by a program", "# for us"], [f"sep={self.delimiter}"], ["Reviews of May", ""])
        )

    def _break(self, rows: list[str], before: int) -> list[int]:
        """Put broken rows between the others; their lines."""
        at = self._chance.randrange(1, len(rows))  # the first row says how many fields there are
        cells = ["x"] * (len(self.kinds) + self._chance.choice((-1, 1, 2)))
        rows.insert(at, self.delimiter.join(cells))
        return [before + sum(row.count("\n") + 1 for row in rows[:at]) + 1]
