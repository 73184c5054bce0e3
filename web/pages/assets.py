"""Style sheets and scripts: our own, and those that installed packages bring.

All are below one address that has their common version in its path. A browser keeps them for a year, and what
a module imports has the version of the module. They are compressed once a process. They reveal nothing, so no
token is needed.
"""

import gzip
import hashlib
import importlib.util
import mimetypes
from functools import cache
from pathlib import Path

from flask import Response, current_app, request, url_for

from jobyard.shared.errors import NotFound
from jobyard.web.pages import icons
from jobyard.web.pages.blueprint import routes

BOOTSTRAP = "static/bootstrap5"
# Name → package and the file in it.
FROM_PACKAGES = {
    "bootstrap.css": ("flask_bootstrap", f"{BOOTSTRAP}/css/bootstrap.min.css"),
    "bootstrap.js": ("flask_bootstrap", f"{BOOTSTRAP}/js/bootstrap.min.js"),
    "popper.js": ("flask_bootstrap", f"{BOOTSTRAP}/umd/popper.min.js"),
    "uplot.css": ("uplot", "static/uPlot.min.css"),
    "uplot.js": ("uplot", "static/uPlot.iife.js"),
}
ICONS, DRAWINGS = "icons.css", ("flask_bootstrap", f"{BOOTSTRAP}/icons/bootstrap-icons.svg")
YEAR = 365 * 24 * 3_600
TEXTS = frozenset({".css", ".js", ".svg"})


@routes.app_template_global()
def asset(name: str) -> str:
    """The address of a style sheet, script or picture, with the version of all of them."""
    return url_for("pages.assets", version=_version(), name=name)


@routes.get("/assets/<version>/<path:name>")
def assets(version: str, name: str) -> Response:
    """The file: to be kept if the version is this server's, else as this server has it, for the moment."""
    content = _content(name)
    is_text = Path(name).suffix in TEXTS
    response = Response(mimetype=mimetypes.guess_type(name)[0] or "application/octet-stream")
    if version == _version():
        response.cache_control.public, response.cache_control.max_age = True, YEAR
        response.cache_control.immutable = True
    else:
        response.cache_control.public, response.cache_control.no_cache = True, True
    if is_text:
        response.vary.add("Accept-Encoding")
    compressed = is_text and request.accept_encodings.best_match(["gzip"]) is not None
    if compressed:
        response.content_encoding = "gzip"
    response.set_data(_compressed(name) if compressed else content)
    response.set_etag(f"{_version()}{'-gzip' if compressed else ''}")
    response.make_conditional(request.environ)
    return response


def _folder() -> Path:
    return Path(current_app.static_folder or "")


@cache
def _version() -> str:
    """Of all files together."""
    digest = hashlib.sha256()
    own = sorted(str(path.relative_to(_folder())) for path in _folder().rglob("*.*"))
    for name in [*own, *FROM_PACKAGES, ICONS]:
        digest.update(hashlib.sha256(name.encode() + b"\0" + _content(name)).digest())
    return digest.hexdigest()[:12]


@cache
def _content(name: str) -> bytes:
    """Raises NotFound. Only files that are there are kept."""
    if name == ICONS:
        return icons.style_sheet(_in_package(*DRAWINGS)).encode()
    if name in FROM_PACKAGES:
        return _in_package(*FROM_PACKAGES[name]).read_bytes()
    for path in _folder().rglob("*.*"):
        if str(path.relative_to(_folder())) == name:
            return path.read_bytes()
    raise NotFound(f"there is no file {name!r}")


def _in_package(package: str, file: str) -> Path:
    # Found without importing the package: that of uPlot would bring IPython and NumPy into a web process.
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise NotFound(f"the package {package} is not installed")
    return Path(spec.origin).parent / file


@cache
def _compressed(name: str) -> bytes:
    return gzip.compress(_content(name), mtime=0)
