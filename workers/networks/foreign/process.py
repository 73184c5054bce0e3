"""The process that reads a foreign model, as the worker sees it: told, and what its end means."""

import signal
from functools import partial
from pathlib import Path
from typing import Any, Final

from jobyard.workers.networks.foreign import bounds
from jobyard.workers.networks.foreign.confinement import TOO_MUCH_MEMORY
from jobyard.workers.networks.foreign.task import Task
from jobyard.workers.runtime import child
from jobyard.workers.runtime.progress import Progress

MODULE: Final = "jobyard.workers.networks.foreign"
# No code is loaded to unpack what HDF5 itself can't; and few arenas, so that memory is what is used.
ENVIRONMENT: Final = {"HDF5_PLUGIN_PRELOAD": "::", "MALLOC_ARENA_MAX": "2"}
# Of time, beyond what the process allows itself.
GRACE_SECONDS: Final = 10.0


def run(task: Task, progress: Progress) -> dict[str, Any]:
    """What the process answers. It is ended if the job is to stop, and with it all that it may have started.

    Raises WorkError with the reason why the file is refused, also where the process crashed or took too much.
    """
    # The process itself sets a lower limit once it knows the network.
    memory = bounds.TENSORFLOW_BYTES + bounds.memory_of(task.unpacked_bytes, task.limits.layers)
    limits = child.Limits(task.seconds + GRACE_SECONDS, memory)
    ended = child.run(MODULE, task.as_json(), Path(task.folder), progress, limits, ENVIRONMENT)
    found: dict[str, Any] = child.result_of(ended, partial(why, task))
    return found


def why(task: Task, ended: child.Ended) -> str:
    if ended.took_too_long or ended.code == -signal.SIGALRM:
        return f"the file was refused: to read it took over {task.seconds:,.0f} seconds"
    if ended.took_too_much_memory or ended.code in (TOO_MUCH_MEMORY, -signal.SIGKILL):
        return "the file was refused: to read it took more memory than its weights need"
    return (
        f"the file was refused: it crashed the process that read it ({ended.how}); it is damaged, needs more "
        "memory than its weights, or is made to do harm"
    )
