"""Exports: a model's files in other formats. Each belongs to its model, and is deleted with it."""

import datetime
import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from jobyard.shared.database import Base, Json, UtcDateTime, utcnow
from jobyard.shared.errors import NotFound
from jobyard.shared.kinds.export import Format, Quantize
from jobyard.shared.storage import Reason, Stored, complete, plan_deletion

if TYPE_CHECKING:
    from jobyard.shared.registry.models import Model

# The end of a file's name, and its media type; nothing is registered for ONNX and TFLite.
FILES: Final[dict[Format, tuple[str, str]]] = {
    "onnx": (".onnx", "application/octet-stream"),
    "tflite": (".tflite", "application/octet-stream"),
    "savedmodel": ("-savedmodel.zip", "application/zip"),
}


class ModelExport(Base):
    """A file of a model in another format."""

    __tablename__ = "model_exports"

    model_id: Mapped[uuid.UUID] = mapped_column(
        sa.ForeignKey("models.id", ondelete="CASCADE"), primary_key=True
    )
    format: Mapped[str] = mapped_column(sa.String(16), primary_key=True)
    quantize: Mapped[str] = mapped_column(sa.String(16), primary_key=True)
    storage_key: Mapped[str] = mapped_column(sa.String(500), unique=True)
    bytes: Mapped[int] = mapped_column(sa.BigInteger)
    sha256: Mapped[str] = mapped_column(sa.String(64))
    # What its input and output are, how far its probabilities are from the model's, and what made it.
    facts: Mapped[dict[str, Any]] = mapped_column(Json)
    created_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)

    def file_name(self, model: "Model") -> str:
        """The name under which it is saved: `pets-3.onnx`."""
        how = "" if self.quantize == "none" else f"-{self.quantize}"
        return f"{model.name}-{model.version}{how}{FILES[self.format][0]}"  # type: ignore[index]

    def described(self, model: "Model") -> dict[str, Any]:
        """What it is, and how it is used, as JSON."""
        return {
            "format": self.format,
            "quantize": self.quantize,
            "file": self.file_name(model),
            "bytes": self.bytes,
            "sha256": self.sha256,
            **self.facts,
        }

    @property
    def media_type(self) -> str:
        return FILES[self.format][1]  # type: ignore[index]


def exports_of(session: Session, models: Sequence[uuid.UUID]) -> dict[uuid.UUID, list[ModelExport]]:
    """The exports of each of these models, by format."""
    found: dict[uuid.UUID, list[ModelExport]] = {model: [] for model in models}
    theirs = sa.select(ModelExport).where(ModelExport.model_id.in_(found))
    for one in session.scalars(theirs.order_by(ModelExport.format, ModelExport.quantize)):
        found[one.model_id].append(one)
    return found


def find_export(
    session: Session, model: "Model", format_: Format, quantize: Quantize = "none"
) -> ModelExport | None:
    """The model's file in that format, if there is one."""
    return session.get(ModelExport, (model.id, format_, quantize))


def get_export(session: Session, model: "Model", format_: Format, quantize: Quantize = "none") -> ModelExport:
    """The same. Raises NotFound that says how to make it."""
    found = find_export(session, model, format_, quantize)
    if found is None:
        how = "" if quantize == "none" else f', "quantize": "{quantize}"'
        raise NotFound(
            f"{model.reference} was not exported yet as {format_}"
            f"{'' if quantize == 'none' else f' with quantize {quantize}'}; submit a job of kind export with "
            f'the spec {{"model": "{model.reference}", "format": "{format_}"{how}}}'
        )
    return found


def add_export(
    session: Session,
    model_id: uuid.UUID,
    format_: Format,
    quantize: Quantize,
    stored: Stored,
    facts: dict[str, Any],
    *,
    replace: bool,
) -> tuple[ModelExport, str | None]:
    """The row of a stored file, or the one that another job has added meanwhile, unless `replace`.

    Returns it and the key that nothing refers to now, if there is one: delete that after the commit. Hold the
    model (`models.hold`), so that its exports take turns.
    """
    found = session.get(ModelExport, (model_id, format_, quantize), populate_existing=True)
    unused = None
    if found is None:
        found = ModelExport(model_id=model_id, format=format_, quantize=quantize)
        session.add(found)
    elif not replace:
        return found, stored.key
    else:
        unused = found.storage_key
        plan_deletion(session, [unused], Reason.REPLACED)
    found.storage_key, found.bytes, found.sha256 = stored.key, stored.bytes, stored.sha256
    found.facts, found.created_at = facts, utcnow()
    complete(session, [stored.key])
    session.flush()
    session.refresh(found)
    return found, unused
