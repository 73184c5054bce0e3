"""The audit log: who changed what for others."""

from typing import Annotated

from flask import Response
from flask_openapi3 import APIBlueprint, Tag
from pydantic import Field

from jobyard.shared import audit
from jobyard.web import schemas
from jobyard.web.api.common import SECURITY, Query, answer_page
from jobyard.web.backend import current_backend
from jobyard.web.patterns import NO_NUL

api = APIBlueprint(
    "audit",
    __name__,
    url_prefix=f"{schemas.API}/audit",
    abp_tags=[Tag(name="audit", description="Who changed what for others")],
    abp_security=SECURITY,
)

Written = Annotated[str, Field(min_length=1, max_length=64, pattern=NO_NUL)]


class AuditQuery(Query):
    """Which entries."""

    actor: Written | None = Field(default=None, description="Only those of the token of this name")
    action: Written | None = Field(
        default=None, description="Only this action, as `token.create`, or all of a noun, as `token.`"
    )
    limit: int = Field(default=50, ge=1, le=1_000)
    cursor: int | None = Field(default=None, ge=1, lt=2**63, description="`next` of the previous page")


@api.get(
    "",
    responses={200: schemas.Page[schemas.AuditEntry]},
    summary="List what was changed for others, newest first",
)
def list_entries(query: AuditQuery) -> Response:
    """Tokens, deletions and the like, each with the name of the token; jobs have their timelines."""
    with current_backend().database.read() as session:
        found = audit.page(
            session, actor=query.actor, action=query.action, before=query.cursor, limit=query.limit + 1
        )
    return answer_page(schemas.Page[schemas.AuditEntry], found, query.limit)
