"""The page of the audit log."""

from typing import Final

from flask import Response, make_response, render_template, request

from jobyard.shared import audit
from jobyard.shared.errors import NotFound
from jobyard.web.backend import current_backend
from jobyard.web.pages.blueprint import routes

SHOWN: Final = 50


@routes.get("/audit", endpoint="audit")
def show_audit() -> Response:
    """Who changed what for others, newest first; of one token or one action, if they are asked for."""
    kept = {name: request.args[name] for name in ("actor", "action") if request.args.get(name)}
    cursor = request.args.get("cursor", "")
    if cursor and not (cursor.isdecimal() and len(cursor) < 19):
        raise NotFound(f"there is no page after {cursor!r}")
    with current_backend().database.read() as session:
        found = audit.page(
            session,
            actor=kept.get("actor"),
            action=kept.get("action"),
            before=int(cursor) if cursor else None,
            limit=SHOWN + 1,
        )
    page = render_template(
        "access/audit.html",
        entries=found[:SHOWN],
        next=found[SHOWN - 1].id if len(found) > SHOWN else None,
        kept=kept,
    )
    return make_response(page)
