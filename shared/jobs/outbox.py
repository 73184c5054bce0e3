"""What webhooks are to be told of jobs: rows that are written in the transaction of the move itself.

The statement that moves a job finds out, too, whether a webhook wants to know: where none does, nothing more
is written, and no process has to remember which webhooks there are.
"""

import datetime
import uuid
from collections.abc import Sequence, Set
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from jobyard.shared.database import insert_into, utcnow
from jobyard.shared.jobs.filters import UNLISTED_KIND
from jobyard.shared.jobs.payloads import digits, includes, payload, text
from jobyard.shared.jobs.states import TERMINAL, State
from jobyard.shared.jobs.tables import JOBS, WAITING
from jobyard.shared.webhooks.tables import DELIVERIES, WEBHOOKS, Status, WebhookEvent, has_word

_COLUMNS: Final = (
    *("webhook_id", "message_id", "event", "job_id", "payload"),
    *("created_at", "status", "attempts", "next_try_at"),
)
# Written out: each parameter of a statement costs every job something.
_ZERO: Final = sa.literal_column("0", sa.Integer)
_UNTOLD: Final = sa.literal_column(f"'{UNLISTED_KIND}'", sa.String)
# A sweep looks at so many queued jobs at once for each webhook.
WAITS_AT_ONCE: Final = 500


def _wanted(job: Any, event: sa.ColumnElement[Any]) -> sa.ColumnElement[bool]:
    """Whether a webhook wants to know of this event of the job, if that `_is_theirs`, too."""
    return sa.and_(
        WEBHOOKS.c.enabled,
        job.kind != _UNTOLD,
        has_word(WEBHOOKS.c.events, event),
        sa.or_(WEBHOOKS.c.kinds.is_(None), has_word(WEBHOOKS.c.kinds, job.kind)),
    )


def _is_theirs(job: Any) -> sa.ColumnElement[bool]:
    """Whether the job has the labels that the webhook asks for, and is no part of another."""
    is_labelled = sa.or_(WEBHOOKS.c.labels.is_(None), includes(job.labels, WEBHOOKS.c.labels))
    return sa.and_(job.parent_id.is_(None), is_labelled)


def _rows(job: Any, event: sa.ColumnElement[Any], message: sa.ColumnElement[Any]) -> list[Any]:
    """Of a delivery, in the order of _COLUMNS."""
    now = utcnow(_ZERO)
    return [
        *(WEBHOOKS.c.id, message, event, job.id, payload(job)),
        *(now, text(Status.PENDING), _ZERO, now),
    ]


def _message_of_a_move(job: Any) -> sa.ColumnElement[str]:
    """The version grows with each move: no other event of the job has this id."""
    return text("msg_").concat(digits(job.id)).concat(text("_")).concat(sa.cast(job.version, sa.Text))


# Whether anybody may want to know of the job as a statement has just left it, for its RETURNING. Labels and
# parents are left to the rows themselves: in a RETURNING, SQLite 3.40 takes `parent_id IS NULL` for false
# where it is true, and SQLAlchemy writes names of columns without their tables, while both have `labels`.
IS_TOLD: Final = sa.exists().where(_wanted(JOBS.c, JOBS.c.state)).correlate(JOBS).label("is_told")


# Whether there is a webhook at all.
ANYBODY: Final = sa.exists().where(WEBHOOKS.c.enabled)


def of_moved(moved: sa.CTE) -> sa.Insert:
    """The rows for what a statement of PostgreSQL has just moved: it has the columns TOLD_OF."""
    job = moved.c
    rows = sa.select(*_rows(job, job.state, _message_of_a_move(job)))
    rows = rows.select_from(moved.join(WEBHOOKS, _wanted(job, job.state))).where(_is_theirs(job))
    return sa.insert(DELIVERIES).from_select(list(_COLUMNS), rows, include_defaults=False)


_OF_JOBS: Final = (
    sa.insert(DELIVERIES)
    .from_select(
        list(_COLUMNS),
        sa.select(*_rows(JOBS.c, JOBS.c.state, _message_of_a_move(JOBS.c)))
        .select_from(JOBS.join(WEBHOOKS, _wanted(JOBS.c, JOBS.c.state)))
        .where(
            _is_theirs(JOBS.c),
            JOBS.c.id.in_(sa.bindparam("told", expanding=True, type_=JOBS.c.id.type)),
        ),
        include_defaults=False,
    )
    .inline()
)


def may_tell(states: Set[State]) -> bool:
    """Whether a move to one of these states is an event."""
    return not TERMINAL.isdisjoint(states)


def tell(connection: sa.Connection, job_ids: Sequence[uuid.UUID]) -> None:
    """Write what webhooks are to be told of jobs that were moved in this transaction."""
    if job_ids:
        connection.execute(_OF_JOBS, {"told": list(job_ids)})


def tell_of_long_waits(session: Session, queues: Sequence[str], seconds: float) -> bool:
    """Write what webhooks are to be told of queued jobs that could have run for so long, once for each job.

    Each webhook remembers up to which moment it has looked, so a sweep costs what has become due since.
    Returns whether there may be more to write.
    """
    webhooks = session.execute(
        sa.select(WEBHOOKS.c.id, WEBHOOKS.c.created_at, WEBHOOKS.c.waits_seen_until, utcnow(-seconds))
        .where(WEBHOOKS.c.enabled, has_word(WEBHOOKS.c.events, text(WebhookEvent.WAITING_LONG)))
        .with_for_update(skip_locked=True)
    ).all()
    is_more = False
    for webhook_id, created_at, seen_until, until in webhooks:
        since = seen_until or created_at - datetime.timedelta(seconds=seconds)
        due = [_waiting(queue, since, until) for queue in queues]
        first = sa.union_all(*(sa.select(one.order_by("at").limit(WAITS_AT_ONCE).subquery()) for one in due))
        found = session.scalars(sa.select(first.subquery().c.at).order_by("at").limit(WAITS_AT_ONCE)).all()
        if len(found) == WAITS_AT_ONCE:
            # All of that moment: many jobs of one request have the same.
            until, is_more = found[-1], True
        if found:
            for queue in queues:
                _tell_of_waits(session, webhook_id, queue, since, until)
        if until > since:
            seen = sa.update(WEBHOOKS).where(WEBHOOKS.c.id == webhook_id).values(waits_seen_until=until)
            session.connection().execute(seen)
    return is_more


def _is_waiting(queue: str, since: datetime.datetime, until: datetime.datetime) -> sa.ColumnElement[bool]:
    return sa.and_(
        # As the index `ix_jobs_waiting` has it.
        sa.text(WAITING),
        JOBS.c.queue == queue,
        JOBS.c.available_at > since,
        JOBS.c.available_at <= until,
        JOBS.c.parent_id.is_(None),
    )


def _waiting(queue: str, since: datetime.datetime, until: datetime.datetime) -> "sa.Select[Any]":
    return sa.select(JOBS.c.available_at.label("at")).where(_is_waiting(queue, since, until))


def _tell_of_waits(
    session: Session, webhook_id: uuid.UUID, queue: str, since: datetime.datetime, until: datetime.datetime
) -> None:
    event = text(WebhookEvent.WAITING_LONG)
    message = text("msg_").concat(digits(JOBS.c.id)).concat(text("_waiting"))
    rows = sa.select(*_rows(JOBS.c, event, message))
    rows = rows.select_from(JOBS.join(WEBHOOKS, _wanted(JOBS.c, event)))
    rows = rows.where(WEBHOOKS.c.id == webhook_id, _is_theirs(JOBS.c), _is_waiting(queue, since, until))
    insert = insert_into(session.get_bind(), DELIVERIES)
    insert = insert.from_select(list(_COLUMNS), rows, include_defaults=False).on_conflict_do_nothing()
    session.connection().execute(insert)
