"""What the result of a job leaves out of an evaluation with many classes, as files of the job."""

import csv
import json
from typing import Any, cast

from jobyard.shared.registry.many_classes import MAX_CLASSES, shortened
from jobyard.workers.runtime.attempt import Attempt
from jobyard.workers.training.evaluate import Evaluation


def keep_whole(attempt: Attempt, evaluation: Evaluation) -> dict[str, Any]:
    """The evaluation as it goes into the result; with many classes, the whole of it becomes two files.

    `evaluation.json` has everything, `confusion.csv` the matrix: the true classes in its first column, the
    predicted ones in its first row.
    """
    whole = cast(dict[str, Any], evaluation)
    classes = evaluation["classes"]
    if len(classes) <= MAX_CLASSES:
        return whole
    document, matrix = attempt.scratch / "evaluation.json", attempt.scratch / "confusion.csv"
    document.write_text(json.dumps(evaluation, ensure_ascii=False), encoding="utf-8")
    with matrix.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["", *classes])
        writer.writerows([name, *row] for name, row in zip(classes, evaluation["confusion"], strict=True))
    for path in (document, matrix):
        attempt.add_artifact(path, path.name)
    return shortened(whole)
