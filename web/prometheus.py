"""What Prometheus reads: `GET /metrics`, from SQL only, so that each web process says the same."""

from flask import Blueprint, Response, request
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from jobyard.web.backend import current_backend
from jobyard.web.services.measures import Measures

routes = Blueprint("prometheus", __name__)


@routes.get("/metrics")
def metrics() -> Response:
    """The numbers of all jobs, queues and workers, in Prometheus' text format, or OpenMetrics if asked."""
    # A registry of its own: what libraries measure of this process is no other's.
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Measures(current_backend().database))
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    return Response(encode(registry), content_type=content_type)
