"""Pages that bring themselves up to date by fetching the part that changes."""

from flask import Response, make_response, render_template, request


def live(page: str, fragment: str, **context: object) -> Response:
    """A page, or only its part that changes for the script that asks for that; 304 if it has not."""
    alone = request.headers.get("X-Fragment") == "live"
    response = make_response(render_template(fragment if alone else page, **context))
    response.add_etag()
    response.make_conditional(request.environ)
    return response
