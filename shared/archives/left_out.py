"""Files that are left out of a data set, because they have no class or can't be read."""

import copy
from collections import Counter
from dataclasses import dataclass, field

from jobyard.shared.archives.file_kinds import is_archive, is_document
from jobyard.shared.archives.members import printable
from jobyard.shared.archives.tree import Parts

# Files that are listed; the rest is only counted.
MAX_LISTED = 1_000
# Reasons that a sentence has.
MAX_REASONS = 4


@dataclass
class LeftOut:
    """The first files are `listed` with the reason, all are counted.

    Of them, `documents` are called as no picture is, `unlabelled` lie where there are no classes on purpose,
    and of `archives`, which hold other files, the first have their names here.
    """

    listed: list[tuple[str, str]] = field(default_factory=list)
    count: int = 0
    documents: int = 0
    unlabelled: int = 0
    archives: list[str] = field(default_factory=list)
    # The first document, and the first unlabelled file, that another sentence doesn't tell of.
    _document: str = ""
    _unlabelled: str = ""
    # Of all others, by what a reason has before its first colon; with the first file, and what comes after.
    _reasons: Counter[str] = field(default_factory=Counter)
    _first: dict[str, tuple[str, str]] = field(default_factory=dict)
    _told: set[str] = field(default_factory=set)

    def add(self, path: Parts, why: str, *, unlabelled: bool = False, told: bool = False) -> None:
        """Count a file. `told`: another sentence than `sentences` says how many there are of that reason."""
        self.count += 1
        name = printable("/".join(path))
        if len(self.listed) < MAX_LISTED:
            self.listed.append((name, why))
        if is_document(path[-1]):
            self.documents += 1
            self._document = self._document or ("" if told else name)
            return
        if unlabelled:
            self.unlabelled += 1
            self._unlabelled = self._unlabelled or ("" if told else name)
            return
        if is_archive(path[-1]) and len(self.archives) < MAX_LISTED:
            self.archives.append(name)
        what, _, detail = why.partition(": ")
        self._reasons[what] += 1
        self._first.setdefault(what, (name, detail))
        if told:
            self._told.add(what)

    @property
    def unexpected(self) -> int:
        """How many may have been meant as pictures of a class."""
        return self.count - self.documents - self.unlabelled

    def reasons(self, *, untold: bool = False) -> str:
        """How many of the unexpected ones have which reason, with the first file of each; "" for none."""
        wanted = {what: n for what, n in self._reasons.most_common() if not (untold and what in self._told)}
        parts = []
        for what, count in list(wanted.items())[:MAX_REASONS]:
            name, detail = self._first[what]
            parts.append(f"{what} ({count:,}, as {name}{': ' if detail else ''}{detail})")
        more = len(wanted) - MAX_REASONS
        return "; ".join(parts) + (f"; and {more} more reasons" if more > 0 else "")

    def sentences(self, pictures: int) -> list[str]:
        """For people, with counts; `pictures` are in the data set."""
        found = []
        count = sum(n for what, n in self._reasons.items() if what not in self._told)
        if count:
            total = f"{pictures + self.unexpected:,} files"
            found.append(f"{count:,} of {total} {_was(count)} left out: {self.reasons(untold=True)}")
        if self._unlabelled:
            found.append(
                f"{self.unlabelled:,} picture{_s(self.unlabelled)} without a class {_was(self.unlabelled)} "
                f"left out, as of a test whose answers are secret ({self._unlabelled})"
            )
        if self._document:
            found.append(
                f"{self.documents:,} document{_s(self.documents)} {_was(self.documents)} left out "
                f"({self._document})"
            )
        return found

    def copy(self) -> "LeftOut":
        """Another one, which begins with these."""
        return copy.deepcopy(self)


def _s(count: int) -> str:
    return "" if count == 1 else "s"


def _was(count: int) -> str:
    return "was" if count == 1 else "were"
