"""The OpenAPI document, completed: what each operation may answer besides what its route says.

Routes say what they answer when all is well. Errors follow from an operation's shape, as they come from what
all routes share: the token, the limits of bodies, the checks of parameters, the database. Each is a problem
document.
"""

import re
from http import HTTPStatus
from typing import Any, Final

from flask import Response, request
from flask_openapi3 import OpenAPI

from jobyard.web.problems import TITLES, Problem, problem
from jobyard.web.schemas import API

Json = dict[str, Any]

PROBLEM: Final = "application/problem+json"
JSON: Final = "application/json"
FORM: Final = "multipart/form-data"

_TEXT: Final = {"schema": {"type": "string"}}
_RETRY: Final = {
    "Retry-After": {"description": "Seconds to wait before another attempt", "schema": {"type": "string"}}
}
# What each error means here, and the headers that it brings.
ERRORS: Final[dict[int, tuple[str, Json]]] = {
    400: ("The body is neither valid JSON nor a form with files", {}),
    401: ("The token is missing, wrong, expired or revoked", {"WWW-Authenticate": _TEXT}),
    403: ("The token's scope does not allow this, or the form was sent from another site's page", {}),
    404: ("Nothing has that name or id", {}),
    405: ("There is no such method here", {"Allow": _TEXT}),
    408: ("The body came too slowly", {}),
    409: ("The state of what is named does not allow this", {}),
    413: ("The body, or a file in it, is too large", {}),
    415: ("The body has another media type, or is compressed", {}),
    416: ("The file has no such range", {"Content-Range": _TEXT}),
    422: ("A value is wrong; `errors` names each field", {}),
    429: (
        "Too many requests, or attempts with a wrong token",
        _RETRY,
    ),
    500: ("An unexpected error, which the server's log describes", {}),
    503: ("The database can't be reached, or the server is busy", _RETRY),
    507: ("The disk is full", {}),
}
EVERYWHERE: Final = (401, 403, 404, 422, 429, 500, 503)
OF_A_BODY: Final = (400, 408, 413, 415)

_ETAG: Final = {"ETag": {"description": "The version of this answer", **_TEXT}}
_LOCATION: Final = {"Location": {"description": "Where the job is", **_TEXT}}
_IF_NONE_MATCH: Final = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "description": "ETags that are known already: 304 if one of them is still right",
    "schema": {"type": "string"},
}
_RANGE: Final = {
    "name": "Range",
    "in": "header",
    "required": False,
    "description": "A part of the file, as `bytes=0-999`",
    "schema": {"type": "string"},
}
# Headers that routes read by themselves.
HEADERS: Final[dict[tuple[str, str], Json]] = {
    ("post", f"{API}/jobs"): {
        "name": "Idempotency-Key",
        "in": "header",
        "required": False,
        "description": "A request that is repeated with its key makes no second job",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    },
    ("get", f"{API}/jobs/{{id}}/events"): {
        "name": "Last-Event-ID",
        "in": "header",
        "required": False,
        "description": "Where an event stream continues",
        "schema": {"type": "string"},
    },
}
STREAM: Final = "text/event-stream"
STREAMED: Final = ("get", f"{API}/jobs/{{id}}/events")


class Api(OpenAPI):
    """Flask with the document of its API."""

    def generate_spec_json(self) -> None:
        """Make the document, once."""
        super().generate_spec_json()  # type: ignore[no-untyped-call]
        for path, item in self.spec_json["paths"].items():
            for method, operation in item.items():
                _complete(method, path, operation)
        self.spec_json["components"]["responses"] = {_name(status): _problem(status) for status in ERRORS}

    def media_types(self) -> dict[str, str]:
        """What the body of each endpoint that reads one should be."""
        paths = self.api_doc["paths"]
        found = {}
        for rule in self.url_map.iter_rules():
            item = paths.get(re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule), {})
            for method in (rule.methods or set()) & {name.upper() for name in item}:
                for media_type in item[method.lower()].get("requestBody", {}).get("content", ()):
                    found[rule.endpoint] = media_type
        return found


def _name(status: int) -> str:
    return re.sub(r"\W", "", TITLES.get(status, HTTPStatus(status).phrase))


def _problem(status: int) -> Json:
    description, headers = ERRORS[status]
    schema = {"$ref": f"#/components/schemas/{Problem.__name__}"}
    found: Json = {"description": description, "content": {PROBLEM: {"schema": schema}}}
    return found | ({"headers": headers} if headers else {})


def _complete(method: str, path: str, operation: Json) -> None:
    responses = operation["responses"]
    for error in sorted(_errors(method, operation)):
        responses[str(error)] = {"$ref": f"#/components/responses/{_name(error)}"}
    operation["responses"] = dict(sorted(responses.items()))
    parameters = operation.setdefault("parameters", [])
    if "304" in responses:
        parameters.append(_IF_NONE_MATCH)
        _add_headers(responses, ("200", "206", "304"), _ETAG)
    if "206" in responses:
        parameters.append(_RANGE)
    if header := HEADERS.get((method, path)):
        parameters.append(header)
    if method == "post" and "202" in responses:  # a job, wherever it was submitted
        _add_headers(responses, ("200", "202"), _ETAG | _LOCATION)
    if (method, path) == STREAMED:
        responses["200"]["content"][STREAM] = _TEXT


def _errors(method: str, operation: Json) -> set[int]:
    """Those that the route itself names, and those that follow from what it reads and does."""
    found = {int(status) for status in operation["responses"] if int(status) >= 400} | {*EVERYWHERE}
    content = operation.get("requestBody", {}).get("content", {})
    if content:
        operation["requestBody"]["required"] = True
        found |= {*OF_A_BODY}
    return found if method == "get" else found | {409, 507}


def _add_headers(responses: Json, statuses: tuple[str, ...], headers: Json) -> None:
    for status in statuses:
        if status in responses:
            responses[status].setdefault("headers", {}).update(headers)


def register(app: Api) -> None:
    """Refuse bodies of other media types. Call it when all routes are there, and the token is checked."""
    media_types = app.media_types()

    @app.before_request
    def _check_media_type() -> Response | None:
        expected = media_types.get(request.endpoint or "")
        if expected is None:
            return None
        encoding = request.headers.get("Content-Encoding", "identity")
        if encoding.lower() != "identity":
            detail = f"the body should not be compressed, but has Content-Encoding: {encoding[:50]}"
            return problem(415, HTTPStatus(415).phrase, detail, Accept_Encoding="identity")
        if request.mimetype == expected or (expected == JSON and request.is_json):
            return None
        what = "a form with the file" if expected == FORM else "JSON"
        given = f", but has {request.mimetype[:50]}" if request.mimetype else ""
        detail = f"the body should be {what}, with Content-Type: {expected}{given}"
        return problem(415, HTTPStatus(415).phrase, detail)
