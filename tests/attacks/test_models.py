"""Models that are made to do harm: web stores them unread, and their jobs fail in a moment with the cause."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jobyard import Client, JobFailed
from tests import foreign
from tests.acceptance.conftest import Stack
from tests.attacks.measuring import MIB, growth, web

WEB_GROWTH = 10 * MIB
# The worker's own process only starts another one and waits for it.
WORKER_GROWTH = 60 * MIB

ATTACKS = [
    attack
    for attack in (*foreign.IN_CONFIG.found, *foreign.IN_HDF5.found, *foreign.IN_ZIP.found)
    if attack.name
    in {
        "CVE-2024-3660: Lambda of bytecode",
        "CVE-2025-8747: get_file as an activation",
        "CVE-2026-1669: external storage",
        "CVE-2026-0897: huge shape, nothing stored",
        "weights that unpack to 300 MB",
    }
]


def test_foreign_models_cost_web_and_the_worker_nothing(stack: Stack, client: Client, tmp_path: Path) -> None:
    assert len(ATTACKS) == 5
    sent = []
    for number, attack in enumerate(ATTACKS):
        path = tmp_path / f"{number}.keras"
        path.write_bytes(attack.make(Path("/etc/passwd")))
        sent.append((attack, path))
    right = tmp_path / "right.keras"
    right.write_bytes(foreign.keras_file())
    options = {"name": "elsewhere", "classes": ["cats", "dogs"], "rescale": "0..1"}
    # The process of the pool is there, with all that it loads for such a job.
    model = client.add_model(right, **options).wait()
    with growth(web(stack)) as of_web, growth(stack.processes("predict")) as of_worker:
        jobs = [(attack, client.add_model(path, **options)) for attack, path in sent]
        for attack, job in jobs:
            with pytest.raises(JobFailed):
                job.wait()
            message = job.raw["error"]["message"]
            assert attack.words in message, attack.name
            assert (job.raw["attempt"], "\n" in message) == (1, False)
    assert of_web.bytes < WEB_GROWTH
    assert of_worker.bytes < WORKER_GROWTH
    assert model.result is not None
    assert [one["reference"] for one in client.models() if one["name"] == "elsewhere"] == [
        model.result["model"]
    ]
    predicts(client, model.result["model"], tmp_path / "grey.png")


def predicts(client: Client, model: str, picture: Path) -> None:
    """The network is the mean of each channel, and one layer on it."""
    colour = (200, 100, 30)
    Image.new("RGB", (50, 40), colour).save(picture)
    kernel, bias = foreign.plain_arrays().values()
    logits = np.array(colour) / 255 @ kernel + bias
    wanted = np.exp(logits) / np.exp(logits).sum()
    (row,) = client.predict(model, [picture]).wait().predictions()
    assert [row["probabilities"][name] for name in ("cats", "dogs")] == pytest.approx(wanted, abs=1e-6)
    client.delete_model(model)
