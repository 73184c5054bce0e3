"""export: a model's file in another format, made by a process of its own and kept beside the model."""

import shutil
import signal
from functools import partial
from pathlib import Path
from typing import Any, Final

from sqlalchemy.orm import Session

from jobyard.shared import registry
from jobyard.shared.kinds.export import FORMATS, ExportSpec
from jobyard.shared.registry import exports, models
from jobyard.workers.exports.task import Task
from jobyard.workers.runtime import child
from jobyard.workers.runtime.attempt import Attempt, Finish

# The largest network of keras.applications takes three minutes.
SECONDS: Final = 1_800.0
MODULE: Final = "jobyard.workers.exports"
# tf2onnx copies a network some thirty times, and protobuf's faster implementation keeps all copies until the
# process ends: with that ResNet50V2 takes 7.9 GB, without it 2.7, in less time.
ENVIRONMENT: Final = {"onnx": {"PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": "python"}}


def work(attempt: Attempt, spec: ExportSpec) -> Finish:
    """Return the file that there is, or make it."""
    with attempt.context.database.read() as session:
        model = registry.find(session, registry.Model, spec.model)
        there = exports.find_export(session, model, spec.format, spec.quantize)
    if there is not None and not spec.force:
        return lambda _: _result(model, there, was_there=True)

    ended = _run(attempt, spec, model)
    facts = facts_of(ended, FORMATS[spec.format], attempt.context.settings.export_memory_bytes)
    stored = attempt.store("exports", _target(attempt, spec))

    def finish(session: Session) -> dict[str, Any]:
        models.hold(session, model.id)
        kept, unused = exports.add_export(
            session, model.id, spec.format, spec.quantize, stored, facts, replace=spec.force
        )
        if unused is not None:
            attempt.unwanted.append(unused)
        made = _result(model, kept, was_there=kept.storage_key != stored.key)
        return made | {"peak_memory_bytes": ended.peak_bytes}

    return finish


def _target(attempt: Attempt, spec: ExportSpec) -> Path:
    return attempt.scratch / f"model{exports.FILES[spec.format][0]}"


def _run(attempt: Attempt, spec: ExportSpec, model: registry.Model) -> child.Ended:
    attempt.progress.phase("converting")
    source = attempt.scratch / "model.keras"
    with attempt.context.storage.open(model.storage_key) as stored, source.open("wb") as copy:
        shutil.copyfileobj(stored, copy)
    task = Task(
        source=str(source),
        sha256=model.sha256,
        classes=model.classes,
        image_size=model.image_size,
        name=model.name,
        version=model.version,
        format=spec.format,
        quantize=spec.quantize,
        target=str(_target(attempt, spec)),
    )
    limits = child.Limits(SECONDS, attempt.context.settings.export_memory_bytes)
    return child.run(
        MODULE, task.as_json(), attempt.scratch, attempt.progress, limits, ENVIRONMENT.get(spec.format)
    )


def facts_of(ended: child.Ended, name: str, memory_bytes: int) -> dict[str, Any]:
    """What the process says of its file. Raises WorkError with the reason why there is none."""
    facts: dict[str, Any] = child.result_of(
        ended, partial(_why, memory_bytes), prefix=f"the model can't be exported as {name}: "
    )
    return facts


def _why(memory_bytes: int, ended: child.Ended) -> str:
    if ended.took_too_long:
        return f"the conversion took over {SECONDS / 60:.0f} minutes"
    if ended.took_too_much_memory:
        return (
            f"the conversion took over {memory_bytes / 1e9:.1f} GB of memory, which is what "
            "JOBYARD_EXPORT_MEMORY_BYTES allows"
        )
    if ended.code == -signal.SIGKILL:
        return "the converter was killed: the machine may have run out of memory"
    return f"the converter crashed ({ended.how})"


def _result(model: registry.Model, kept: exports.ModelExport, *, was_there: bool) -> dict[str, Any]:
    return {"model": model.reference, **kept.described(model), "was_there": was_there}
