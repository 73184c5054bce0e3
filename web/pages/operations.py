"""The page for operators: queues, workers, failures, storage, and what can be done about them."""

from flask import Response, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from jobyard import __version__
from jobyard.shared import failures, jobs, queues, running_workers, storage, sweeper_actions
from jobyard.shared.errors import BadInput
from jobyard.shared.queue_controls import MAX_LIMIT, MAX_REASON
from jobyard.web.backend import current_backend
from jobyard.web.pages.blueprint import routes
from jobyard.web.pages.live import live
from jobyard.web.services import operations


@routes.get("/operations")
def operations_page() -> Response:
    """Queues, workers, failures and what is stored, as they are now."""
    with current_backend().database.read() as session:
        return live(
            "operations/page.html",
            "operations/_live.html",
            queues=queues.view(session),
            workers=running_workers.view(session),
            failures=failures.alike(session),
            setbacks=failures.tried_again(session),
            version=__version__,
            most_failures=failures.MOST_FAILURES,
            stored=storage.stored(session),
            actions=sweeper_actions.actions(session),
            action_names=sweeper_actions.ACTIONS,
            swept_at=jobs.swept_at(session),
            since_sweep=jobs.mark_age_seconds(session, jobs.SWEPT),
            **_said(),
            max_reason=MAX_REASON,
            max_limit=MAX_LIMIT,
        )


@routes.post("/operations/queues/<name>/pause")
def pause_queue(name: str) -> AnyResponse:
    """Pause the queue, then back to the page."""
    reason = request.form.get("reason", "").strip()[:MAX_REASON]
    operations.pause_queue(current_backend(), name, reason or None)
    return _back(f"queue-{name}")


@routes.post("/operations/queues/<name>/resume")
def resume_queue(name: str) -> AnyResponse:
    """Resume the queue, then back to the page."""
    operations.resume_queue(current_backend(), name)
    return _back(f"queue-{name}")


@routes.post("/operations/queues/<name>/limit")
def limit_queue(name: str) -> AnyResponse:
    """Limit the queue, or not, then back to the page. Raises BadInput."""
    given = request.form.get("limit", "").strip()
    is_whole = given.isascii() and given.isdecimal()
    if given and not (is_whole and 1 <= int(given[:20]) <= MAX_LIMIT):
        raise BadInput("limit", f"should be a whole number from 1 to {MAX_LIMIT:,}, or nothing for no limit")
    operations.limit_queue(current_backend(), name, int(given) if given else None)
    return _back(f"queue-{name}")


@routes.post("/operations/failures/<key>/retry")
def retry_alike(key: str) -> AnyResponse:
    """Retry the jobs that failed alike, then back to the page, which says how many."""
    done = operations.retry_alike(current_backend(), key)
    return redirect(url_for("pages.operations_page", retried=done.retried, refused=done.refused), 303)


@routes.post("/operations/workers/<name>/drain")
def drain_worker(name: str) -> AnyResponse:
    """Drain the worker, then back to the page."""
    operations.drain_worker(current_backend(), name)
    return _back("workers")


@routes.post("/operations/workers/<name>/undrain")
def undrain_worker(name: str) -> AnyResponse:
    """Let the worker claim jobs again, then back to the page."""
    operations.undrain_worker(current_backend(), name)
    return _back("workers")


def _said() -> dict[str, int | None]:
    """What the last change has led to."""
    return {name: request.args.get(name, type=int) for name in ("retried", "refused")}


def _back(place: str) -> AnyResponse:
    return redirect(url_for("pages.operations_page", _anchor=place), 303)
