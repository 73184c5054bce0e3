"""What became of the tables of labels, for people."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypedDict

from jobyard.shared.archives.members import printable

MAX_EXAMPLES = 20
MAX_NAMED = 3


class RowProblem(TypedDict):
    """A row that gave no picture a label."""

    table: str
    line: int
    problem: str


class LabelsReport(TypedDict):
    """All of it is JSON. `used`: the classes are those of the `tables`, and not of folders.

    `labelled` of `pictures` have a label; `rows_without_picture` name none, `rows_with_problems` are not
    whole, and `contradicted` pictures have two labels: they have none then. `problems` are the first of both
    kinds of rows. `others` are columns that were not read. `summary` is a line, `warnings` are some.
    """

    used: bool
    tables: list[str]
    pictures: int
    labelled: int
    rows: int
    rows_without_picture: int
    rows_with_problems: int
    contradicted: int
    problems: list[RowProblem]
    others: list[str]
    summary: str
    warnings: list[str]


@dataclass
class Tally:
    """Counts while tables are read."""

    tables: list[str] = field(default_factory=list)
    rows: int = 0
    contradicted: int = 0
    others: list[str] = field(default_factory=list)
    problems: list[RowProblem] = field(default_factory=list)
    # With the first of each.
    _without_picture: list[RowProblem] = field(default_factory=list)
    _broken: list[RowProblem] = field(default_factory=list)
    rows_without_picture: int = 0
    rows_with_problems: int = 0

    def no_picture(self, table: str, line: int, problem: str) -> None:
        """A row names a picture that isn't there."""
        self.rows_without_picture += 1
        self._keep(self._without_picture, RowProblem(table=table, line=line, problem=problem))

    def broken(self, table: str, line: int, problem: str) -> None:
        """A row lacks what it should have."""
        self.rows_with_problems += 1
        self._keep(self._broken, RowProblem(table=table, line=line, problem=problem))

    def _keep(self, first: list[RowProblem], found: RowProblem) -> None:
        if not first:
            first.append(found)
        if len(self.problems) < MAX_EXAMPLES:
            self.problems.append(found)

    @property
    def names(self) -> str:
        """The tables' names, for people."""
        more = len(self.tables) - MAX_NAMED
        return ", ".join(self.tables[:MAX_NAMED]) + (f" and {more} more" if more > 0 else "")

    def summary(self, pictures: int, labelled: int) -> str:
        """How many of the pictures have a label."""
        return f"labels from {self.names}: {labelled:,} of {_counted(pictures, 'picture')}"

    def report(
        self, pictures: int, labelled: int, *, used: bool, warnings: Sequence[str] = ()
    ) -> LabelsReport:
        """`labelled` of the archive's `pictures` have a label; `warnings` come before those of rows."""
        summary = (
            self.summary(pictures, labelled) if used else f"labels from the folders, not from {self.names}"
        )
        about_pictures = self._about_pictures(pictures - labelled) if used else []
        return LabelsReport(
            used=used,
            tables=self.tables,
            pictures=pictures,
            labelled=labelled,
            rows=self.rows,
            rows_without_picture=self.rows_without_picture,
            rows_with_problems=self.rows_with_problems,
            contradicted=self.contradicted,
            problems=self.problems,
            others=[printable(name, 40) for name in self.others[:MAX_EXAMPLES]],
            summary=summary,
            warnings=[*warnings, *about_pictures, *self._about_rows()],
        )

    def _about_pictures(self, missing: int) -> list[str]:
        unlabelled, several = missing - self.contradicted, self.contradicted
        found = []
        if unlabelled:
            found.append(
                f"{_counted(unlabelled, 'picture')} {'has' if unlabelled == 1 else 'have'} no label in "
                f"{self.names}, and {'was' if unlabelled == 1 else 'were'} left out"
            )
        if several:
            found.append(
                f"{_counted(several, 'picture')} {'has' if several == 1 else 'have'} rows with different "
                f"labels in {self.names}, and {'was' if several == 1 else 'were'} left out"
            )
        return found

    def _about_rows(self) -> list[str]:
        kinds = (
            (self.rows_without_picture, "names no picture", "name no picture", self._without_picture),
            (self.rows_with_problems, "can't be used", "can't be used", self._broken),
        )
        return [
            f"{_counted(count, 'row')} of {self.names} {one if count == 1 else several} ("
            f"{'' if len(self.tables) == 1 else first[0]['table'] + ', '}line {first[0]['line']:,}: "
            f"{first[0]['problem']})"
            for count, one, several, first in kinds
            if count
        ]


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
