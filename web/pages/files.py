"""The page of uploads: their sizes, and until when they are kept."""

import uuid
from contextlib import suppress

from flask import Response, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from jobyard.shared import storage, uploads
from jobyard.shared.errors import Conflict, NotFound
from jobyard.web.backend import current_backend
from jobyard.web.pages.blueprint import routes
from jobyard.web.services.deletion import remove_upload

FILES_PER_PAGE = 25


@routes.get("/files")
def files() -> Response:
    """All uploads, newest first."""
    return _page()


@routes.post("/files/<uuid:file_id>/delete")
def delete_file(file_id: uuid.UUID) -> AnyResponse:
    """Delete the upload, then back to the list; or the list with why not."""
    try:
        with suppress(NotFound):  # it is gone already, which the page shows
            remove_upload(file_id)
    except Conflict as error:
        return _page(409, not_deleted=error.message)
    return redirect(url_for("pages.files"), 303)


def _page(status: int = 200, **context: object) -> Response:
    backend = current_backend()
    days = backend.settings.retention_days
    with backend.database.read() as session:
        found = uploads.page(session, days, before=_cursor(), limit=FILES_PER_PAGE + 1)
        total = storage.total(session, storage.UPLOADS)
    shown = found[:FILES_PER_PAGE]
    page = render_template(
        "files.html",
        uploads=shown,
        total=total,
        retention_days=days,
        exact_readers=uploads.EXACT_READERS,
        next=shown[-1].file.id if len(found) > FILES_PER_PAGE else None,
        **context,
    )
    return make_response(page, status)


def _cursor() -> uuid.UUID | None:
    """Of the page; what makes no sense is left out, as people edit addresses by hand."""
    with suppress(ValueError):
        return uuid.UUID(request.args.get("cursor", ""))
    return None
