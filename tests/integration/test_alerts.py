"""Alert rules and dashboard: each alert fires on its fault and on no other, and all read what there is."""

import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import sqlalchemy as sa
import yaml

from jobyard.cli import COMMANDS
from jobyard.shared import jobs, queue_controls, registrations, webhooks
from jobyard.shared.database import Database, utcnow
from jobyard.shared.jobs import Job, SweepMark
from jobyard.shared.kinds.base import Queue
from jobyard.shared.registrations import Room, Worker
from jobyard.web.services.measures import Measures
from jobyard.workers.runtime.sweeper import count_ended, tally
from tests.conftest import TOKEN, logged_in, served
from tests.factories import LONG_AGO, NEVER, change, claimed, new_job, new_jobs
from tests.ports import free_port
from tests.samples import ROOT
from tests.waiting import wait_for
from tests.webhooks import new_webhook

if TYPE_CHECKING:
    from flask import Flask

PROMETHEUS = ROOT / "deploy/prometheus"
ALERTS = PROMETHEUS / "alerts.yml"
DASHBOARD = ROOT / "deploy/grafana/jobyard.json"
HOW_TO = ROOT / "docs/how-to/watch-with-prometheus.md"
RUNBOOK = "docs/how-to/answer-an-alert.md"
NAME = re.compile(r"\bjobyard_\w+")

needs_prometheus = pytest.mark.skipif(
    shutil.which("prometheus") is None or shutil.which("promtool") is None,
    reason="prometheus and promtool are missing: they are in Debian's package prometheus",
)


def healthy(database: Database) -> None:
    """Workers of all queues with a large disk, a sweeper, and jobs that succeed."""
    room = Room(free_bytes=100 << 30, min_free_bytes=1 << 30)
    with database.write() as session:
        for queue in Queue:
            registrations.register(session, name=f"{queue}@a", queue=queue, process="machine/1/2", room=room)
        jobs.set_mark(session, jobs.SWEPT)
    # However long the test takes, they are alive, and the sweep was just now.
    change(database, Worker, Worker.name.is_not(None), seen_at=NEVER)
    change(database, SweepMark, SweepMark.name == jobs.SWEPT, at=NEVER)
    for _ in range(3):
        job_id = new_job(database)
        lease = claimed(database, job_id).lease
        with database.write() as session:
            assert jobs.succeed(session, job_id, lease, {})
    count_ended(database, NEVER)
    # Without them the mark can be set back, so that what ends within this millisecond is counted, too.
    with database.write() as session:
        session.execute(sa.delete(Job))
    change(database, SweepMark, SweepMark.name == jobs.COUNTED, at=LONG_AGO)


def silence_the_sweeper(database: Database) -> None:
    change(database, SweepMark, SweepMark.name == jobs.SWEPT, at=utcnow(-300))


def lose_the_last_worker(database: Database) -> None:
    new_job(database, kind="train")
    with database.write() as session:
        registrations.deregister(session, name="gpu@a", process="machine/1/2")


def leave_out_the_migration(database: Database) -> None:
    with database.write() as session:
        session.execute(sa.text("UPDATE alembic_version SET version_num = '0001'"))


def leave_an_old_worker(database: Database) -> None:
    change(database, Worker, Worker.name == "predict@a", version="0.0.1")


def let_a_job_wait(database: Database) -> None:
    """While another one runs."""
    claimed(database, new_job(database, kind="train"))
    change(database, Job, Job.id == new_job(database, kind="train"), available_at=utcnow(-7_200))


def let_a_worker_claim_nothing(database: Database) -> None:
    change(database, Job, Job.id == new_job(database, kind="predict"), available_at=utcnow(-900))


def queue_ten_thousand(database: Database) -> None:
    new_jobs(database, 10_000, created_by="mallory")
    tally(database)


def let_jobs_fail(database: Database) -> None:
    for _ in range(6):
        job_id = new_job(database, kind="import")
        lease = claimed(database, job_id).lease
        with database.write() as session:
            assert jobs.fail(session, job_id, lease, error_type="E", message="why")
    count_ended(database, NEVER)


def kill_workers(database: Database) -> None:
    for _ in range(3):
        claimed(database, new_job(database), lease_seconds=-1)
    with database.write() as session:
        assert len(jobs.rescue(session)) == 3


def let_a_job_stall(database: Database) -> None:
    claim = claimed(database, new_job(database, kind="train"))
    with database.write() as session:
        assert jobs.note_stall(session, claim.id, claim.lease, "no progress", None, seconds=1_860)


def nearly_fill_the_disk(database: Database) -> None:
    change(database, Worker, Worker.name == "cpu@a", free_bytes=3 << 29)


def fill_the_disk(database: Database) -> None:
    claim = claimed(database, new_job(database, kind="evaluate"))
    with database.write() as session:
        assert jobs.postpone(session, claim.id, claim.lease, "the disk is full")


def pause_a_queue(database: Database) -> None:
    with database.write() as session:
        queue_controls.pause(session, "cpu", reason="The disk is being replaced")


def let_a_receiver_be_away(database: Database) -> None:
    """Nobody sends here, either."""
    webhook_id = new_webhook(database)
    with database.write() as session:
        for _ in range(120):
            webhooks.send_test(session, webhook_id)


# Of each alert: its fault, and the labels with which it fires.
FAULTS: dict[str, tuple[Callable[[Database], None], dict[str, str]]] = {
    "JobyardDatabaseIsNotMigrated": (leave_out_the_migration, {}),
    "JobyardVersionsDiffer": (leave_an_old_worker, {"queue": "predict"}),
    "JobyardSweeperIsSilent": (silence_the_sweeper, {}),
    "JobyardQueueHasNoWorker": (lose_the_last_worker, {"queue": "gpu"}),
    "JobyardQueueStandsStill": (let_a_worker_claim_nothing, {"queue": "predict"}),
    "JobyardJobsWaitLong": (let_a_job_wait, {"queue": "gpu"}),
    "JobyardJobsFail": (let_jobs_fail, {"queue": "cpu", "kind": "import"}),
    "JobyardWorkersAreLost": (kill_workers, {"queue": "cpu"}),
    "JobyardJobsStall": (let_a_job_stall, {"queue": "gpu"}),
    "JobyardDiskIsNearlyFull": (nearly_fill_the_disk, {"queue": "cpu"}),
    "JobyardJobsArePutOff": (fill_the_disk, {"queue": "predict"}),
    "JobyardQueueIsPaused": (pause_a_queue, {"queue": "cpu"}),
    "JobyardWebhooksAreBehind": (let_a_receiver_be_away, {}),
    # The last one: a claim of the factories moves all other jobs of its queue.
    "JobyardOwnerHasManyJobs": (queue_ten_thousand, {"queue": "cpu", "owner": "mallory"}),
}
# Before each fault, and so long after it that each alert's time is over.
HEALTHY, FAULTY = "4m45s", "18m"
# This one's fault is that there is nothing to read.
DOWN = "JobyardIsDown"


def rules() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load(ALERTS.read_text())["groups"]
    found: list[dict[str, Any]] = group["rules"]
    return found


def write_rules(path: Path, *left_out: str) -> None:
    """The same rules without some of their fields."""
    kept = [{key: value for key, value in rule.items() if key not in left_out} for rule in rules()]
    path.write_text(yaml.safe_dump({"groups": [{"name": "jobyard", "rules": kept}]}))


def samples(database: Database) -> dict[str, float]:
    """What `/metrics` says of this database now: each series that a rule reads, with its value."""
    read = set(NAME.findall(ALERTS.read_text()))
    return {
        series(sample.name, sample.labels): sample.value
        for family in Measures(database).collect()
        for sample in family.samples
        if sample.name in read
    }


def series(name: str, labels: Mapping[str, str]) -> str:
    """As Prometheus writes it."""
    return name + "{" + ",".join(f'{label}="{value}"' for label, value in labels.items()) + "}"


def test_each_alert_has_a_fault_here_and_is_explained() -> None:
    names = [rule["alert"] for rule in rules()]
    assert sorted(names) == sorted([*FAULTS, DOWN])
    page = HOW_TO.read_text()
    assert [name for name in names if f"`{name}`" not in page] == []


def test_each_alert_leads_to_its_section_of_the_runbook_and_says_what_to_do_first() -> None:
    text = (ROOT / RUNBOOK).read_text()
    sections = dict(re.findall(r"^## (Jobyard\w+)\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL))
    assert list(sections) == [rule["alert"] for rule in rules()]
    for rule in rules():
        name, notes = rule["alert"], rule["annotations"]
        assert notes["runbook"] == f"{RUNBOOK}#{name.lower()}"
        assert [step for step in ("Look", "Do", "Over") if f"* **{step}**" not in sections[name]] == []
        typed = re.findall(r"`jobyard (\w+)", notes["description"])
        assert set(typed) <= set(COMMANDS), name
        assert typed or "`" in notes["description"], name


@needs_prometheus
def test_each_alert_fires_on_its_fault_after_its_time_and_on_no_other(
    sqlite_url: str, tmp_path: Path
) -> None:
    """Of series that two web processes say, five minutes before the fault and quarter of an hour with it."""
    tests = []
    for name in ["none", DOWN, *FAULTS]:
        path = shutil.copy(sqlite_url.removeprefix("sqlite:///"), tmp_path / f"{name}.db")
        database = Database(f"sqlite:///{path}")
        healthy(database)
        before = samples(database)
        if name in FAULTS:
            FAULTS[name][0](database)
        after = {} if name == DOWN else samples(database)
        database.dispose()
        tests.append(
            {
                "name": name,
                "interval": "15s",
                "input_series": [
                    {
                        "series": one.replace("{", f'{{job="jobyard",instance="{instance}",'),
                        "values": f"{_for(20, before.get(one))} {_for(61, after.get(one))}",
                    }
                    for one in before | after
                    for instance in ("a", "b")
                ],
                "alert_rule_test": [
                    {"eval_time": at, "alertname": rule["alert"], "exp_alerts": expected(rule, name, at)}
                    for rule in rules()
                    for at in (HEALTHY, FAULTY)
                ],
            }
        )
    write_rules(tmp_path / "rules.yml", "annotations")
    (tmp_path / "test.yml").write_text(
        yaml.safe_dump({"rule_files": ["rules.yml"], "evaluation_interval": "15s", "tests": tests})
    )
    ran = promtool("test", "rules", str(tmp_path / "test.yml"))
    assert ran.returncode == 0, ran.stdout + ran.stderr


def _for(times: int, value: float | None) -> str:
    """So many samples; None: the series is not there."""
    return f"stale _x{times - 1}" if value is None else f"{value}+0x{times - 1}"


def expected(rule: dict[str, Any], fault: str, at: str) -> list[dict[str, Any]]:
    if rule["alert"] != fault or at != FAULTY:
        return []
    labels = FAULTS[fault][1] | {"job": "jobyard"} if fault in FAULTS else {}
    return [{"exp_labels": labels | rule["labels"]}]


@needs_prometheus
def test_a_real_prometheus_fires_each_alert_at_its_fault(
    make_app: "Callable[..., Flask]", sqlite_url: str, tmp_path: Path
) -> None:
    database = Database(sqlite_url)
    healthy(database)
    write_rules(tmp_path / "alerts.yml", "for")
    with ExitStack() as stack:
        running = stack.enter_context(ExitStack())
        address = running.enter_context(served(make_app()))
        client = stack.enter_context(prometheus(tmp_path, address))
        wait_for(lambda: query(client, "count_over_time(jobyard_build_info[1m]) >= 3"))
        assert firing(client) == {}
        for plant, _ in FAULTS.values():
            plant(database)
        wait_for(lambda: set(firing(client)) >= set(FAULTS))
        found = firing(client)
        assert set(found) == set(FAULTS)
        running.close()
        wait_for(lambda: DOWN in firing(client))
        for name, (_, labels) in FAULTS.items():
            assert labels.items() <= found[name]["labels"].items(), name
            notes = found[name]["annotations"]
            assert notes["summary"]
            assert "<" not in notes["summary"] + notes["description"], "a template has an error"
    database.dispose()


def firing(client: httpx.Client) -> dict[str, dict[str, Any]]:
    found = client.get("/api/v1/alerts").json()["data"]["alerts"]
    return {one["labels"]["alertname"]: one for one in found if one["state"] == "firing"}


def query(client: httpx.Client, expression: str) -> list[Any]:
    found: list[Any] = client.get("/api/v1/query", params={"query": expression}).json()["data"]["result"]
    return found


@contextmanager
def prometheus(folder: Path, target: str) -> Iterator[httpx.Client]:
    """A Prometheus that scrapes this address each second, and evaluates `alerts.yml` in the folder."""
    config = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s", "scrape_timeout": "1s"}
    (scrape,) = config["scrape_configs"]
    scrape["static_configs"] = [{"targets": [target.removeprefix("http://")]}]
    scrape["authorization"]["credentials_file"] = str(folder / "token")
    (folder / "token").write_text(f"{TOKEN}\n")
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    port = free_port()
    command = [
        "prometheus",
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=error",
    ]
    process = subprocess.Popen(command)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            wait_for(lambda: answers(process, client))
            yield client
    finally:
        process.terminate()
        process.wait()


def answers(process: "subprocess.Popen[bytes]", client: httpx.Client) -> bool:
    assert process.poll() is None, "Prometheus has ended"
    try:
        return client.get("/-/ready").is_success
    except httpx.TransportError:
        time.sleep(0.1)
        return False


# ---- what rules, dashboard and page read


def names_of(app: "Flask") -> set[str]:
    """Of all metrics, as the text says them in its TYPE lines."""
    text = logged_in(app).get("/metrics").text
    return set(re.findall(r"^# TYPE (\S+)", text, re.MULTILINE))


def family_of(name: str) -> str:
    return re.sub(r"_(bucket|count|sum)$", "", name)


def expressions() -> list[str]:
    """Of all panels of the dashboard."""
    panels = json.loads(DASHBOARD.read_text())["panels"]
    return [target["expr"] for panel in panels for target in panel["targets"]]


def test_rules_dashboard_and_page_read_metrics_that_there_are(app: "Flask") -> None:
    names = names_of(app)
    for path in (ALERTS, DASHBOARD):
        assert {family_of(name) for name in NAME.findall(path.read_text())} <= names, path
    table = re.findall(r"^\| (`jobyard_.+?) \|", HOW_TO.read_text(), re.MULTILINE)
    assert {name for cell in table for name in NAME.findall(cell)} == names


@needs_prometheus
def test_what_is_shipped_for_prometheus_and_grafana_is_valid(tmp_path: Path) -> None:
    checked = promtool("check", "config", "--syntax-only", str(PROMETHEUS / "prometheus.yml"))
    assert checked.returncode == 0, checked.stderr
    # What Grafana puts in their place.
    variables = {"$__rate_interval": "1m", "$job": "jobyard", "$queue": "cpu|gpu"}
    found = expressions()
    for name, value in variables.items():
        found = [expression.replace(name, value) for expression in found]
    assert [expression for expression in found if "$" in expression] == []
    records = [{"record": f"panel:{number}", "expr": one} for number, one in enumerate(found)]
    path = tmp_path / "dashboard.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": records}]}))
    checked = promtool("check", "rules", str(path), str(ALERTS))
    assert checked.returncode == 0, checked.stdout + checked.stderr


def promtool(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(["promtool", *arguments], capture_output=True, text=True)
