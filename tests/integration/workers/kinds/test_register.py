"""A foreign model, from the job to the model: what is kept predicts what came did."""

import threading
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Any

import keras
import numpy as np
import psutil
import pytest

from jobyard.shared import jobs, registry, storage
from jobyard.shared.database import Database
from jobyard.shared.jobs import Job
from jobyard.shared.kinds.register import RegisterSpec
from jobyard.shared.registry import models
from jobyard.workers.kinds import register
from jobyard.workers.networks import model_file
from jobyard.workers.networks.outputs import class_probabilities
from jobyard.workers.runtime.context import Context
from tests import foreign
from tests.factories import get_job, new_job
from tests.workers import make_context, run_queue, stored_files


def upload(context: Context, content: bytes, name: str = "pets.keras") -> uuid.UUID:
    path = context.settings.home / "upload"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    stored = context.storage.put_file("files", path)
    with context.database.write() as session:
        return storage.add_file(session, stored, name=name, media_type="application/zip").id


def submitted(context: Context, content: bytes, name: str = "pets.keras", **changes: Any) -> uuid.UUID:
    given = {"name": "pets", "classes": ["cats", "dogs"], "rescale": "0..1"} | changes
    spec = RegisterSpec(file=upload(context, content, name), **given).model_dump(mode="json")
    return new_job(context.database, kind="register", spec=spec)


def registered(context: Context, content: bytes, name: str = "pets.keras", **changes: Any) -> Job:
    job_id = submitted(context, content, name, **changes)
    run_queue(context, register.work, kind="register")
    return get_job(context.database, job_id)


def test_what_is_kept_predicts_what_came(context: Context, tmp_path: Path) -> None:
    content = foreign.keras_file()
    job = registered(context, content)
    assert job.error_message is None
    with context.database.read() as session:
        model = registry.find(session, registry.Model, "pets@1")
        card = models.card(session, model)
        (artifact,) = storage.artifacts(session, job.id, limit=10)
        source = session.get(storage.File, uuid.UUID(job.spec["file"]))
    assert source is not None
    assert (model.network, model.image_size, model.classes) == ("imported", 32, ["cats", "dogs"])
    assert (model.accuracy, model.metrics, model.dataset_id) == (None, {}, None)
    assert card["source"] == {
        "file": "pets.keras",
        "sha256": source.sha256,
        "keras_version": "3.15.1",
        "layers": 3,
        "parameters": 8,
        "precision": "float32",
        "rescale": "0..1: a Rescaling was put in front",
        "head": "softmax, as it was",
        "warnings": [],
    }
    assert "a probability for each class" in card["outputs"]
    assert job.result is not None
    assert job.result["model"] == "pets@1"
    assert job.result["sha256"] == model.sha256 == artifact.sha256 != source.sha256

    kept, came = tmp_path / "kept.keras", tmp_path / "came.keras"
    came.write_bytes(content)
    with context.storage.open(model.storage_key) as file:
        kept.write_bytes(file.read())
    pixels = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3)).astype(np.float32)
    mine = model_file.load(kept, model.sha256, model.classes, model.image_size)(pixels)
    theirs = keras.models.load_model(came, compile=False)(keras.layers.Rescaling(1 / 255)(pixels))
    assert np.asarray(mine).tobytes() == np.asarray(theirs).tobytes()
    assert np.allclose(class_probabilities(mine).sum(axis=1), 1)


def test_what_is_refused_leaves_nothing(context: Context) -> None:
    nan = foreign.plain_arrays()
    nan[foreign.BIAS][1] = np.nan
    evil = foreign.network(foreign.layer("Lambda", "evil", function="x"), foreign.dense())
    for content, words in (
        (foreign.keras_file(evil), "pets.keras: config.json: layers[2] 'evil': is a Lambda"),
        (
            foreign.keras_file(h5=foreign.weights(arrays=nan)),
            "'layers/dense/vars/1' has 1 values that are NaN",
        ),
    ):
        job = registered(context, content)
        assert (job.state, job.error_type, job.result) == ("failed", "WorkError", None)
        assert words in str(job.error_message)
        with context.database.read() as session:
            assert list(registry.each(session, registry.Model, limit=10)) == []
    assert {name.split("/")[0] for name in stored_files(context)} == {"files"}


def test_the_settings_limit_its_network(database: Database, tmp_path: Path) -> None:
    context = make_context(database, tmp_path / "home", max_network_parameters=7)
    message = registered(context, foreign.keras_file()).error_message
    assert "makes 8 parameters: should be at most 7 (JOBYARD_MAX_NETWORK_PARAMETERS)" in str(message)


@pytest.mark.parametrize("why", ["cancel", "stop"])
def test_a_job_that_is_to_stop_ends_its_process(context: Context, why: str) -> None:
    job_id = submitted(context, foreign.keras_file())
    stopping = threading.Event()

    def stop() -> None:
        while not children():
            if ended.wait(0.01):
                return
        if why == "stop":
            stopping.set()
        else:
            with context.database.write() as session:
                jobs.cancel(session, job_id)

    def children() -> list[psutil.Process]:
        found = []
        for one in psutil.Process().children(recursive=True):
            with suppress(psutil.NoSuchProcess):  # or a zombie, which is one of those
                if "jobyard.workers.networks.foreign" in one.cmdline():
                    found.append(one)
        return found

    ended = threading.Event()
    thread = threading.Thread(target=stop)
    thread.start()
    try:
        run_queue(context, register.work, stopping, kind="register")
    finally:
        ended.set()
        thread.join()
    assert get_job(context.database, job_id).state == ("cancelled" if why == "cancel" else "queued")
    assert children() == []
