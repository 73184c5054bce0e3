"""Which scope a token needs for each endpoint: the one table, which the guard reads (`web/auth.py`).

An endpoint that is not in it fails a test (`tests/unit/web/test_scopes.py`). What only reads needs `read`.
What makes, changes or ends jobs needs `submit`. What deletes for good what others may use, or changes what
holds for all, needs `admin`.
"""

from typing import Final

from jobyard.shared.tokens import Scope

READ, SUBMIT, ADMIN = Scope.READ, Scope.SUBMIT, Scope.ADMIN

# None: no token is needed; these reveal only that the server is running.
SCOPES: Final[dict[str, Scope | None]] = {
    "bootstrap.static": None,
    "health.healthz": None,
    "health.readyz": None,
    "login": None,
    "static": None,
    # A browser's own
    "logout": READ,
    # The API and its documentation
    "docs": READ,
    "openapi.doc_url": READ,
    "openapi.openapi": READ,
    "openapi.static": READ,
    "swagger.oauth2-redirect": READ,
    "swagger.static": READ,
    "swagger.swagger": READ,
    "audit.list_entries": ADMIN,
    "comparing.compare": READ,
    "files.delete_upload": SUBMIT,
    "files.list_uploads": READ,
    "files.upload": SUBMIT,
    "job_ids.find_jobs": READ,
    "jobs.cancel_job": SUBMIT,
    "jobs.change_job": SUBMIT,
    "jobs.check_job": SUBMIT,
    "jobs.delete_job": ADMIN,
    "jobs.get_events": READ,
    "jobs.get_job": READ,
    "jobs.list_jobs": READ,
    "jobs.pause_job": SUBMIT,
    "jobs.resume_job": SUBMIT,
    "jobs.retry_job": SUBMIT,
    "jobs.submit_job": SUBMIT,
    "kinds.list_kinds": READ,
    "prometheus.metrics": READ,
    "queues.limit_queue": ADMIN,
    "queues.list_queues": READ,
    "queues.pause_queue": ADMIN,
    "queues.resume_queue": ADMIN,
    "requests.get_request": READ,
    "registry.delete_dataset": ADMIN,
    "registry.delete_model": ADMIN,
    "registry.get_dataset": READ,
    "registry.get_model": READ,
    "registry.get_model_card": READ,
    "registry.get_model_file": READ,
    "registry.list_datasets": READ,
    "registry.list_evaluations": READ,
    "registry.list_models": READ,
    "registry.remove_alias": SUBMIT,
    "registry.set_alias": SUBMIT,
    "registry.upload_dataset": SUBMIT,
    "registry.upload_model": SUBMIT,
    "results.get_artifact": READ,
    "results.get_groups": READ,
    "results.get_history": READ,
    "results.get_metrics": READ,
    "results.get_predictions": READ,
    "results.get_predictions_csv": READ,
    "results.get_predictions_parquet": READ,
    "results.get_scores": READ,
    "results.list_artifacts": READ,
    "tokens.create_token": ADMIN,
    "tokens.list_tokens": ADMIN,
    "tokens.revoke_token": ADMIN,
    # Addresses of webhooks may hold secrets.
    "webhooks.add_webhook": ADMIN,
    "webhooks.change_webhook": ADMIN,
    "webhooks.delete_webhook": ADMIN,
    "webhooks.get_webhook": ADMIN,
    "webhooks.list_deliveries": ADMIN,
    "webhooks.list_webhooks": ADMIN,
    "webhooks.resend_delivery": ADMIN,
    "webhooks.rotate_secret": ADMIN,
    "webhooks.test_webhook": ADMIN,
    "workers.drain_worker": ADMIN,
    "workers.list_workers": READ,
    "workers.undrain_worker": ADMIN,
    # Pages
    "pages.audit": ADMIN,
    "pages.cancel": SUBMIT,
    "pages.change": SUBMIT,
    "pages.compare": READ,
    "pages.compare_with_others": READ,
    "pages.create": SUBMIT,
    "pages.create_token": ADMIN,
    "pages.dataset": READ,
    "pages.dataset_thumbnail": READ,
    "pages.datasets": READ,
    "pages.delete": ADMIN,
    "pages.delete_dataset": ADMIN,
    "pages.delete_file": SUBMIT,
    "pages.delete_model": ADMIN,
    "pages.drain_worker": ADMIN,
    "pages.edit": SUBMIT,
    "pages.file_thumbnail": READ,
    "pages.files": READ,
    "pages.index": READ,
    "pages.job": READ,
    "pages.limit_queue": ADMIN,
    "pages.member_thumbnail": READ,
    "pages.model": READ,
    "pages.models": READ,
    "pages.new": SUBMIT,
    "pages.normalize": SUBMIT,
    "pages.operations_page": READ,
    "pages.pause": SUBMIT,
    "pages.pause_queue": ADMIN,
    "pages.plotly": READ,
    "pages.remove_alias": SUBMIT,
    "pages.resume": SUBMIT,
    "pages.resume_queue": ADMIN,
    "pages.retry": SUBMIT,
    "pages.revoke_token": ADMIN,
    "pages.run_again": SUBMIT,
    "pages.set_alias": SUBMIT,
    "pages.tokens": ADMIN,
    "pages.undrain_worker": ADMIN,
    "pages.add_webhook": ADMIN,
    "pages.delete_webhook": ADMIN,
    "pages.disable_webhook": ADMIN,
    "pages.edit_webhook": ADMIN,
    "pages.enable_webhook": ADMIN,
    "pages.resend": ADMIN,
    "pages.rotate_webhook": ADMIN,
    "pages.send_test": ADMIN,
    "pages.webhook": ADMIN,
    "pages.webhooks": ADMIN,
}

OPEN: Final = frozenset(endpoint for endpoint, scope in SCOPES.items() if scope is None)


def needed_for(endpoint: str | None) -> Scope:
    """The scope that a request for an endpoint behind the token needs; for what isn't there, any will do."""
    if endpoint is None:
        return READ
    # One that the table forgot is the administrator's.
    return SCOPES.get(endpoint, ADMIN) or READ
