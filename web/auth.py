"""Who may come in: the token as `Authorization: Bearer …`, or the cookie that the login link sets."""

import hashlib
import hmac
from urllib.parse import urlsplit

from flask import Flask, Response, make_response, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from jobyard.web.backend import current_backend
from jobyard.web.problems import problem

COOKIE = "jobyard"
COOKIE_SECONDS = 30 * 24 * 3600

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
        if not _same(given, current_backend().token):
            return _ask_to_log_in("this token is wrong or out of date" if given else None)
        response = make_response(redirect(url_for("pages.index")))
        response.set_cookie(
            COOKIE,
            _cookie_value(),
            max_age=COOKIE_SECONDS,
            httponly=True,
            samesite="Lax",
            secure=request.is_secure,
        )
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
    if _same(request.cookies.get(COOKIE, ""), _cookie_value()):
        # Other ports of this host are the same site to a browser, so SameSite alone doesn't keep
        # a page there from sending forms with our cookie; the Origin does.
        if request.method in SAFE or _same_origin():
            return None
        return problem(403, "Forbidden", "this form was sent from another site's page")
    if request.path.startswith("/api/"):
        return _unauthorized("send the token as 'Authorization: Bearer …'")
    return _ask_to_log_in(None)


def _same_origin() -> bool:
    origin = request.headers.get("Origin")
    return origin is not None and urlsplit(origin).netloc == request.host


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(), expected.encode())


def _cookie_value() -> str:
    """Derived from the token, so that the cookie's reader can't use it as one; ends with the token."""
    return hmac.new(current_backend().token.encode(), b"jobyard cookie", hashlib.sha256).hexdigest()


def _unauthorized(detail: str) -> Response:
    return problem(401, "Unauthorized", detail, WWW_Authenticate="Bearer")


def _ask_to_log_in(why: str | None) -> AnyResponse:
    from jobyard.web.pages import login_needed

    return login_needed(why)
