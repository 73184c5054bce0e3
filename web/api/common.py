"""What the routes have in common: parameters, pages, conditional answers."""

import uuid
from typing import Any

from flask import Response, request
from pydantic import BaseModel, Field

from web.problems import Problem

ANSWERS: dict[str | int, Any] = {401: Problem, 404: Problem, 409: Problem, 422: Problem}
SECURITY: list[dict[str, list[str]]] = [{"token": []}]


class JobPath(BaseModel):
    """The id of a job."""

    id: uuid.UUID


class PageQuery(BaseModel):
    """Which part of a list."""

    model_config = {"extra": "forbid"}

    limit: int = Field(default=50, ge=1, le=1_000)
    cursor: uuid.UUID | None = Field(default=None, description="`next` of the part before")


def answer(body: BaseModel, status: int = 200, **headers: str) -> Response:
    """A model as JSON; `headers` are named with underscores."""
    response = Response(body.model_dump_json(), status, mimetype="application/json")
    for name, value in headers.items():
        response.headers[name.replace("_", "-")] = value
    return response


def not_modified(etag: str) -> Response | None:
    """304 if the client has this version already."""
    if request.if_none_match.contains(etag.strip('"')):
        return Response(status=304, headers={"ETag": etag})
    return None
