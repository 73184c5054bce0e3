"""JSON with what a database or an answer can't hold, through the whole of the server."""

import httpx

from jobyard import Client
from tests.acceptance.conftest import Stack


def test_half_of_a_surrogate_pair_is_refused_and_a_nul_is_scored(stack: Stack, client: Client) -> None:
    headers = {"Authorization": f"Bearer {stack.token}", "Content-Type": "application/json"}
    for texts in (r'["\ud800"]', r'["one"], "lexicon": {"good\udfff": 1}'):
        body = f'{{"kind": "sentiment", "spec": {{"texts": {texts}}}}}'
        answer = httpx.post(f"{stack.url}/api/v1/jobs", content=body, headers=headers, timeout=180)
        assert answer.status_code == 422
        assert "half of a surrogate pair" in answer.json()["detail"]
    job = client.score(["a \0 good film"], lexicon={"go\0od": 1.0}).wait()
    assert job.raw["spec"]["texts"] == ["a \0 good film"]
    page = httpx.get(
        f"{stack.url}/jobs/{job.id}/compare", headers=headers, follow_redirects=True, timeout=180
    )
    assert page.status_code == 200
