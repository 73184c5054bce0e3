"""Data sets and models."""

from typing import TypeVar

from flask import Response
from flask_openapi3 import APIBlueprint, Tag
from pydantic import BaseModel, Field
from werkzeug.wrappers import Response as AnyResponse

from jobyard.shared import registry
from jobyard.shared.kinds.base import Parameters
from jobyard.shared.kinds.fields import Alias, Name
from jobyard.shared.registry import models
from jobyard.web import schemas
from jobyard.web.api.common import ANSWERS, SECURITY, PageQuery, answer, binary, download
from jobyard.web.backend import current_backend
from jobyard.web.services.deletion import remove_dataset, remove_model

api = APIBlueprint(
    "registry",
    __name__,
    url_prefix=schemas.API,
    abp_tags=[Tag(name="registry", description="Data sets and models")],
    abp_security=SECURITY,
    abp_responses=ANSWERS,
)


class ReferencePath(BaseModel):
    """A data set."""

    id: str = Field(max_length=130, description="An id, a name (its newest version), or `name@version`")


class ModelPath(BaseModel):
    """A model."""

    id: str = Field(
        max_length=130,
        description="An id, a name (its newest version), `name@version`, `name@latest`, `name@best` "
        "(the most accurate) or `name@alias`",
    )


class AliasPath(BaseModel):
    """An alias of a name."""

    name: Name
    alias: Alias


class Meant(Parameters):
    """What an alias refers to."""

    version: int = Field(ge=1, lt=10**9, description="Version of the model")


@api.get("/datasets", responses={200: schemas.Page[schemas.Dataset]}, summary="List data sets, newest first")
def list_datasets(query: PageQuery) -> Response:
    """All versions."""
    return _page(registry.Dataset, schemas.Dataset, query)


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
    """All versions of all names."""
    with current_backend().database.read() as session:
        found = registry.page(session, registry.Model, before=query.cursor, limit=query.limit + 1)
        known = models.aliases(session, found)
    items = [schemas.Model.of(model, known[model.id]) for model in found[: query.limit]]
    more = str(items[-1].id) if len(found) > query.limit else None
    return answer(schemas.Page[schemas.Model](items=items, next=more))


@api.get("/models/<id>", responses={200: schemas.Model}, summary="Get a model")
def get_model(path: ModelPath) -> Response:
    """The classes of the model, its picture size, aliases, metrics and SHA-256."""
    with current_backend().database.read() as session:
        found = registry.find(session, registry.Model, path.id)
        known = models.aliases(session, [found])
    return answer(schemas.Model.of(found, known[found.id]))


@api.get(
    "/models/<id>/file", responses={200: binary("application/zip"), 304: None}, summary="Download a model"
)
def get_model_file(path: ModelPath) -> AnyResponse:
    """The `.keras` file; with ranges and ETags."""
    with current_backend().database.read() as session:
        found = registry.find(session, registry.Model, path.id)
    return download(found, f"{found.name}-{found.version}.keras", "application/zip")


@api.get("/models/<id>/card", responses={200: schemas.ModelCard}, summary="A model's card")
def get_model_card(path: ModelPath) -> Response:
    """The facts needed to use the file: classes, picture size, preprocessing, data, metrics, evaluation."""
    with current_backend().database.read() as session:
        found = models.card(session, registry.find(session, registry.Model, path.id))
    return answer(schemas.ModelCard.model_validate(found))


@api.delete("/models/<id>", responses={204: None}, summary="Delete a model")
def delete_model(path: ModelPath) -> Response:
    """By `name@version` or id; 409 while a job that has not ended needs it. Its predictions are kept."""
    remove_model(path.id)
    return Response(status=204)


@api.put("/models/<name>/aliases/<alias>", responses={200: schemas.Model}, summary="Set or move an alias")
def set_alias(path: AliasPath, body: Meant) -> Response:
    """`name@alias` now refers to this version. Jobs keep the version that they were submitted with."""
    with current_backend().database.write() as session:
        model = models.set_alias(session, path.name, path.alias, body.version)
        known = models.aliases(session, [model])
    return answer(schemas.Model.of(model, known[model.id]))


@api.delete("/models/<name>/aliases/<alias>", responses={204: None}, summary="Remove an alias")
def remove_alias(path: AliasPath) -> Response:
    """The version that it refers to is kept."""
    with current_backend().database.write() as session:
        models.remove_alias(session, path.name, path.alias)
    return Response(status=204)


Item = TypeVar("Item", bound=BaseModel)


def _page(kind: type[registry.Thing], schema: type[Item], query: PageQuery) -> Response:
    with current_backend().database.read() as session:
        found = registry.page(session, kind, before=query.cursor, limit=query.limit + 1)
    items = [schema.model_validate(thing) for thing in found[: query.limit]]
    more = str(found[query.limit - 1].id) if len(found) > query.limit else None
    return answer(schemas.Page[schema](items=items, next=more))  # type: ignore[valid-type]
