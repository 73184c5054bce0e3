"""How large the body of a request may be, by its address and media type; checked before any of it is read."""

from dataclasses import dataclass
from typing import Final

from flask import Flask, Response, request
from werkzeug.exceptions import LengthRequired, RequestEntityTooLarge

from jobyard.web.backend import current_backend
from jobyard.web.pages.form_data import MAX_FILES
from jobyard.web.problems import TITLES, problem
from jobyard.web.schemas import API

LOGIN: Final = "login"
LOGIN_BYTES: Final = 4_000
# Of a file that is looked at before it is uploaded.
HEAD: Final = "previews.preview_head"
MAX_HEAD_BYTES: Final = 16 << 20
# Of a form without files, and of everything that is neither JSON nor a file.
FORM_BYTES: Final = 1_000_000
FORM_FIELDS: Final = 1_000
# A thousand texts of ten thousand characters fit, in JSON and in the fields of a form with files.
JSON_BYTES: Final = 64 << 20
# What a multipart body has beside the file itself.
OVERHEAD_BYTES: Final = 1 << 20

# Which endpoints take files, in how many parts of a multipart body: files and fields.
PARTS: Final = {
    "files.upload": 10,
    HEAD: 10,
    "registry.upload_dataset": 10,
    # A field for each class, or one for all of them.
    "registry.upload_model": 1_010,
    "pages.create": MAX_FILES + 100,
}


@dataclass(frozen=True)
class Limit:
    """The limit of a body in bytes, and in parts if it is multipart; `remedy` says what to send instead."""

    bytes: int
    parts: int = FORM_FIELDS
    remedy: str = ""


def register(app: Flask) -> None:
    """Limit every request. Call it after `auth.register`: the token comes before the body."""
    app.before_request(_limit)
    app.register_error_handler(RequestEntityTooLarge, _too_large)


def _limit_of_request() -> Limit:
    endpoint, media_type = request.endpoint or "", request.mimetype
    is_api = request.path.startswith(f"{API}/")
    if endpoint == LOGIN:
        return Limit(LOGIN_BYTES, remedy="it should be a form with the field token")
    if media_type == "multipart/form-data":
        if endpoint == HEAD:
            return Limit(
                min(MAX_HEAD_BYTES, current_backend().settings.max_upload_bytes) + OVERHEAD_BYTES,
                PARTS[endpoint],
                "it should have the file's head and not all of it",
            )
        if parts := PARTS.get(endpoint):
            return Limit(current_backend().settings.max_upload_bytes + OVERHEAD_BYTES, parts)
        return Limit(FORM_BYTES, remedy="a larger one should be sent to where files are uploaded")
    if is_api and request.is_json:
        return Limit(JSON_BYTES, remedy="a larger one should be uploaded as a file, and named by its id")
    if is_api:
        return Limit(
            FORM_BYTES,
            remedy="a larger one should be JSON with Content-Type: application/json, or multipart/form-data",
        )
    return Limit(FORM_BYTES, remedy="a larger one should be multipart/form-data")


def _too_large(_error: RequestEntityTooLarge | None = None) -> Response:
    found = _limit_of_request()
    what = f"a body of {request.mimetype}" if request.mimetype else "the body"
    parts = f" in {found.parts:,} parts" if request.mimetype == "multipart/form-data" else ""
    remedy = f"; {found.remedy}" if found.remedy else ""
    detail = f"{what} should have at most {found.bytes:,} bytes{parts}{remedy}"
    return problem(413, TITLES[413], detail)


def _limit() -> Response | None:
    found = _limit_of_request()
    # A stream that ends at the limit would look like one that is longer.
    request.max_content_length = found.bytes + 1
    request.max_form_memory_size = min(found.bytes, JSON_BYTES)
    request.max_form_parts = found.parts
    length, media_type = request.content_length, request.mimetype
    if length is None and "Transfer-Encoding" in request.headers:
        if request.endpoint == LOGIN:
            raise LengthRequired("a login should come with its Content-Length")
        if media_type != "multipart/form-data":  # whose parser looks at the limit by itself
            length = len(request.get_data(cache=True))
    if length is not None and length > found.bytes:
        return _too_large()
    if request.endpoint in PARTS and media_type == "multipart/form-data":
        current_backend().disk.check(length or 0)
    if media_type == "application/x-www-form-urlencoded":
        # Werkzeug limits neither the bytes nor the fields of such a form by itself.
        fields = request.get_data(cache=True).count(b"&") + 1
        if fields > FORM_FIELDS:
            detail = f"a form should have at most {FORM_FIELDS:,} fields, but this one has {fields:,}"
            return problem(413, TITLES[413], detail)
    return None
