"""What the sweepers did last: a row for each sort of action, which operators can read."""

import datetime
from collections.abc import Mapping
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from jobyard.shared.database import Base, UtcDateTime, insert_into, utcnow

# In the order in which they are shown, each with what it counts.
ACTIONS: Final = {
    "rescued": "Jobs of lost workers rescued",
    "expired": "Jobs failed at their deadline",
    "settled": "Parents moved whose parts had ended",
    "woken": "Queues woken that had lost their messages",
    "removed": "Files deleted that nothing needs",
    "listed": "Files in the storage counted",
    "orphans": "Files in the storage that nothing refers to",
}


class SweeperAction(Base):
    """When an action was last done, to how many things then, and to how many since there are rows."""

    __tablename__ = "sweeper_actions"

    name: Mapped[str] = mapped_column(sa.String(16), primary_key=True)
    at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)
    last: Mapped[int] = mapped_column(sa.BigInteger)
    total: Mapped[int] = mapped_column(sa.BigInteger)


def note_actions(session: Session, counts: Mapping[str, int]) -> None:
    """The sweeper did these just now, to so many things each."""
    for name, count in sorted(counts.items()):
        new = insert_into(session.get_bind(), SweeperAction).values(
            name=name, at=utcnow(), last=count, total=count
        )
        changes = {
            "at": new.excluded.at,
            "last": new.excluded.last,
            "total": SweeperAction.total + new.excluded.total,
        }
        session.execute(new.on_conflict_do_update(index_elements=["name"], set_=changes))


def actions(session: Session) -> list[SweeperAction]:
    """What there is, in the order of `ACTIONS`."""
    found = {one.name: one for one in session.scalars(sa.select(SweeperAction))}
    return [found[name] for name in ACTIONS if name in found]
