"""Data sets and models."""

from collections.abc import Callable
from typing import Final, Generic, Literal, NamedTuple, TypeVar

import sqlalchemy as sa
from flask import Response
from flask_openapi3 import APIBlueprint, Tag
from pydantic import BaseModel, Field
from pydantic_core import to_json
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from jobyard.shared import jobs, registry
from jobyard.shared.errors import BadInput
from jobyard.shared.kinds.base import Parameters
from jobyard.shared.kinds.export import Format, Quantize
from jobyard.shared.kinds.fields import Alias, Name
from jobyard.shared.registry import exports, models
from jobyard.web import schemas
from jobyard.web.api.common import SECURITY, PageQuery, Query, answer, answer_page, download, downloads
from jobyard.web.backend import current_backend
from jobyard.web.patterns import NO_NUL, SHA256
from jobyard.web.services import budgets
from jobyard.web.services.deletion import remove_dataset, remove_model

api = APIBlueprint(
    "registry",
    __name__,
    url_prefix=schemas.API,
    abp_tags=[Tag(name="registry", description="Data sets and models")],
    abp_security=SECURITY,
)


class ReferencePath(BaseModel):
    """A data set."""

    id: str = Field(max_length=130, description="An id, a name (its newest version), or `name@version`")


class ModelPath(BaseModel):
    """A model."""

    id: str = Field(
        max_length=130,
        description="An id, a name (its newest version), `name@version`, `name@latest`, `name@best` "
        "(the best on the same pictures) or `name@alias`",
    )


class FileQuery(Query):
    """Which of a model's files."""

    format: Literal["keras", Format] = Field(
        default="keras", description="All but `keras` are made by a job of kind `export`"
    )
    quantize: Quantize = Field(default="none", description="How the weights of `tflite` are kept")


class DeleteQuery(Query):
    """What is to be deleted with a model."""

    alias: str = Field(
        default="",
        max_length=10_000,
        pattern=NO_NUL,
        description="The aliases that people set for it, separated by commas: they are deleted, too",
    )


class AliasPath(BaseModel):
    """An alias of a name."""

    name: Name
    alias: Alias


class Meant(Parameters):
    """What an alias refers to."""

    version: int = Field(ge=1, lt=10**9, description="Version of the model")


class DatasetsQuery(PageQuery):
    """Which data sets."""

    name: Name | None = Field(default=None, description="Only versions of this name")
    source_sha256: str | None = Field(
        default=None,
        pattern=SHA256,
        description="Only those that the import of an archive with this SHA-256 makes, with `labels` and "
        "`allow_partial` as here: whoever has the archive need not upload it again",
    )
    labels: Literal["auto", "folders", "table"] = Field(
        default="auto", description="Of the import from `source_sha256`"
    )
    allow_partial: bool = Field(default=False, description="Of the import from `source_sha256`")


@api.get("/datasets", responses={200: schemas.Page[schemas.Dataset]}, summary="List data sets, newest first")
def list_datasets(query: DatasetsQuery) -> Response:
    """All versions, or some. Long lists of classes, rejected files and reports are cut, as `truncated` says.

    A page may have fewer than `limit`; there are more as long as `next` is not null.
    """
    where = [] if query.name is None else [registry.Dataset.name == query.name]
    if query.source_sha256 is not None:
        where.append(
            registry.came_of(query.source_sha256, labels=query.labels, allow_partial=query.allow_partial)
        )
    with current_backend().database.read() as session:
        rows, more = _listed(session, registry.Dataset, schemas.Dataset.model_validate, query, *where)
    return answer(schemas.Page[schemas.Dataset](items=[row.item for row in rows], next=more))


@api.get("/datasets/<id>", responses={200: schemas.Dataset}, summary="Get a data set")
def get_dataset(path: ReferencePath) -> Response:
    """The classes of the data set, their sizes, and the rejected files."""
    with current_backend().database.read() as session:
        found = registry.find(session, registry.Dataset, path.id)
    return answer(schemas.Dataset.model_validate(found))


@api.delete("/datasets/<id>", responses={204: None}, summary="Delete a version of a data set")
def delete_dataset(path: ReferencePath) -> Response:
    """By `name@version` or id; a name alone is refused. Models that were trained on it are kept.

    409 while a job that has not ended needs it.
    """
    remove_dataset(path.id)
    return Response(status=204)


@api.get("/models", responses={200: schemas.Page[schemas.Model]}, summary="List models, newest first")
def list_models(query: PageQuery) -> Response:
    """All versions of all names. Long lists of classes are cut, as `truncated` says.

    A page may have fewer than `limit`; there are more as long as `next` is not null.
    """
    with current_backend().database.read() as session:
        rows, more = _listed(session, registry.Model, lambda model: schemas.Model.of(model, []), query)
        known = models.aliases(session, [row.thing for row in rows])
        exported = exports.exports_of(session, [row.thing.id for row in rows])
    for row in rows:
        row.item.aliases = known[row.thing.id]
        row.item.exports = [schemas.ModelExport.of(one, row.thing) for one in exported[row.thing.id]]
    return answer(schemas.Page[schemas.Model](items=[row.item for row in rows], next=more))


@api.get("/models/<id>", responses={200: schemas.Model}, summary="Get a model")
def get_model(path: ModelPath) -> Response:
    """The classes of the model, its picture size, aliases, metrics, SHA-256 and files in other formats."""
    with current_backend().database.read() as session:
        found = _model(session, registry.find(session, registry.Model, path.id))
    return answer(found)


@api.get(
    "/models/<id>/file",
    responses=downloads("application/zip", "application/octet-stream"),
    summary="Download a model",
)
def get_model_file(path: ModelPath, query: FileQuery) -> AnyResponse:
    """The `.keras` file, or one that was exported; with ranges and ETags.

    404 also where the model was not exported yet in that format: submit a job of kind `export`.
    """
    if query.quantize != "none" and query.format != "tflite":
        raise BadInput("quantize", f"should be 'none' for the format {query.format!r}")
    with current_backend().database.read() as session:
        found = registry.find(session, registry.Model, path.id)
        export = (
            None
            if query.format == "keras"
            else exports.get_export(session, found, query.format, query.quantize)
        )
    # Not in the transaction: the storage may be slow to open a file.
    if export is None:
        return download(found, f"{found.name}-{found.version}.keras", "application/zip")
    return download(export, export.file_name(found), export.media_type)


@api.get("/models/<id>/card", responses={200: schemas.ModelCard}, summary="A model's card")
def get_model_card(path: ModelPath) -> Response:
    """The facts needed to use the file: classes, picture size, preprocessing, data, metrics, evaluation."""
    with current_backend().database.read() as session:
        found = models.card(session, registry.find(session, registry.Model, path.id))
    return answer(schemas.ModelCard.model_validate(found))


@api.get(
    "/models/<id>/evaluations",
    responses={200: schemas.Page[schemas.ModelEvaluation]},
    summary="List a model's evaluations, newest first",
)
def list_evaluations(path: ModelPath, query: PageQuery) -> Response:
    """Those by jobs of kind `evaluate`; that of its training is in its card."""
    with current_backend().database.read() as session:
        model = registry.find(session, registry.Model, path.id)
        found = registry.evaluations(session, model.id, before=query.cursor, limit=query.limit + 1)
    return answer_page(schemas.Page[schemas.ModelEvaluation], found, query.limit)


@api.delete("/models/<id>", responses={204: None}, summary="Delete a model")
def delete_model(path: ModelPath, query: DeleteQuery) -> Response:
    """By `name@version` or id. Its predictions are kept.

    409 while a job that has not ended needs it, and for a model with an alias that `alias` does not name.
    """
    remove_model(path.id, query.alias)
    return Response(status=204)


@api.put("/models/<name>/aliases/<alias>", responses={200: schemas.Model}, summary="Set or move an alias")
def set_alias(path: AliasPath, body: Meant) -> Response:
    """`name@alias` now refers to this version. Jobs keep the version that they were submitted with."""
    with current_backend().database.write() as session:
        model = _model(session, models.set_alias(session, path.name, path.alias, body.version))
    return answer(model)


@api.delete("/models/<name>/aliases/<alias>", responses={204: None}, summary="Remove an alias")
def remove_alias(path: AliasPath) -> Response:
    """The version that it refers to is kept."""
    with current_backend().database.write() as session:
        models.remove_alias(session, path.name, path.alias)
    return Response(status=204)


def _model(session: Session, model: registry.Model) -> schemas.Model:
    aliases, exported = models.aliases(session, [model]), exports.exports_of(session, [model.id])
    return schemas.Model.of(model, aliases[model.id], exported[model.id])


Item = TypeVar("Item", schemas.Dataset, schemas.Model)

# What a list shows in part where it is long, and how much more may be read than is shown.
LONG: Final = ("classes", "rejected", "report", "metrics")
READ_TO_SHOWN: Final = 8


class Row(NamedTuple, Generic[registry.Thing, Item]):
    """A thing, as its list shows it; `size` is what it takes of a page."""

    thing: registry.Thing
    item: Item
    size: int


def _listed(
    session: Session,
    kind: type[registry.Thing],
    show: Callable[[registry.Thing], Item],
    query: PageQuery,
    *where: sa.ColumnElement[bool],
) -> tuple[list[Row[registry.Thing, Item]], str | None]:
    """As many as fit into a page, and the cursor of those after them."""
    found = registry.each(session, kind, *where, before=query.cursor, limit=query.limit + 1)
    rows = (Row(thing, *_shortened(show(thing))) for thing in found)
    shown, has_more = budgets.take(rows, lambda row: row.size, limit=query.limit)
    return shown, str(shown[-1].thing.id) if has_more else None


def _shortened(item: Item) -> tuple[Item, int]:
    """With its long values cut, as those of jobs are; and what it takes of a page."""
    read = 0
    for name in LONG:
        value = getattr(item, name, None)
        size = len(to_json(value))
        read += size
        if size > jobs.WHOLE_BYTES:
            brief: jobs.Brief = jobs.brief_of({name: value})
            setattr(item, name, brief.value[name])
            item.truncated = [*item.truncated, *(".".join(cut["path"]) for cut in brief.cuts)]
    return item, len(item.model_dump_json()) + read // READ_TO_SHOWN
