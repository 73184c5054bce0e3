"""Who may keep an answer, and for how long.

What is behind the token belongs to its owner: a browser may keep it for itself and asks each time whether it
is still right, which the ETag makes cheap. Static files are everybody's. Errors, the login and what is true
at this moment only are not kept at all.
"""

from typing import Final

from flask import Flask, request
from werkzeug.wrappers import Response

# Of every answer behind the token; the fast path adds them by itself.
PRIVATE: Final = {"Cache-Control": "private, no-cache", "Vary": "Authorization, Cookie"}
NOT_KEPT: Final = "no-store"
# The files that come with the code, which have `public` and their age already.
STATIC: Final = frozenset({"static", "pages.assets"})
# Without a token; they are of this moment.
MOMENTARY: Final = frozenset({"login", "logout", "health.healthz", "health.readyz"})
# They answer with a new secret, once.
SECRET: Final = frozenset(
    {
        *("tokens.create_token", "pages.create_token"),
        *("webhooks.add_webhook", "webhooks.rotate_secret", "pages.add_webhook", "pages.rotate_webhook"),
    }
)


def register(app: Flask) -> None:
    """Give each answer its Cache-Control and its Vary. Call it before others add what makes a new answer."""
    app.after_request(_say_who_may_keep_it)


def _say_who_may_keep_it(response: Response) -> Response:
    is_error = response.status_code >= 400
    if request.endpoint in STATIC and not is_error:
        return response
    if is_error or request.endpoint in MOMENTARY | SECRET or response.mimetype == "text/event-stream":
        response.headers["Cache-Control"] = NOT_KEPT
    else:
        response.headers["Cache-Control"] = PRIVATE["Cache-Control"]
    if request.endpoint not in MOMENTARY:
        response.vary.update(PRIVATE["Vary"].split(", "))
    return response
