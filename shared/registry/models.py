"""Models: trained networks in versions, their aliases, their cards, and their deletion."""

import datetime
import uuid
from collections.abc import Collection, Sequence
from typing import Any, Self

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, attributes, defer, mapped_column

from jobyard.shared.database import Base, Json, NullableJson, UtcDateTime, insert_into, utcnow
from jobyard.shared.errors import BadInput, Conflict, NotFound
from jobyard.shared.jobs import Job
from jobyard.shared.needs import unended_job_that_names
from jobyard.shared.registry.best import best_of
from jobyard.shared.registry.datasets import Dataset
from jobyard.shared.registry.evaluations import evaluations
from jobyard.shared.registry.exports import ModelExport, exports_of
from jobyard.shared.registry.versions import LATEST, Versioned, find
from jobyard.shared.storage import File, Reason, plan_deletion

# The alias that the server sets: see `best`.
BEST = "best"

PREPROCESSING = (
    "pixels of 0…255 in RGB, upright, {background}, resized bilinearly (antialiased) to "
    "image_size × image_size; rescaling is inside the model"
)
OUTPUTS = {
    "sigmoid": "one number for each picture: the probability of classes[1]; the rest is that of classes[0]",
    "softmax": "a probability for each class, in the order of classes",
}

# What a card has of its training; of models that have no card it is in the result of the job.
OF_TRAINING = ("backbone", "class_weight", "evaluation", "environment", "timings")


class Model(Versioned):
    """A trained network as a `.keras` file with this SHA-256, and what is needed to use it."""

    __tablename__ = "models"
    noun = "model"

    __table_args__ = (sa.UniqueConstraint("name", "version"),)

    dataset_id: Mapped[uuid.UUID | None] = mapped_column(sa.ForeignKey("datasets.id", ondelete="SET NULL"))
    network: Mapped[str] = mapped_column(sa.String(32))
    # In the order of the model's outputs.
    classes: Mapped[list[str]] = mapped_column(Json)
    image_size: Mapped[int]
    metrics: Mapped[dict[str, Any]] = mapped_column(Json)
    # How it was made, or where it is from, and how good it is: outlives the job. None for those trained
    # before it was kept.
    card: Mapped[dict[str, Any] | None] = mapped_column(NullableJson)

    @property
    def accuracy(self) -> float | None:
        """Of its evaluation; where its card has none, its best epoch's on validation pictures."""
        found: float | None = ((self.card or {}).get("evaluation") or {}).get("accuracy")
        return self.metrics.get("best", {}).get("val_accuracy") if found is None else found

    @property
    def background(self) -> str | None:
        """What it takes for transparent; None for the colour that a file has there, as models once did."""
        found: str | None = (self.card or {}).get("background")
        return found

    @classmethod
    def listing(cls) -> "sa.Select[Any]":
        """Without the cards, which may be long: of an evaluation lists show the accuracy only."""
        return super().listing().add_columns(_evaluated()).options(defer(cls.card))

    @classmethod
    def of_listing(cls, *row: Any) -> Self:
        """The model, whose card has nothing but the accuracy."""
        found: Self
        found, accuracy = row
        card = None if accuracy is None else {"evaluation": {"accuracy": accuracy}}
        attributes.set_committed_value(found, "card", card)
        return found

    @classmethod
    def find_alias(cls, session: Session, name: str, alias: str) -> "sa.Select[Any]":
        """`name@best`, or an alias that people set."""
        query = sa.select(cls).where(cls.name == name)
        if alias == BEST:
            return query.where(cls.id == best_of(session, [name]).get(name))
        meant = sa.select(ModelAlias.model_id).where(ModelAlias.name == name, ModelAlias.alias == alias)
        return query.where(cls.id.in_(meant))


def _evaluated() -> sa.ColumnElement[float]:
    found: sa.ColumnElement[float] = Model.card[("evaluation", "accuracy")].as_float()
    return found


class ModelAlias(Base):
    """A name that people gave to one version of a model: `name@alias` refers to it until it is moved."""

    __tablename__ = "model_aliases"

    name: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    alias: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    model_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("models.id", ondelete="CASCADE"))
    changed_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)

    __table_args__ = (sa.Index("ix_model_aliases_model_id", "model_id"),)


def aliases(session: Session, models: Sequence[Model]) -> dict[uuid.UUID, list[str]]:
    """Of each of these models: `latest` and `best` where it is that, then those that people set."""
    found: dict[uuid.UUID, list[str]] = {model.id: [] for model in models}
    names = {model.name for model in models}
    rank = sa.func.row_number().over(partition_by=Model.name, order_by=Model.version.desc())
    ranked = sa.select(Model.id, rank.label("rank")).where(Model.name.in_(names)).subquery()
    newest = session.scalars(sa.select(ranked.c.id).where(ranked.c.rank == 1))
    for alias, ids in ((LATEST, newest), (BEST, best_of(session, names).values())):
        for model_id in ids:
            if model_id in found:
                found[model_id].append(alias)
    given = sa.select(ModelAlias.model_id, ModelAlias.alias).where(ModelAlias.model_id.in_(found))
    for model_id, alias in session.execute(given.order_by(ModelAlias.alias)):
        found[model_id].append(alias)
    return found


def set_alias(session: Session, name: str, alias: str, version: int) -> Model:
    """Set or move `name@alias` to this version, in one statement, so that it always refers to one.

    Raises NotFound where there is no such version, BadInput for an alias that the server sets.
    """
    if alias in (LATEST, BEST):
        raise BadInput("alias", f"{alias!r} is set by the server; choose another alias")
    # Until the commit it can't be deleted.
    model = session.scalar(
        sa.select(Model).where(Model.name == name, Model.version == version).with_for_update(read=True)
    )
    if model is None:
        raise NotFound(f"there is no model {name}@{version}")
    put = insert_into(session.get_bind(), ModelAlias).values(
        name=name, alias=alias, model_id=model.id, changed_at=utcnow()
    )
    new = put.excluded
    session.execute(
        put.on_conflict_do_update(
            index_elements=["name", "alias"], set_={"model_id": new.model_id, "changed_at": new.changed_at}
        )
    )
    return model


def remove_alias(session: Session, name: str, alias: str) -> None:
    """Remove `name@alias`. Raises NotFound if there is no such alias."""
    if session.get(ModelAlias, (name, alias)) is None:
        raise NotFound(f"the model {name} has no alias {alias!r}")
    session.execute(sa.delete(ModelAlias).where(ModelAlias.name == name, ModelAlias.alias == alias))


def hold(session: Session, model_id: uuid.UUID) -> None:
    """Keep others from changing or deleting the model until the commit. Raises NotFound if it was deleted."""
    if session.scalar(sa.select(Model.id).where(Model.id == model_id).with_for_update()) is None:
        raise NotFound("the model was deleted")


def delete(session: Session, reference: str, with_aliases: Collection[str] = ()) -> list[str]:
    """Delete a model, by `name@version` or id, with aliases, exports and what its training's job shows of it.

    Aliases that people set must be in `with_aliases`: what asks for `name@alias` finds no model from then on.

    Returns the keys of its files: delete those after the commit. Raises NotFound; BadInput for a name or an
    alias, which may refer to another model later; Conflict for an alias that is not named, and while a job
    that has not ended needs it. A job that is being submitted at the same time, and pinned the model before,
    is accepted and fails: "no model".
    """
    model = find(session, Model, reference)
    if reference not in (model.reference, str(model.id)):
        raise BadInput("id", f"should name the version to delete, as {model.reference}, or an id")
    # It can't get an alias or an export meanwhile.
    hold(session, model.id)
    theirs = sa.select(ModelAlias.alias).where(ModelAlias.model_id == model.id).order_by(ModelAlias.alias)
    if unnamed := [alias for alias in session.scalars(theirs) if alias not in with_aliases]:
        named = " and ".join(f"{model.name}@{alias}" for alias in unnamed)
        raise Conflict(
            f"{model.reference} is {named}, too; to delete it with that, name the alias as well "
            f"({', '.join(unnamed)}), or set it for another version first"
        )
    needed_by = unended_job_that_names(session, model.id)
    if needed_by is not None:
        raise Conflict(
            f"job {needed_by} uses the model {model.reference}; wait until it has ended, or cancel it"
        )
    session.execute(sa.delete(File).where(File.storage_key == model.storage_key))
    exported = sa.select(ModelExport.storage_key).where(ModelExport.model_id == model.id)
    keys = [model.storage_key, *session.scalars(exported)]
    session.execute(sa.delete(ModelExport).where(ModelExport.model_id == model.id))
    session.execute(sa.delete(Model).where(Model.id == model.id))
    plan_deletion(session, keys, Reason.DELETED)
    return keys


def _laid_on(background: str | None) -> str:
    """What becomes of what is transparent, for people."""
    return "without transparency (the colour under it)" if background is None else f"laid on {background}"


def card(session: Session, model: Model) -> dict[str, Any]:
    """All that is known of a model, and how to use its file, as JSON.

    What a model has no card of is taken from its data set and its training's result, as long as these are.
    """
    kept = model.card or {}
    job = session.get(Job, model.job_id) if model.job_id else None
    dataset = session.get(Dataset, model.dataset_id) if model.dataset_id else None
    data = (
        {"dataset": dataset.reference, "sha256": dataset.sha256, "pictures": dataset.pictures}
        if dataset
        else None
    )
    result = (job.result or {}) if job else {}
    facts = {name: kept.get(name) or result.get(name) for name in OF_TRAINING}
    return {
        "name": model.name,
        "version": model.version,
        "reference": model.reference,
        "aliases": aliases(session, [model])[model.id],
        "created_at": model.created_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "format": "keras",
        # Files that were written before it was noted need the Keras that wrote them.
        "least_keras": kept.get("least_keras") or (facts["environment"] or {}).get("keras"),
        "bytes": model.bytes,
        "sha256": model.sha256,
        "network": model.network,
        "image_size": model.image_size,
        "preprocessing": PREPROCESSING.format(background=_laid_on(model.background)),
        "background": model.background,
        "classes": model.classes,
        "outputs": OUTPUTS[kept.get("outputs") or ("sigmoid" if len(model.classes) == 2 else "softmax")],
        "accuracy": model.accuracy,
        "metrics": model.metrics,
        "data": kept.get("data") or data,
        "source": kept.get("source"),
        "warnings": kept.get("warnings") or [],
        **facts,
        "exports": [one.described(model) for one in exports_of(session, [model.id])[model.id]],
        "evaluations": [
            {
                "dataset": one.dataset,
                "sha256": one.dataset_sha256,
                "split": one.split,
                "pictures": one.pictures,
                "accuracy": one.accuracy,
                "accuracy_interval": one.accuracy_interval,
                "loss": one.loss,
            }
            for one in evaluations(session, model.id)
        ],
        "spec": kept.get("spec") or (job.spec if job else None),
    }
