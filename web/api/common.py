"""What the routes have in common: parameters, pages, conditional answers."""

import functools
import unicodedata
import uuid
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any
from urllib.parse import quote

from flask import Response, request, send_file
from pydantic import BaseModel, Field
from werkzeug.http import unquote_etag
from werkzeug.wrappers import Response as AnyResponse

from jobyard.shared import registry, storage
from jobyard.web.backend import current_backend
from jobyard.web.problems import Problem
from jobyard.web.schemas.base import Item, Page

SECURITY: list[dict[str, list[str]]] = [{"token": []}]


class JobPath(BaseModel):
    """The id of a job."""

    id: uuid.UUID


class Query(BaseModel):
    """The query of a URL; unknown names are errors."""

    model_config = {"extra": "forbid"}

    @classmethod
    @functools.cache
    def model_json_schema(cls, *args: Any, **options: Any) -> dict[str, Any]:  # type: ignore[override]
        """pydantic's, made once: flask-openapi3 asks for it in each request."""
        return super().model_json_schema(*args, **options)


class PageQuery(Query):
    """A page of a list."""

    limit: int = Field(default=50, ge=1, le=1_000)
    cursor: uuid.UUID | None = Field(default=None, description="`next` of the previous page")


def answer_page(page: type[Page[Item]], rows: Sequence[Any], limit: int) -> Response:
    """The first `limit` rows. If there are more, the id of the last one that is shown is their `cursor`."""
    more = str(rows[limit - 1].id) if len(rows) > limit else None
    return answer(page.model_validate({"items": rows[:limit], "next": more}))


def answer(body: BaseModel | bytes, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A model, or what is JSON already."""
    content = body if isinstance(body, bytes) else body.model_dump_json()
    return Response(content, status, headers, content_type="application/json")


def binary(*media_types: str) -> dict[str, Any]:
    """An answer of bytes, as OpenAPI has it."""
    return {"content": {one: {"schema": {"type": "string", "format": "binary"}} for one in media_types}}


def downloads(*media_types: str) -> dict[str | int, Any]:
    """What a `download` answers, as OpenAPI has it."""
    return {200: binary(*media_types), 206: binary(*media_types), 304: None, 416: Problem}


def download(
    file: storage.File | registry.Model | registry.ModelExport, name: str, media_type: str
) -> AnyResponse:
    """What is stored, to be saved under a name; with ranges and an ETag. Raises NotFound if it is gone."""
    if unchanged := not_modified(f'"{file.sha256}"'):
        return unchanged
    response = send_file(
        current_backend().storage.open(file.storage_key),
        mimetype=media_type,
        as_attachment=True,
        download_name=name,
        etag=file.sha256,
    )
    response.content_length = file.bytes
    response.accept_ranges = "bytes"
    response.make_conditional(request.environ, accept_ranges=True, complete_length=file.bytes)
    if request.method == "GET" and response.status_code in (200, 206):
        _begin(response)
    return response


def attach(response: Response, name: str) -> None:
    """Let a browser save the answer under this name, of which an old one takes what is ASCII."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    names = {"filename": plain}
    if plain != name:
        names["filename*"] = f"UTF-8''{quote(name, safe='')}"
    response.headers.set("Content-Disposition", "attachment", **names)


def _begin(response: AnyResponse) -> None:
    """Read the first bytes: an error of the storage has an answer now, and later cuts the connection."""
    if current_backend().storage.is_local:
        return
    body = response.response
    parts: Iterator[Any] = iter(body)
    response.response = chain([next(parts, b"")], parts)
    if close := getattr(body, "close", None):
        response.call_on_close(close)


def not_modified(etag: str) -> Response | None:
    """304 if the client has this version already."""
    return Response(status=304, headers={"ETag": etag}) if is_known(etag) else None


def is_known(etag: str) -> bool:
    """Whether If-None-Match has this ETag, or `*`; a weak one counts, as RFC 9110 has it in 13.1.2."""
    tag, _ = unquote_etag(etag)
    return request.if_none_match.contains_weak(tag or "")
