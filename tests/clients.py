"""The test client of Flask apps."""

import io
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse


class ClosingClient(FlaskClient):
    """Closes the file that Werkzeug makes of a large request, and leaves open where no redirect is followed.

    Else the garbage collector would warn of it, in whatever test runs then.
    """

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        response = super().open(*args, **kwargs)
        if isinstance(sent := response.request.input_stream, io.BufferedRandom):
            sent.close()
        return response
