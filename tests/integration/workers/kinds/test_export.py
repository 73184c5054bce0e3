"""An export's way from the job's spec to the model's file, in a process of its own."""

import uuid
from pathlib import Path
from typing import Any

import pytest
from ai_edge_litert.interpreter import Interpreter

from jobyard.shared import registry
from jobyard.shared.database import Database
from jobyard.shared.jobs import Job
from jobyard.shared.kinds.export import ExportSpec
from jobyard.shared.registry import exports
from jobyard.workers.kinds import export
from jobyard.workers.networks.building import build
from jobyard.workers.runtime.context import Context
from tests import factories, workers
from tests.workers import make_context, stored_files


@pytest.fixture
def context(sqlite_url: str, tmp_path: Path) -> Context:
    return make_context(Database(sqlite_url), tmp_path / "home")


def register(context: Context, path: Path, **changes: Any) -> registry.Model:
    stored = context.storage.put_file("models", path)
    given = {"classes": ["cats", "dogs"], "image_size": 32, "network": "compact"}
    given |= {"storage_key": stored.key, "bytes": stored.bytes, "sha256": stored.sha256}
    return factories.register(context.database, factories.model("pets", **given | changes))


def run(context: Context, **fields: Any) -> Job:
    spec = ExportSpec.model_validate({"model": "pets@1", "format": "tflite", **fields}).model_dump(
        mode="json"
    )
    job_id: uuid.UUID = factories.new_job(context.database, kind="export", queue="predict", spec=spec)
    job = workers.attempt(context, job_id, export.work, kind="export")
    assert job is not None
    return job


def keys(context: Context) -> list[str]:
    return [name for name in stored_files(context) if name.startswith("exports/")]


def test_a_file_is_made_kept_returned_and_replaced(context: Context, tmp_path: Path) -> None:
    build("compact", 32, 2, "float32").save(tmp_path / "m.keras")
    model = register(context, tmp_path / "m.keras")
    job = run(context)
    assert job.state == "succeeded", job.error_message
    result = job.result or {}
    assert (result["model"], result["file"], result["was_there"]) == ("pets@1", "pets-1.tflite", False)
    assert result["largest_difference"] <= 1e-4
    assert 10**8 < result["peak_memory_bytes"] < 3 * 10**9
    (first,) = keys(context)
    with context.database.read() as session:
        kept = exports.get_export(session, model, "tflite")
        assert (kept.storage_key, kept.bytes, kept.sha256) == (first, result["bytes"], result["sha256"])
    with context.storage.local(first, tmp_path) as path:
        signature = Interpreter(str(path)).get_signature_list()["serving_default"]
    assert signature == {"inputs": ["pixels"], "outputs": ["probability"]}

    again = run(context).result or {}
    assert (again["was_there"], again["sha256"]) == (True, result["sha256"])
    assert keys(context) == [first]

    forced = run(context, force=True)
    assert (forced.result or {})["was_there"] is False
    assert len(keys(context)) == 1
    assert keys(context) != [first]


def test_a_model_file_that_was_changed_is_not_loaded(context: Context, tmp_path: Path) -> None:
    (tmp_path / "m.keras").write_bytes(b"not a model")
    register(context, tmp_path / "m.keras", sha256="0" * 64)
    job = run(context)
    assert job.state == "failed"
    assert "can't be exported as TFLite (LiteRT): the model file does not match its SHA-256" in str(
        job.error_message
    )
    assert keys(context) == []


def test_a_conversion_over_its_memory_fails_and_costs_one_attempt(sqlite_url: str, tmp_path: Path) -> None:
    context = make_context(Database(sqlite_url), tmp_path / "home", export_memory_bytes=1_000_000)
    (tmp_path / "m.keras").write_bytes(b"never read")
    register(context, tmp_path / "m.keras")
    job = run(context)
    assert (job.state, job.attempt) == ("failed", 1)
    assert "which is what JOBYARD_EXPORT_MEMORY_BYTES allows" in str(job.error_message)
