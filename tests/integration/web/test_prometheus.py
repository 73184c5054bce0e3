"""`GET /metrics`: the same from each web process, and as promtool wants it."""

import shutil
import subprocess
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from prometheus_client.parser import text_string_to_metric_families

from jobyard import __version__
from jobyard.shared import jobs, queue_controls, registrations, storage
from jobyard.shared.database import Database
from jobyard.shared.registrations import Worker
from jobyard.workers.runtime.sweeper import count_ended, tally
from tests.conftest import logged_in
from tests.factories import NEVER, change, claimed, new_job, new_jobs

if TYPE_CHECKING:
    from flask import Flask
    from flask.testing import FlaskClient

Values = dict[str, dict[tuple[str, ...], float]]


def scrape(client: "FlaskClient") -> str:
    response = client.get("/metrics")
    assert response.status_code == 200, response.text
    assert response.content_type.startswith("text/plain; version=")
    return response.text


def values(text: str) -> Values:
    """The numbers of each name, by the values of their labels, which come in the order of their names."""
    found: Values = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sample.labels.values())] = sample.value
    return found


def do_some_work(database: Database) -> None:
    """Two jobs that have ended, one that runs, one whose worker was lost, a worker, many that wait."""
    for _ in range(2):
        job_id = new_job(database)
        lease = claimed(database, job_id).lease
        with database.write() as session:
            assert jobs.succeed(session, job_id, lease, {})
    claimed(database, new_job(database, kind="train"))
    claimed(database, new_job(database, kind="train"), lease_seconds=-1)
    with database.write() as session:
        assert jobs.rescue(session)
        registrations.register(session, name="cpu@a", queue="cpu", process="machine/1/2")
        registrations.register(session, name="gpu@a", queue="gpu", process="machine/1/2")
        registrations.drain(session, "gpu@a")
        queue_controls.pause(session, "predict")
        jobs.set_mark(session, jobs.SWEPT)
        storage.keep_totals(session, {"models/": storage.Total(3, 600), "database": storage.Total(0, 70)})
    # However long the test takes, they are alive.
    change(database, Worker, Worker.name.is_not(None), seen_at=NEVER)
    new_jobs(database, 10_000)
    tally(database)
    count_ended(database, NEVER)


def test_each_process_says_the_same_of_all_jobs_there_have_been(
    make_app: "Callable[..., Flask]", database: Database, database_url: str
) -> None:
    do_some_work(database)
    one, other = (values(scrape(logged_in(make_app(database_url=database_url)))) for _ in range(2))
    for moment in ("jobyard_oldest_wait_seconds", "jobyard_last_sweep_age_seconds"):
        assert max(other.pop(moment).values()) >= max(one.pop(moment).values()) > 0
    assert one == other
    assert one["jobyard_build_info"] == {(database.engine.dialect.name, __version__): 1}
    assert one["jobyard_jobs"]["sentiment", "cpu", "queued"] == 10_000
    assert one["jobyard_jobs"]["train", "gpu", "running"] == 1
    assert one["jobyard_jobs"]["evaluate", "predict", "paused"] == 0
    assert one["jobyard_jobs_ended_total"]["sentiment", "cpu", "succeeded"] == 2
    assert one["jobyard_jobs_ended_total"]["train", "gpu", "failed"] == 0
    assert one["jobyard_job_run_seconds_count"]["sentiment", "cpu"] == 2
    assert one["jobyard_job_wait_seconds_bucket"]["sentiment", "+Inf", "cpu"] == 2
    assert one["jobyard_leases_expired_total"] == {("cpu",): 0, ("gpu",): 1, ("predict",): 0}
    assert one["jobyard_workers"] == {("cpu",): 1, ("gpu",): 0, ("predict",): 0}
    assert one["jobyard_draining_workers"] == {("cpu",): 0, ("gpu",): 1, ("predict",): 0}
    assert one["jobyard_storage_bytes"] == {("models",): 600}
    assert one["jobyard_storage_files"] == {("models",): 3}
    assert one["jobyard_database_bytes"] == {(): 70}
    assert one["jobyard_queue_paused"] == {("cpu",): 0, ("gpu",): 0, ("predict",): 1}


def test_promtool_has_nothing_to_say(client: "FlaskClient", database: Database) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is missing: it is in Debian's package prometheus")
    do_some_work(database)
    text = scrape(client)
    checked = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, text=True)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


def test_openmetrics_is_given_to_who_asks_for_it(client: "FlaskClient") -> None:
    asked = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
    response = client.get("/metrics", headers={"Accept": asked})
    assert response.content_type.startswith("application/openmetrics-text")
    assert response.text.endswith("# EOF\n")


def test_a_stranger_is_asked_for_the_token_as_a_scraper_understands_it(app: "Flask") -> None:
    response = app.test_client().get("/metrics")
    assert (response.status_code, response.headers["WWW-Authenticate"]) == (401, "Bearer")
