"""The blueprint of all pages, and the headers that each of them leaves with."""

from urllib.parse import urlsplit

from flask import Blueprint, g, request
from werkzeug.wrappers import Response

from jobyard.hosts import host_and_port
from jobyard.shared import kinds
from jobyard.shared.errors import NotFound
from jobyard.web import auth
from jobyard.web.backend import current_backend
from jobyard.web.scopes import needed_for

routes = Blueprint("pages", __name__)

# Everything comes from here; `data:` are the small pictures inside Bootstrap's style sheet, `blob:` the
# previews of pictures that are about to be uploaded.
POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data: blob:",
    "font-src": "'self'",
    "connect-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
}


@routes.before_request
def _refuse_nul() -> None:
    """Nothing is called so, and PostgreSQL takes it in no text."""
    if any("\0" in value for value in (request.view_args or {}).values() if isinstance(value, str)):
        raise NotFound(f"there is no page at {request.path!r}")


@routes.after_app_request
def _headers(response: Response) -> Response:
    """All that is HTML but the API's own documentation is one of our pages, refusals included."""
    if response.mimetype != "text/html" or request.path.startswith("/api/"):
        return response
    response.headers["Content-Security-Policy"] = "; ".join(
        f"{name} {value}" for name, value in POLICY.items()
    )
    response.vary.add("X-Fragment")
    return response


@routes.app_context_processor
def _context() -> dict[str, object]:
    """What every template may use."""
    port = current_backend().settings.flower_port
    flower = f"http://{host_and_port(_host(), port)}/" if port else None
    return {
        "flower_url": flower,
        "all_kinds": list(kinds.by_name().values()),
        # Whose request it is, and what that may use; of an error before that is known, nothing.
        "identity": g.get("identity"),
        "may": auth.may,
        "needed_for": needed_for,
    }


def _host() -> str:
    """Flower is where the browser found this page: HOST may be an address to listen on, as 0.0.0.0 is."""
    try:
        return urlsplit(f"//{request.host}").hostname or "127.0.0.1"
    except ValueError:  # a Host that is no address
        return "127.0.0.1"
