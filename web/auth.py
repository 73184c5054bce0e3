"""Who may come in: the token as `Authorization: Bearer …`, or the cookie of a login."""

import hmac
import math
from urllib.parse import urlsplit

from flask import Flask, Response, redirect, request, url_for
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from jobyard.shared import logins
from jobyard.web.backend import current_backend
from jobyard.web.problems import problem

COOKIE = "jobyard"

# Endpoints without a token: they reveal only that the server is running.
OPEN = frozenset({"health.healthz", "health.readyz", "login", "static", "bootstrap.static"})
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


def register(app: Flask) -> None:
    """Guard every endpoint that is not OPEN."""
    app.before_request(_guard)

    @app.route("/login", methods=["GET", "POST"])
    def login() -> AnyResponse:
        """The login link, or the login form: sets the cookie and goes to the dashboard without the token."""
        given = request.values.get("token", "").strip()
        if not given:
            return _ask_to_log_in(None, 200)
        backend = current_backend()
        address = request.remote_addr or ""
        if wait := math.ceil(backend.login_failures.wait(address)):
            response = _ask_to_log_in(f"too many wrong tokens: try again in {wait} s", 429)
            response.headers["Retry-After"] = str(wait)
            return response
        if not _same(given, backend.token):
            backend.login_failures.add(address)
            return _ask_to_log_in("this token is wrong or out of date", 401)
        with backend.database.write() as session:
            _end_login(session)
            secret = logins.begin(session, backend.token)
        response = redirect(url_for("pages.index"))
        response.set_cookie(
            COOKIE,
            secret,
            max_age=logins.LOGIN_SECONDS,
            httponly=True,
            samesite="Lax",
            secure=request.is_secure,
        )
        return response

    @app.route("/logout", methods=["POST"])
    def logout() -> AnyResponse:
        """End this browser's login: its cookie is worth nothing from now on."""
        with current_backend().database.write() as session:
            _end_login(session)
        response = redirect(url_for("login"), 303)
        response.delete_cookie(COOKIE, httponly=True, samesite="Lax", secure=request.is_secure)
        return response


def is_bearer(authorization: str, token: str) -> bool:
    """Whether this header brings the token."""
    scheme, _, given = authorization.partition(" ")
    return scheme.lower() == "bearer" and _same(given.strip(), token)


def _guard() -> AnyResponse | None:
    if request.endpoint in OPEN:
        return None
    header = request.headers.get("Authorization", "")
    if header:
        if is_bearer(header, current_backend().token):
            return None
        return _unauthorized("the token in Authorization is wrong")
    if _is_logged_in():
        # Other ports of this host are the same site to a browser, so SameSite alone doesn't keep
        # a page there from sending forms with our cookie; the Origin does.
        if request.method in SAFE or _same_origin():
            return None
        return problem(403, "Forbidden", "this form was sent from another site's page")
    if request.path.startswith(("/api/", "/metrics")):
        return _unauthorized("send the token as 'Authorization: Bearer …'")
    return _ask_to_log_in(None, 401)


def _is_logged_in() -> bool:
    secret = request.cookies.get(COOKIE)
    if not secret:
        return False
    backend = current_backend()
    with backend.database.autocommit() as connection:
        return logins.is_valid(connection, secret, backend.token)


def _end_login(session: Session) -> None:
    if secret := request.cookies.get(COOKIE):
        logins.end(session, secret, current_backend().token)


def _same_origin() -> bool:
    try:
        origin = urlsplit(request.headers.get("Origin", "")).netloc
    except ValueError:  # it is no address at all
        return False
    return bool(origin) and origin == request.host


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(), expected.encode())


def _unauthorized(detail: str) -> Response:
    return problem(401, "Unauthorized", detail, WWW_Authenticate="Bearer")


def _ask_to_log_in(why: str | None, status: int) -> AnyResponse:
    from jobyard.web.pages import login_needed

    return login_needed(why, status)
