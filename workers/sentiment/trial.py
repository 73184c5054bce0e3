"""A file with which a worker was lost is read in another process first, which is what a crash then ends.

Run as a module it is that process.
"""

import signal
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from jobyard.shared.disk import Room
from jobyard.shared.errors import WorkError
from jobyard.shared.kinds.sentiment import SentimentSpec
from jobyard.workers.runtime import child
from jobyard.workers.runtime.progress import NoProgress, Progress

MODULE: Final = "jobyard.workers.sentiment.trial"
# All the time there is: the job's deadline ends it sooner, and the kernel has its way with the memory.
LIMITS: Final = child.Limits(24 * 3600.0, 1 << 62)


def try_file(
    spec: SentimentSpec, source: Path, name: str, limit: int, scratch: Path, progress: Progress
) -> None:
    """Score a file, and throw the rows away.

    Raises WorkError where that ends its process, and what `progress.check` raises.
    """
    _try({"spec": _plain(spec), "source": str(source), "name": name, "limit": limit}, name, scratch, progress)


def try_part(
    spec: SentimentSpec,
    plan: Mapping[str, Any],
    number: int,
    source: Path,
    limit: int,
    scratch: Path,
    progress: Progress,
) -> None:
    """The same with a part of a file, of which `source` has the plain bytes."""
    told = {"spec": _plain(spec), "source": str(source), "plan": plan, "part": number, "limit": limit}
    _try(told, str(plan["name"]), scratch, progress)


def _plain(spec: SentimentSpec) -> dict[str, Any]:
    # Own words change no reading.
    return spec.model_dump(mode="json", exclude={"lexicon"})


def _try(told: dict[str, Any], name: str, scratch: Path, progress: Progress) -> None:
    progress.phase("reading in a process of its own")
    folder = scratch / "trial"
    folder.mkdir(exist_ok=True)
    raise_if_it_crashed(child.run(MODULE, told, folder, progress, LIMITS), name)


def raise_if_it_crashed(ended: child.Ended, name: str) -> None:
    """Raises WorkError that names the file if a signal has ended its reader."""
    if ended.code >= 0:
        return  # also where it raised: the worker will, and say it better
    if ended.code == -signal.SIGKILL:
        error = WorkError(f"{name!r} can't be read: that takes more memory than this worker's machine has")
    else:
        error = WorkError(
            f"{name!r} can't be read: it crashes the reader ({ended.how}); the file may be broken, "
            "or use what the reader doesn't know; write it anew with another program, or as CSV"
        )
    error.add_note(ended.log)
    raise error


# ---- in the child


def main() -> None:
    told = child.task()
    from jobyard.workers.sentiment.files import score_file
    from jobyard.workers.sentiment.parts import score_part
    from jobyard.workers.sentiment.several import plan_of
    from jobyard.workers.sentiment.vader.bulk import BulkScorer
    from jobyard.workers.sentiment.vader.scorer import Scorer

    spec, source = SentimentSpec.model_validate(told["spec"]), Path(told["source"])
    scorer, room, output = BulkScorer(Scorer()), Room(told["limit"]), Path("output")
    with suppress(WorkError):
        if "plan" in told:
            plan = plan_of(told["plan"])
            with source.open("rb") as stream:
                score_part(spec, plan, told["part"], stream, output, scorer, NoProgress(), room)
        else:
            limit = told["limit"]
            score_file(spec, source, told["name"], output, scorer, limit, NoProgress(), room)


if __name__ == "__main__":
    main()
