"""Lists cost what they show: jobs with long specs make neither an answer long nor web large."""

import json

import httpx
import pytest

from jobyard import Client
from tests.acceptance.conftest import PATIENCE, Stack
from tests.attacks.measuring import MIB, growth, web

COUNT = 8
# 4 MB of JSON each.
TEXTS = ["x" * 9_900] * 400


@pytest.fixture(scope="module")
def long_jobs(stack: Stack) -> list[str]:
    """Submitted and cancelled, so that no worker is busy with them for long."""
    body = json.dumps({"kind": "sentiment", "priority": 0, "spec": {"texts": TEXTS}})
    headers = {"Authorization": f"Bearer {stack.token}", "Content-Type": "application/json"}
    ids = []
    for _ in range(COUNT):
        response = httpx.post(f"{stack.url}/api/v1/jobs", content=body, headers=headers, timeout=180)
        assert response.status_code == 202
        ids.append(response.json()["id"])
        httpx.post(f"{stack.url}/api/v1/jobs/{ids[-1]}/cancel", headers=headers, timeout=180)
    return ids


def test_no_list_of_long_jobs_is_long_or_costs_memory(
    stack: Stack, client: Client, long_jobs: list[str]
) -> None:
    compared = ",".join(long_jobs)
    with httpx.Client(base_url=stack.url, timeout=180) as browser:
        assert browser.get(f"/login?token={stack.token}").status_code == 302
        for path in ("/api/v1/jobs?limit=1000", f"/api/v1/metrics/compare?jobs={compared}", "/"):
            browser.get(path)  # what is imported once is no cost of the list
            with growth(web(stack)) as grown:
                response = browser.get(path)
            assert response.status_code == 200
            assert len(response.content) < 4 * MIB
            assert long_jobs[0][-8:] in response.text
            assert grown.bytes < 16 * MIB, path
    listed = {job.id: job for job in client.jobs()}
    assert set(long_jobs) <= set(listed)
    job = listed[long_jobs[0]]
    assert job.spec["texts"] == []
    assert "spec.texts" in job.raw["truncated"]
    assert job.refresh().spec["texts"] == TEXTS


def test_the_command_line_lists_them_too(stack: Stack, long_jobs: list[str]) -> None:
    shown = stack.run("jobs", "--limit", "1000", "--json")
    assert shown.returncode == 0
    assert len(shown.stdout) < 4 * MIB
    assert set(long_jobs) <= {json.loads(line)["id"] for line in shown.stdout.splitlines()}


def test_a_list_of_long_jobs_is_answered_in_brief(stack: Stack, client: Client) -> None:
    body = json.dumps([{"kind": "sentiment", "priority": 0, "spec": {"texts": TEXTS[:100]}}] * 4)
    headers = {"Authorization": f"Bearer {stack.token}", "Content-Type": "application/json"}
    response = httpx.post(f"{stack.url}/api/v1/jobs", content=body, headers=headers, timeout=180)
    assert response.status_code == 202
    assert len(response.content) < 100_000
    for item in response.json()["items"]:
        assert "spec.texts" in item["truncated"]
        client.job(item["id"]).wait(PATIENCE)
