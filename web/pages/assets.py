"""Style sheets and scripts: our own, and those that installed packages bring."""

import gzip
import hashlib
import importlib.util
from functools import cache
from pathlib import Path

from flask import Response, current_app, request, url_for

from jobyard.shared.errors import NotFound
from jobyard.web.pages.blueprint import routes


@routes.app_template_global()
def asset(name: str) -> str:
    """The address of one of our own files, with its version: browsers keep it until it changes."""
    return url_for("static", filename=name, v=_version(Path(current_app.static_folder or "") / name))


@routes.app_template_global()
def chart_library() -> str:
    """The address of plotly.js, of the installed version."""
    return url_for("pages.plotly", v=_version(_plotly()))


@routes.get("/assets/plotly.min.js")
def plotly() -> Response:
    """The chart library as the plotly package has it."""
    path = _plotly()
    compressed = request.accept_encodings.best_match(["gzip"]) is not None
    etag = f"{_version(path)}{'-gzip' if compressed else ''}"
    response = Response(mimetype="text/javascript")
    response.vary.add("Accept-Encoding")
    response.set_etag(etag)
    if request.if_none_match.contains_weak(etag):
        response.status_code = 304
        return response
    response.set_data(_compressed(path) if compressed else path.read_bytes())
    if compressed:
        response.content_encoding = "gzip"
    return response


@cache
def _version(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]


@cache
def _plotly() -> Path:
    # Found without importing the package, which would cost a web process 100 MB.
    spec = importlib.util.find_spec("plotly")
    if spec is None or spec.origin is None:
        raise NotFound("the plotly package is not installed")
    return Path(spec.origin).parent / "package_data" / "plotly.min.js"


@cache
def _compressed(path: Path) -> bytes:
    """1.4 MB instead of 4.8, kept: compressing takes a third of a second."""
    return gzip.compress(path.read_bytes(), mtime=0)
