"""sentiment: texts become scores, a file becomes a scored file."""

import functools
from typing import Any

from sqlalchemy.orm import Session

from shared import storage
from shared.specs import SentimentSpec
from workers.attempt import Attempt, Finish
from workers.sentiment.files import score_file
from workers.sentiment.scorer import Scorer
from workers.sentiment.texts import score_texts

MEDIA_TYPES = {
    "parquet": "application/vnd.apache.parquet",
    "csv": "text/csv; charset=utf-8",
    "jsonl": "application/x-ndjson",
}

scorer_of = functools.cache(Scorer)


def work(attempt: Attempt, spec: SentimentSpec) -> Finish:
    """Score the texts of the spec, or those of a file."""
    scorer = scorer_of(attempt.here.settings.lexicon)
    if spec.file is None:
        scored = score_texts(spec, scorer, attempt.report)
        return lambda _: scored

    with attempt.here.database.read() as session:
        file = storage.get_file(session, spec.file)
    output = attempt.scratch / f"scored.{spec.format}"
    with attempt.here.storage.local(file.storage_key, attempt.scratch) as source:
        result = score_file(spec, source, file.name, output, scorer, attempt.report)
    stored = attempt.store("scored", output)

    def finish(session: Session) -> dict[str, Any]:
        storage.add_file(
            session,
            stored,
            name=result["file"],
            media_type=MEDIA_TYPES[spec.format],
            job_id=attempt.job_id,
        )
        return result

    return finish
