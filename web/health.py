"""Is the process there, and can it work? For load balancers and compose; no token."""

import logging

import sqlalchemy as sa
from flask import Blueprint, Response, jsonify

from jobyard.shared.errors import DiskFull, NotFound, StorageFailed
from jobyard.shared.migrate import newest_revision
from jobyard.web.backend import current_backend
from jobyard.web.problems import RETRY_AFTER_SECONDS

log = logging.getLogger(__name__)
routes = Blueprint("health", __name__)


@routes.get("/healthz")
def healthz() -> Response:
    """The process answers."""
    return jsonify(status="ok")


@routes.get("/readyz")
def readyz() -> tuple[Response, int, dict[str, str]]:
    """Jobs can be accepted. An unreachable broker doesn't stop that: the sweeper sends them later."""
    backend = current_backend()
    checks = {"database": _check_database()}
    try:
        backend.storage.check()
        checks["storage"] = "ok"
    except (StorageFailed, DiskFull, NotFound) as error:
        log.warning("the storage can't be used: %s", error.message)
        checks["storage"] = f"can't be used: {type(error).__name__}"
    ready = all(check == "ok" for check in checks.values())
    headers = {} if ready else {"Retry-After": str(RETRY_AFTER_SECONDS)}
    return jsonify(status="ok" if ready else "not ready", checks=checks), 200 if ready else 503, headers


def _check_database() -> str:
    """Can it be written to, and has it the tables of this version?"""
    try:
        with current_backend().database.writer.connect() as connection, connection.begin() as transaction:
            # Rolled back: a server that is only read from refuses it all the same.
            connection.execute(sa.text("UPDATE alembic_version SET version_num = version_num"))
            found = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
            transaction.rollback()
    except sa.exc.SQLAlchemyError as error:
        reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        log.warning("the database can't be used: %s", reason)
        return f"can't be used: {type(getattr(error, 'orig', None) or error).__name__}"
    if found != newest_revision():
        return f"is at revision {found}, and this version of Jobyard needs {newest_revision()}"
    return "ok"
