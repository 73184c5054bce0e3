"""What jobs leave behind: data sets, models, predictions, groups of scores."""

import datetime
import re
import uuid
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, Session, mapped_column
from uuid_utils.compat import uuid7

from jobyard.shared.database import Base, Json, NullableJson, UtcDateTime, utcnow
from jobyard.shared.errors import NotFound
from jobyard.shared.jobs import TERMINAL, Job, needed_by_parent
from jobyard.shared.specs import REFERENCE
from jobyard.shared.storage import File

# Of each name that has versions, these are found and not set: the newest, and the most accurate model.
LATEST, BEST = "latest", "best"


class Versioned:
    """A name and a version that grows by one; `name@version` is how people refer to it."""

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(64))
    version: Mapped[int]
    # The job that made it; the thing outlives the job.
    job_id: Mapped[uuid.UUID | None] = mapped_column(sa.ForeignKey("jobs.id", ondelete="SET NULL"))
    storage_key: Mapped[str] = mapped_column(sa.String(500))
    bytes: Mapped[int] = mapped_column(sa.BigInteger)
    sha256: Mapped[str] = mapped_column(sa.String(64))
    created_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)

    @property
    def reference(self) -> str:
        return f"{self.name}@{self.version}"


class Dataset(Versioned, Base):
    """Pictures by split and class, stored as one zip; `sha256` is of the contents, not of the zip."""

    __tablename__ = "datasets"
    __table_args__ = (sa.UniqueConstraint("name", "version"),)

    # {"train": {"cats": 200, …}, "validation": {…}}
    classes: Mapped[dict[str, dict[str, int]]] = mapped_column(Json)
    pictures: Mapped[int]
    # [{"file": …, "reason": …}], the first thousand
    rejected: Mapped[list[dict[str, str]]] = mapped_column(Json)
    rejected_count: Mapped[int]
    # What `workers.datasets` found out about the pictures; None for those imported before it looked.
    report: Mapped[dict[str, Any] | None] = mapped_column(NullableJson)

    @property
    def class_names(self) -> list[str]:
        return sorted({name for split in self.classes.values() for name in split})


class Model(Versioned, Base):
    """A trained network as a `.keras` file with this SHA-256, and what is needed to use it."""

    __tablename__ = "models"
    __table_args__ = (sa.UniqueConstraint("name", "version"),)

    dataset_id: Mapped[uuid.UUID | None] = mapped_column(sa.ForeignKey("datasets.id", ondelete="SET NULL"))
    network: Mapped[str] = mapped_column(sa.String(32))
    # In the order of the network's outputs.
    classes: Mapped[list[str]] = mapped_column(Json)
    image_size: Mapped[int]
    metrics: Mapped[dict[str, Any]] = mapped_column(Json)
    # How it was made, and how good it is: outlives the job. None for those trained before it was kept.
    card: Mapped[dict[str, Any] | None] = mapped_column(NullableJson)

    @property
    def accuracy(self) -> float | None:
        """Of its evaluation; where its card has none, its best epoch's on validation pictures."""
        found: float | None = ((self.card or {}).get("evaluation") or {}).get("accuracy")
        return self.metrics.get("best", {}).get("val_accuracy") if found is None else found


def by_accuracy() -> list[sa.ColumnElement[Any]]:
    """An order of models: the most accurate first, of those that are as accurate the newest."""
    evaluated = Model.card[("evaluation", "accuracy")].as_float()
    validated = Model.metrics[("best", "val_accuracy")].as_float()
    return [sa.func.coalesce(evaluated, validated).desc().nulls_last(), Model.version.desc()]


class LastVersion(Base):
    """The newest version that a name ever had: a deleted version's number is not given again."""

    __tablename__ = "last_versions"

    # The table that the name is in.
    kind: Mapped[str] = mapped_column(sa.String(16), primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    version: Mapped[int]


class ModelAlias(Base):
    """A name that people gave to one version of a model: `name@alias` refers to it until it is moved."""

    __tablename__ = "model_aliases"

    name: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    alias: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    model_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("models.id", ondelete="CASCADE"))
    changed_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)

    __table_args__ = (sa.Index("ix_model_aliases_model_id", "model_id"),)


class Prediction(Base):
    """What a model says of one picture of a job."""

    __tablename__ = "predictions"

    job_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    row: Mapped[int] = mapped_column(primary_key=True)
    image: Mapped[str] = mapped_column(sa.String(1_000))
    label: Mapped[str | None] = mapped_column(sa.String(200))
    probability: Mapped[float | None]
    probabilities: Mapped[dict[str, float] | None] = mapped_column(NullableJson)
    error: Mapped[str | None] = mapped_column(sa.Text)

    __table_args__ = (sa.Index("ix_predictions_probability", "job_id", "probability", "row"),)


class ScoreGroup(Base):
    """What the rows of a scored file with one value in its column `group_by` came to."""

    __tablename__ = "score_groups"

    job_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    # Most rows first, then by value.
    position: Mapped[int] = mapped_column(primary_key=True)
    # None: the rows without one.
    value: Mapped[str | None] = mapped_column(sa.Text)
    rows: Mapped[int] = mapped_column(sa.BigInteger)
    nulls: Mapped[int] = mapped_column(sa.BigInteger)
    labels: Mapped[dict[str, int]] = mapped_column(Json)
    mean: Mapped[float | None]
    std: Mapped[float | None]
    # Counts of the compound in 40 bins from −1 to 1.
    histogram: Mapped[list[int]] = mapped_column(Json)


Thing = TypeVar("Thing", Dataset, Model)


def add(session: Session, thing: Thing) -> Thing:
    """Register `thing` (id and version are given here) as the newest version of its name.

    Jobs that register one name at once take turns: the row of its count is locked until the commit.
    """
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    count = (
        insert(LastVersion)
        .values(kind=thing.__tablename__, name=thing.name, version=1)
        .on_conflict_do_update(index_elements=["kind", "name"], set_={"version": LastVersion.version + 1})
        .returning(LastVersion.version)
    )
    thing.id = uuid7()
    thing.version = session.scalars(count).one()
    thing.created_at = utcnow()
    session.add(thing)
    session.flush()
    session.refresh(thing)
    return thing


def add_dataset(session: Session, dataset: Dataset) -> Dataset:
    """Register `dataset`, or return the version of its name that has the same contents, however old.

    That one gets the report, if it was imported before there were any.
    """
    take_turn(session, dataset)
    same = session.scalar(
        sa.select(Dataset)
        .where(Dataset.name == dataset.name, Dataset.sha256 == dataset.sha256)
        .order_by(Dataset.version.desc())
        .limit(1)
    )
    if same is None:
        return add(session, dataset)
    if same.report is None:
        same.report = dataset.report
    return same


def take_turn(session: Session, dataset: Dataset) -> None:
    """Of jobs that import the same files at once, the later ones find the version of the first."""
    if session.get_bind().dialect.name == "postgresql":  # SQLite has one writer at a time
        session.execute(
            sa.select(
                sa.func.pg_advisory_xact_lock(sa.func.hashtext(f"{dataset.__tablename__}/{dataset.name}"))
            )
        )


def find(session: Session, kind: type[Thing], reference: str) -> Thing:
    """By name (its newest version), `name@version`, `name@latest`, id, and of models by `name@best` and
    `name@alias`. Raises NotFound that names what there is.
    """
    noun = {"datasets": "data set", "models": "model"}[kind.__tablename__]
    found: Thing | None = None
    with suppress(ValueError):
        found = session.get(kind, uuid.UUID(reference))
    if found is None and re.fullmatch(REFERENCE, reference, re.ASCII):
        found = session.scalar(_named(kind, *reference.partition("@")[::2]).limit(1))
    if found is None:
        names = session.scalars(sa.select(kind.name).distinct().order_by(kind.name).limit(10)).all()
        there_is = f"there are: {', '.join(names)}" if names else "there is none yet"
        raise NotFound(f"no {noun} {reference!r}; {there_is}")
    return found


def _named(kind: type[Thing], name: str, which: str) -> sa.Select[Any]:
    query = sa.select(kind).where(kind.name == name)
    if which.isdecimal():
        return query.where(kind.version == int(which))
    if which in ("", LATEST):
        return query.order_by(kind.version.desc())
    if kind is Dataset:
        return query.where(sa.false())
    if which == BEST:
        return query.order_by(*by_accuracy())
    meant = sa.select(ModelAlias.model_id).where(ModelAlias.name == name, ModelAlias.alias == which)
    return query.where(kind.id.in_(meant))


def page(
    session: Session, kind: type[Thing], *, before: uuid.UUID | None = None, limit: int = 50
) -> list[Thing]:
    """Newest first; `before` is the last id of the page above."""
    query = sa.select(kind).order_by(kind.id.desc()).limit(limit)
    return list(session.scalars(query if before is None else query.where(kind.id < before)))


# Where a list of predictions goes on: after this probability and row.
Place = tuple[float | None, int]


def predictions(
    session: Session,
    job_id: uuid.UUID,
    *,
    unsure_first: bool = False,
    label: str | None = None,
    after: Place | None = None,
    limit: int = 50,
) -> list[Prediction]:
    """Rows of a prediction, in the order of the pictures, or the least sure first and those with errors last.

    Those with a label, and after a place; in the pictures' order only the row of that counts.
    """
    rows = sa.select(Prediction).where(Prediction.job_id == job_id).limit(limit)
    if label is not None:
        rows = rows.where(Prediction.label == label)
    if not unsure_first:
        beyond = rows if after is None else rows.where(Prediction.row > after[1])
        return list(session.scalars(beyond.order_by(Prediction.row)))
    found: list[Prediction] = []
    probability, row = after or (0.0, -1)
    # One after the other, as an index has them: databases differ about where nulls belong.
    if probability is not None:
        beyond = rows.where(sa.tuple_(Prediction.probability, Prediction.row) > (probability, row))
        found += session.scalars(beyond.order_by(Prediction.probability, Prediction.row))
        row = -1
    failed = rows.where(Prediction.probability.is_(None), Prediction.row > row).order_by(Prediction.row)
    if len(found) < limit:
        found += session.scalars(failed.limit(limit - len(found)))
    return found


def count_predictions(session: Session, job_id: uuid.UUID) -> dict[str | None, int]:
    """How many pictures have each label; None: those with an error."""
    query = sa.select(Prediction.label, sa.func.count()).where(Prediction.job_id == job_id)
    return dict(session.execute(query.group_by(Prediction.label)).all())


def keep_predictions(
    session: Session, job_id: uuid.UUID, rows: Sequence[dict[str, Any]], start: int = 0
) -> None:
    """Make these the rows of a prediction from the number `start` on: those of an earlier attempt go."""
    theirs = Prediction.row.between(start, start + len(rows) - 1)
    session.execute(sa.delete(Prediction).where(Prediction.job_id == job_id, theirs))
    numbered = [{"job_id": job_id, "row": row, **given} for row, given in enumerate(rows, start)]
    if numbered:
        session.execute(sa.insert(Prediction), numbered)


def score_groups(
    session: Session, job_id: uuid.UUID, *, offset: int = 0, limit: int = 50
) -> list[ScoreGroup]:
    """The groups of a scored file, most rows first."""
    query = sa.select(ScoreGroup).where(ScoreGroup.job_id == job_id).order_by(ScoreGroup.position)
    return list(session.scalars(query.offset(offset).limit(limit)))


def keep_score_groups(session: Session, job_id: uuid.UUID, groups: Sequence[dict[str, Any]]) -> None:
    """Make these, in their order, the groups of a job: those of an earlier attempt make room."""
    session.execute(sa.delete(ScoreGroup).where(ScoreGroup.job_id == job_id))
    if groups:
        rows = [{"job_id": job_id, "position": position, **group} for position, group in enumerate(groups)]
        session.execute(sa.insert(ScoreGroup), rows)


def in_use(session: Session, keys: Sequence[str]) -> set[str]:
    """Those of the storage's keys that a data set, a model, a file or a checkpoint has.

    The checkpoint of a job that has ended counts no more, unless its parent still needs it.
    """
    theirs = [
        sa.select(column).where(column.in_(keys))
        for column in (Dataset.storage_key, Model.storage_key, File.storage_key)
    ]
    needed = Job.state.not_in(TERMINAL) | needed_by_parent()
    checkpoints = sa.select(Job.checkpoint_key).where(Job.checkpoint_key.in_(keys), needed)
    return {key for query in (*theirs, checkpoints) for key in session.scalars(query) if key is not None}
