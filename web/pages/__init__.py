"""The dashboard: server-rendered pages over the same verbs as the API, one module per noun."""

# Each module adds its routes to the blueprint.
from jobyard.web.pages import (
    again,
    assets,
    audit,
    comparisons,
    errors,
    files,
    filters,
    forms,
    job_list,
    jobs,
    many,
    marks,
    normalizing,
    operations,
    pictures,
    registry,
    tokens,
    webhooks,
)
from jobyard.web.pages.blueprint import routes
from jobyard.web.pages.errors import login_needed

__all__ = [
    "again",
    "assets",
    "audit",
    "comparisons",
    "errors",
    "files",
    "filters",
    "forms",
    "job_list",
    "jobs",
    "login_needed",
    "many",
    "marks",
    "normalizing",
    "operations",
    "pictures",
    "registry",
    "routes",
    "tokens",
    "webhooks",
]
