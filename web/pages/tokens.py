"""The page of named tokens: who may use this server, and for what."""

import datetime
import uuid
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from flask import Response, make_response, redirect, render_template, request, url_for
from pydantic import TypeAdapter, ValidationError
from werkzeug.wrappers import Response as AnyResponse

from jobyard.shared import tokens
from jobyard.shared.errors import BadInput, Conflict, NotFound
from jobyard.shared.kinds.fields import Name
from jobyard.web.auth import actor
from jobyard.web.backend import current_backend
from jobyard.web.pages.blueprint import routes

SHOWN: Final = 200
NAME: Final[TypeAdapter[str]] = TypeAdapter(Name)
DAY: Final = 24 * 3600
# What the form offers.
DAYS: Final = (7, 30, 90, 365)
# By their fields, what the form says of them.
QUOTAS: Final = {"max_queued": "Queued jobs at most", "max_running": "Running jobs at most"}
SHOULD_BE: Final = f"should be 1 to {tokens.MAX_QUOTA:,}, or nothing"
GLOSS: Final = {
    tokens.Scope.READ: "look at jobs, results and models",
    tokens.Scope.SUBMIT: "also submit and control jobs, and upload files",
    tokens.Scope.ADMIN: "everything, tokens included",
}


@routes.get("/tokens", endpoint="tokens")
def show_tokens() -> Response:
    """The tokens that are not revoked, and a form for a new one."""
    return _page()


@routes.post("/tokens")
def create_token() -> Response:
    """Create a token, and show it: this page is the only one that ever has it."""
    values = {field: request.form.get(field, "").strip() for field in ("name", "scope", "days", *QUOTAS)}
    name, scope, days = values["name"], values["scope"], values["days"]
    try:
        NAME.validate_python(name)
    except ValidationError:
        return _page(422, values, name="should be of letters, digits, '.', '_' and '-', at most 64")
    if scope not in tuple(tokens.Scope):
        return _page(422, values, scope=f"should be {', '.join(tokens.Scope)}")
    if days not in ("", *map(str, DAYS)):
        return _page(422, values, days=f"should be one of {', '.join(map(str, DAYS))}, or nothing")
    wrong = {quota: SHOULD_BE for quota in QUOTAS if not _is_quota(values[quota])}
    if wrong:
        return _page(422, values, **wrong)
    try:
        with current_backend().database.write() as session:
            _, secret = tokens.create(
                session,
                name=name,
                scope=tokens.Scope(scope),
                expires_seconds=int(days) * DAY if days else None,
                created_by=actor(),
                **{quota: int(values[quota]) if values[quota] else None for quota in QUOTAS},
            )
    except BadInput as error:
        return _page(422, values, name=error.message)
    except Conflict as error:
        return _page(409, values, name=error.message)
    return _page(201, new=name, secret=secret)


@routes.post("/tokens/<name>/revoke")
def revoke_token(name: str) -> AnyResponse:
    """Revoke a token, then back to the list; to the login if it was this browser's own."""
    backend = current_backend()
    with suppress(NotFound), backend.database.write() as session:  # it is gone already, as the page shows
        tokens.revoke(session, name, revoked_by=actor())
    backend.tokens.forget()
    return redirect(url_for("pages.tokens"), 303)


def _is_quota(written: str) -> bool:
    return not written or (
        written.isascii()
        and written.isdecimal()
        and len(written) <= 5
        and 1 <= int(written) <= tokens.MAX_QUOTA
    )


def _page(
    status: int = 200,
    values: Mapping[str, str] | None = None,
    *,
    new: str | None = None,
    secret: str | None = None,
    **errors: str,
) -> Response:
    before = _cursor()
    with current_backend().database.read() as session:
        found = tokens.page(session, before=before, limit=SHOWN + 1)
    page = render_template(
        "access/tokens.html",
        tokens=found[:SHOWN],
        next=found[SHOWN - 1].id if len(found) > SHOWN else None,
        built_in=tokens.BUILT_IN,
        scopes=GLOSS,
        days=DAYS,
        now=datetime.datetime.now(datetime.UTC),
        quotas=QUOTAS,
        most=tokens.MAX_QUOTA,
        values=values or {},
        errors=errors,
        new=new,
        secret=secret,
    )
    return make_response(page, status)


def _cursor() -> uuid.UUID | None:
    try:
        return uuid.UUID(request.args["cursor"]) if "cursor" in request.args else None
    except ValueError:
        raise NotFound(f"there is no page after {request.args['cursor']!r}") from None
