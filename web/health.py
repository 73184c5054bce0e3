"""Is the process there, and can it work? For load balancers and compose; no token."""

import sqlalchemy as sa
from flask import Blueprint, Response, jsonify

from jobyard.web.backend import current_backend
from jobyard.web.problems import RETRY_AFTER_SECONDS

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
    except OSError as error:
        checks["storage"] = f"can't be used: {error.strerror or type(error).__name__}"
    ready = all(check == "ok" for check in checks.values())
    headers = {} if ready else {"Retry-After": str(RETRY_AFTER_SECONDS)}
    return jsonify(status="ok" if ready else "not ready", checks=checks), 200 if ready else 503, headers


def _check_database() -> str:
    try:
        with current_backend().database.read() as session:
            session.execute(sa.text("SELECT version_num FROM alembic_version"))
    except sa.exc.SQLAlchemyError as error:
        return f"is unreachable: {type(error).__name__}"
    return "ok"
