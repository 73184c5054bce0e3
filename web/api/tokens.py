"""Named tokens: list, create, revoke."""

from typing import Final

from flask import Response
from flask_openapi3 import APIBlueprint, Tag
from pydantic import BaseModel, Field

from jobyard.shared import tokens
from jobyard.shared.kinds.base import Parameters
from jobyard.shared.kinds.fields import Name
from jobyard.web import schemas
from jobyard.web.api.common import SECURITY, PageQuery, answer, answer_page
from jobyard.web.auth import actor
from jobyard.web.backend import current_backend

api = APIBlueprint(
    "tokens",
    __name__,
    url_prefix=f"{schemas.API}/tokens",
    abp_tags=[Tag(name="tokens", description="Who may use this server, and for what")],
    abp_security=SECURITY,
)

# Ten years.
MAX_SECONDS: Final = 10 * 366 * 24 * 3600


class TokensQuery(PageQuery):
    """Which tokens."""

    revoked: bool = Field(default=False, description="List those that were revoked, too")


class TokenPath(BaseModel):
    """A token."""

    name: Name


class TokenRequest(Parameters):
    """What a token is to be."""

    name: Name
    scope: tokens.Scope = Field(
        description="`read` looks at everything; `submit` also submits and controls jobs; `admin` does all"
    )
    expires_seconds: int | None = Field(
        default=None, ge=1, le=MAX_SECONDS, description="How long it is valid; null: until it is revoked"
    )
    max_queued: int | None = Field(
        default=None,
        ge=1,
        le=tokens.MAX_QUOTA,
        description="How many of its jobs may be queued at once; null: any number",
    )
    max_running: int | None = Field(
        default=None,
        ge=1,
        le=tokens.MAX_QUOTA,
        description="How many of its jobs run at once, while others stay queued; null: any number",
    )


@api.get(
    "",
    responses={200: schemas.Page[schemas.Token]},
    summary="List the named tokens, newest first",
)
def list_tokens(query: TokensQuery) -> Response:
    """Without their secrets, which are not kept, and without the server's own token, `admin`."""
    with current_backend().database.read() as session:
        found = tokens.page(session, with_revoked=query.revoked, before=query.cursor, limit=query.limit + 1)
    return answer_page(schemas.Page[schemas.Token], found, query.limit)


@api.post("", responses={201: schemas.NewToken}, summary="Create a token")
def create_token(body: TokenRequest) -> Response:
    """The answer has the token itself, in `secret`, which no later answer has.

    409 if there is a token of this name that is neither revoked nor expired.
    """
    with current_backend().database.write() as session:
        token, secret = tokens.create(
            session,
            name=body.name,
            scope=body.scope,
            expires_seconds=body.expires_seconds,
            created_by=actor(),
            max_queued=body.max_queued,
            max_running=body.max_running,
        )
    known = schemas.Token.model_validate(token)
    return answer(schemas.NewToken(**known.model_dump(), secret=secret), 201)


@api.delete("/<name>", responses={204: None}, summary="Revoke a token")
def revoke_token(path: TokenPath) -> Response:
    """This and the logins that were made with it end: here at once, in other processes within two seconds.

    409 for `admin`, which is the server's own.
    """
    backend = current_backend()
    with backend.database.write() as session:
        tokens.revoke(session, path.name, revoked_by=actor())
    backend.tokens.forget()
    return Response(status=204)
