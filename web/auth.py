"""Who may come in: a token as `Authorization: Bearer …`, or the cookie of a login, and what each may do."""

import math
from urllib.parse import urlsplit

from flask import Flask, Response, g, redirect, request, url_for
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from jobyard.shared import logins
from jobyard.shared.tokens import Identity, Scope
from jobyard.web import return_address
from jobyard.web.backend import current_backend
from jobyard.web.problems import problem
from jobyard.web.scopes import OPEN, needed_for

COOKIE = "jobyard"
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


def register(app: Flask) -> None:
    """Guard every endpoint that is not OPEN."""
    app.before_request(_guard)

    @app.route("/login", methods=["GET", "POST"])
    def login() -> AnyResponse:
        """The login link, or the login form: sets the cookie, and leads to the page in `next`."""
        given = request.values.get("token", "").strip()
        if not given:
            return _ask_to_log_in(None, 200)
        backend = current_backend()
        address = request.remote_addr or ""
        if wait := math.ceil(backend.login_failures.wait(address)):
            response = _ask_to_log_in(f"too many wrong tokens: try again in {wait} s", 429)
            response.headers["Retry-After"] = str(wait)
            return response
        found = backend.tokens.of_secret(given)
        if found is None:
            backend.login_failures.add(address)
            return _ask_to_log_in("this token is wrong, expired or revoked", 401)
        with backend.database.write() as session:
            _end_login(session)
            secret = logins.begin(session, found.digest)
        response = redirect(_next() or url_for("pages.index"))
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


def current_identity() -> Identity:
    """Whose request this is, behind the guard."""
    found: Identity = g.identity
    return found


def actor() -> str:
    """The name of the token whose request this is: for timelines and the audit log."""
    return current_identity().name


def may(endpoint: str) -> bool:
    """Whether the token of this request allows an endpoint: pages show only what can be used."""
    found: Identity | None = g.get("identity")
    return found is not None and found.scope.includes(needed_for(endpoint))


def is_still_valid() -> bool:
    """Whether the token of this request, and its login, still hold: for answers that take long."""
    return _identified(request.headers.get("Authorization", "")) is not None


def _identified(header: str) -> Identity | None:
    return current_backend().tokens.of_header(header) if header else _logged_in()


def _guard() -> AnyResponse | None:
    if request.endpoint in OPEN:
        return None
    header = request.headers.get("Authorization", "")
    found = _identified(header)
    if found is None:
        if header:
            return _unauthorized("the token in Authorization is wrong, expired or revoked")
        if request.path.startswith(("/api/", "/metrics")):
            return _unauthorized("send the token as 'Authorization: Bearer …'")
        return _ask_to_log_in(None, 401)
    # Other ports of this host are the same site to a browser, so SameSite alone doesn't keep
    # a page there from sending forms with our cookie; the Origin does.
    if not header and request.method not in SAFE and not _same_origin():
        return problem(403, "Forbidden", "this form was sent from another site's page")
    g.identity = found
    # OPTIONS says which methods there are, whichever endpoint of the address it is asked of.
    needed = Scope.READ if request.method == "OPTIONS" else needed_for(request.endpoint)
    if found.scope.includes(needed):
        return None
    enough = " or ".join(needed.enough)
    return problem(
        403,
        "Forbidden",
        f"the token {found.name!r} has the scope {found.scope}, and {request.method} {request.path} needs "
        f"the scope {enough}: use another token",
    )


def _logged_in() -> Identity | None:
    secret = request.cookies.get(COOKIE)
    return current_backend().tokens.of_cookie(secret) if secret else None


def _end_login(session: Session) -> None:
    if secret := request.cookies.get(COOKIE):
        logins.end(session, secret)


def _same_origin() -> bool:
    try:
        origin = urlsplit(request.headers.get("Origin", "")).netloc
    except ValueError:  # it is no address at all
        return False
    return bool(origin) and origin == request.host


def _unauthorized(detail: str) -> Response:
    return problem(401, "Unauthorized", detail, WWW_Authenticate="Bearer")


def _next() -> str | None:
    """The page to open after the login; None for the first one."""
    if request.endpoint != "login":
        return return_address.asked_for(request)
    return return_address.local(request.values.get("next"), request.root_path)


def _ask_to_log_in(why: str | None, status: int) -> AnyResponse:
    from jobyard.web.pages import login_needed

    return login_needed(why, status, _next())
