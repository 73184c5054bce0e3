"""What jobs are found by: words and labels, each a row of an inverted table.

Only jobs that have something to find beyond their kind and state have rows there: the text of a job of texts
is not found, and its submit writes nothing more.
"""

import re
import unicodedata
import uuid
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple, cast

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from jobyard.shared.database import Base, insert_into
from jobyard.shared.jobs.tables import Job

# Of a job: a note of 10,000 characters has more words than anybody looks for.
MAX_WORDS: Final = 500
WORD_CHARACTERS: Final = 64
# Key, colon and value of a label.
TERM_CHARACTERS: Final = 63 + 1 + 255

# Letters and digits of any alphabet; a label's term has a colon, which no word has.
_WORD: Final = re.compile(r"[^\W_]+")


class JobTerm(Base):
    """A word or a label by which a job is found."""

    __tablename__ = "job_terms"

    # A word in lower case, or `key:value`.
    term: Mapped[str] = mapped_column(sa.String(TERM_CHARACTERS), primary_key=True)
    job_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    # From name, labels or note, which may change; not from the spec.
    is_mark: Mapped[bool]

    # SQLite then keeps the rows in the order of the key, and nothing twice.
    __table_args__ = (
        sa.Index("ix_job_terms_job_id", "job_id"),
        {"sqlite_with_rowid": False},
    )


TERMS: Final = cast(sa.Table, JobTerm.__table__)


class Terms(NamedTuple):
    """Of one job: what its spec is found by, and its marks beside that."""

    of_spec: frozenset[str] = frozenset()
    of_marks: frozenset[str] = frozenset()


NO_TERMS: Final = Terms()


def words_of(text: str) -> list[str]:
    """The words of a text in their order, each once, in lower case and at most WORD_CHARACTERS of each."""
    found = _WORD.findall(unicodedata.normalize("NFKC", text).casefold())
    return list(dict.fromkeys(word[:WORD_CHARACTERS] for word in found))


def label_term(key: str, value: str) -> str:
    """What a label is found by."""
    return f"{key}:{value}"


def terms_of(
    words: Iterable[str] = (),
    *,
    name: str | None = None,
    labels: Mapping[str, str] | None = None,
    note: str | None = None,
) -> Terms:
    """What a job is found by; `words` are texts from its spec, such as the names of its files.

    The first MAX_WORDS words of the marks count, those of the note last.
    """
    of_spec = _distinct(words)
    labels = labels or {}
    texts = [name or "", *(part for label in labels.items() for part in label), note or ""]
    of_labels = frozenset(label_term(key, value) for key, value in labels.items())
    return Terms(of_spec, (_distinct(texts) | of_labels) - of_spec)


def _distinct(texts: Iterable[str]) -> frozenset[str]:
    found: dict[str, None] = {}
    for text in texts:
        if text:
            found |= dict.fromkeys(words_of(text))
    return frozenset(list(found)[:MAX_WORDS])


def keep_terms(connection: sa.Connection, terms: Iterable[tuple[uuid.UUID, Terms]]) -> None:
    """Write what new jobs are found by, in the transaction that inserts them; for most there is nothing."""
    rows = [row for job_id, one in terms for row in _rows(job_id, one)]
    if rows:
        connection.execute(sa.insert(TERMS), rows)


def renew_terms(session: Session, job: Job) -> None:
    """The job is found by its name, labels and note as they are now."""
    theirs = (JobTerm.job_id == job.id, JobTerm.is_mark)
    session.execute(sa.delete(JobTerm).where(*theirs), execution_options={"synchronize_session": False})
    rows = list(_rows(job.id, terms_of(name=job.name, labels=job.labels, note=job.note)))
    if rows:
        # Words of its spec stay as they are.
        session.execute(insert_into(session.get_bind(), JobTerm).on_conflict_do_nothing(), rows)


def _rows(job_id: uuid.UUID, terms: Terms) -> Iterable[dict[str, Any]]:
    for is_mark, found in ((False, terms.of_spec), (True, terms.of_marks)):
        # In one order: two transactions never wait for each other.
        yield from ({"term": term, "job_id": job_id, "is_mark": is_mark} for term in sorted(found))
