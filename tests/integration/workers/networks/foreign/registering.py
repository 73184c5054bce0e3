"""A foreign network on its way: saved, examined, and assembled into the file that is kept."""

from pathlib import Path
from typing import Any

import keras

from jobyard.workers.networks.foreign.assembly import assemble
from jobyard.workers.networks.foreign.examination import examine
from jobyard.workers.networks.foreign.task import MODEL, Task


def register(network: Any, folder: Path, classes: list[str], **given: Any) -> tuple[Any, dict[str, Any]]:
    """The network that is loaded from the file that is kept, and what was found out."""
    upload = folder / "upload.keras"
    network.save(upload)
    task = Task(
        path=str(upload),
        name=upload.name,
        folder=str(folder),
        classes=classes,
        rescale=given.get("rescale"),
        image_size=given.get("image_size"),
        unpacked_bytes=1 << 28,
    )
    found = assemble(task, examine(task))
    kept = keras.models.load_model(folder / MODEL, compile=False)
    return kept, found
