"""Data sets and models."""

from contextlib import suppress
from typing import TypeVar

from flask import Response
from flask_openapi3 import APIBlueprint, Tag
from pydantic import BaseModel, Field

from shared import catalog, retention
from web import schemas
from web.api.common import ANSWERS, SECURITY, PageQuery, answer
from web.backend import backend

api = APIBlueprint(
    "registry",
    __name__,
    url_prefix=schemas.API,
    abp_tags=[Tag(name="registry", description="Data sets and models")],
    abp_security=SECURITY,
    abp_responses=ANSWERS,
)


class ReferencePath(BaseModel):
    """Which one."""

    id: str = Field(max_length=80, description="An id, a name (its newest version), or `name@version`")


@api.get("/datasets", responses={200: schemas.Page[schemas.Dataset]}, summary="List data sets, newest first")
def list_datasets(query: PageQuery) -> Response:
    """All versions."""
    return _page(catalog.Dataset, schemas.Dataset, query)


@api.get("/datasets/<id>", responses={200: schemas.Dataset}, summary="Look at a data set")
def get_dataset(path: ReferencePath) -> Response:
    """Its classes, counts, and the files that were rejected."""
    with backend().database.read() as session:
        found = catalog.find(session, catalog.Dataset, path.id)
    return answer(schemas.Dataset.model_validate(found))


@api.delete("/datasets/<id>", responses={204: None}, summary="Delete a version of a data set")
def delete_dataset(path: ReferencePath) -> Response:
    """By `name@version` or id: a name alone is refused. Models that were trained on it stay.

    409 while a job that has not ended needs it.
    """
    delete_version(path.id)
    return Response(status=204)


def delete_version(reference: str) -> None:
    """Delete a data set's row, and then its pictures. Raises as `retention.delete_dataset`."""
    here = backend()
    with here.database.write() as session:
        keys = retention.delete_dataset(session, reference)
    with suppress(OSError):  # the sweeper finds later what no row refers to
        for key in keys:
            here.storage.delete(key)


@api.get("/models", responses={200: schemas.Page[schemas.Model]}, summary="List models, newest first")
def list_models(query: PageQuery) -> Response:
    """All versions."""
    return _page(catalog.Model, schemas.Model, query)


@api.get("/models/<id>", responses={200: schemas.Model}, summary="Look at a model")
def get_model(path: ReferencePath) -> Response:
    """Its classes, picture size, metrics and SHA-256; its job has the file."""
    with backend().database.read() as session:
        found = catalog.find(session, catalog.Model, path.id)
    return answer(schemas.Model.model_validate(found))


Item = TypeVar("Item", bound=BaseModel)


def _page(kind: type[catalog.Thing], schema: type[Item], query: PageQuery) -> Response:
    with backend().database.read() as session:
        found = catalog.page(session, kind, before=query.cursor, limit=query.limit + 1)
    items = [schema.model_validate(thing) for thing in found[: query.limit]]
    more = str(found[query.limit - 1].id) if len(found) > query.limit else None
    return answer(schemas.Page[schema](items=items, next=more))  # type: ignore[valid-type]
