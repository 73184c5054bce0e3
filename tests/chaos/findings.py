"""What the load did and what is wrong: the words between the load, the checker and the report."""

import uuid
from dataclasses import dataclass

# What the report counts, and what each means.
COLUMNS = {
    "lost": "accepted, but not in the database",
    "doubled": "made twice, run twice at once, ended or retried more often than asked",
    "stuck": "not in a terminal state when everything was quiet",
    "spoiled": "another end than its owner and the faults explain, or a wrong answer",
    "damaged": "a gap, a doubled row, a lost part of a history, or bytes that differ",
    "orphans": "processes or files that belong to nobody, or more messages than wake-ups explain",
    "vanished": "files that are gone, and no process of this database says that it deleted them",
    "rubbish": "left by what was killed half-way (see below)",
}

# No promise is broken by these, and the table says why.
NOTED = {"rubbish"}
FOOTNOTE = """\
Rubbish is no defect. A file with an intent and no row is what was stored by a process that died before its
row was written: bytes come first, so that no row ever names a missing file, and the sweeper deletes such a
file when its intent is two days old and no attempt can still be about to name it. A message is a
wake-up without a job's name: one too many finds nothing to claim. An unconfirmed one was given out to a
process that died; Redis gives it out once more when its visibility timeout is over."""

TERMINAL = frozenset({"succeeded", "failed", "cancelled"})

# What an owner may ask of a job, and what its timeline says then.
VERBS = {
    "cancel": "cancel requested",
    "pause": "pause requested",
    "resume": "resume requested",
    "retry": "retry requested",
}


@dataclass(frozen=True)
class Answer:
    """A submit that was answered with 2xx."""

    key: str
    job_id: uuid.UUID


@dataclass(frozen=True)
class Wish:
    """Something that was asked of a job; `granted` is None where no answer came."""

    job_id: uuid.UUID
    verb: str
    at: float
    granted: bool | None


@dataclass(frozen=True)
class Violation:
    """Something that must not be: its column in the report, whom it befell, and what it is."""

    column: str
    subject: str
    what: str

    def __str__(self) -> str:
        return f"{self.column}: {self.subject}: {self.what}"
