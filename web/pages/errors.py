"""Pages for what went wrong: a browser gets a page where a program gets a problem document."""

from flask import Response, make_response, render_template, request
from werkzeug.wrappers import Response as AnyResponse

from jobyard.web.pages.blueprint import routes
from jobyard.web.problems import Problem


def login_needed(why: str | None, status: int, following: str | None) -> Response:
    """The page that a visitor without a cookie sees; `following` is the address that the login leads to."""
    return make_response(render_template("login.html", why=why, following=following), status)


@routes.after_app_request
def _as_page(response: AnyResponse) -> AnyResponse:
    if response.mimetype != "application/problem+json" or request.path.startswith("/api/"):
        return response
    response.vary.add("Accept")
    if request.accept_mimetypes.best_match(["application/problem+json", "text/html"]) != "text/html":
        return response
    found = Problem.model_validate_json(response.get_data())
    page = make_response(render_template("problem.html", problem=found), found.status)
    page.vary.add("Accept")
    for name in ("Allow", "Retry-After"):
        if name in response.headers:
            page.headers[name] = response.headers[name]
    return page
