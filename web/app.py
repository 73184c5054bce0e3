"""The Flask app: `gunicorn "jobyard.web.app:create_app()"`."""

import logging

from flask import Flask, redirect
from flask_openapi3 import Info
from jinja2 import BaseLoader, ChoiceLoader, PackageLoader
from werkzeug.wrappers import Response

import jobyard.web.api.bulk
import jobyard.web.api.scores
import jobyard.web.auth
import jobyard.web.problems
from jobyard.shared import logs
from jobyard.shared.config import Settings
from jobyard.shared.kinds.loading import installed
from jobyard.web import caching, health, limits, openapi, pages, prometheus
from jobyard.web.api import (
    audit,
    comparisons,
    failures,
    files,
    job_ids,
    jobs,
    kinds,
    output,
    previews,
    queues,
    registry,
    requests,
    results,
    tokens,
    webhooks,
    workers,
)
from jobyard.web.backend import Backend
from jobyard.web.fast_path import FastPath
from jobyard.web.schemas import API

# Of every answer.
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
}


log = logging.getLogger(__name__)


def create_app(settings: Settings | None = None) -> openapi.Api:
    """All routes over one Backend. Raises ConfigError where a setting is wrong."""
    settings = settings or Settings.load()
    logs.set_up(settings.log_level, settings.log_format)
    app = openapi.Api(
        __name__,
        info=Info(
            title="Jobyard",
            version="1",
            description="A job server for machine-learning work: training, prediction, sentiment.",
        ),
        security_schemes={"token": {"type": "http", "scheme": "bearer"}},
        doc_prefix=API,
        validation_error_model=jobyard.web.problems.Problem,
        validation_error_callback=jobyard.web.problems.invalid,
        static_folder="static",
    )
    for problem in installed().problems:
        log.error("%s", problem)
    app.jinja_options = {**app.jinja_options, "loader": _templates(app)}
    backend = app.extensions["jobyard"] = Backend.build(settings)
    app.config["SEND_FILE_MAX_AGE_DEFAULT"] = 3600
    # Before all others: what is registered first sees an answer last, and some put another in its place.
    caching.register(app)

    @app.after_request
    def _headers(response: Response) -> Response:
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        return response

    jobyard.web.problems.register(app)
    jobyard.web.auth.register(app)
    limits.register(app)
    for blueprint in (
        jobs.api,
        job_ids.api,
        requests.api,
        kinds.api,
        queues.api,
        workers.api,
        failures.api,
        results.api,
        output.api,
        comparisons.api,
        files.api,
        previews.api,
        registry.api,
        webhooks.api,
        tokens.api,
        audit.api,
    ):
        app.register_api(blueprint)
    app.register_blueprint(health.routes)
    app.register_blueprint(prometheus.routes)
    app.register_blueprint(pages.routes)
    openapi.register(app)

    @app.get("/api/docs", doc_ui=False)
    def docs() -> Response:
        """The page to try the API at."""
        return redirect(f"{API}/swagger")

    headers = (HEADERS | caching.PRIVATE).items()
    app.wsgi_app = FastPath(app.wsgi_app, backend, headers)  # type: ignore[method-assign]
    return app


def _templates(app: Flask) -> BaseLoader:
    """Our own first, then those that packages with kinds of their own bring."""
    packages = dict.fromkeys(kind.templates for kind in installed().kinds.values() if kind.templates)
    return ChoiceLoader([app.create_global_jinja_loader(), *(PackageLoader(name) for name in packages)])
