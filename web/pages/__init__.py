"""The dashboard: server-rendered pages over the same verbs as the API, one module per noun."""

# Each module adds its routes to the blueprint.
from web.pages import assets, comparing, errors, forms, jobs, pictures, registry, words
from web.pages.blueprint import routes
from web.pages.errors import login_needed

__all__ = [
    "assets",
    "comparing",
    "errors",
    "forms",
    "jobs",
    "login_needed",
    "pictures",
    "registry",
    "routes",
    "words",
]
