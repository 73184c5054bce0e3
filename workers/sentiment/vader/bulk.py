"""Many texts at once: the scores of `Scorer`, from an Arrow array, without a Python object per text.

numba is imported when the first BulkScorer is made: its import takes memory, and its compiled loop is loaded
from disk then, or compiled.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from jobyard.workers.runtime.progress import Progress
from jobyard.workers.sentiment.vader import unseen
from jobyard.workers.sentiment.vader.html import has_html
from jobyard.workers.sentiment.vader.scorer import Scorer
from jobyard.workers.sentiment.vader.unseen import Unseen

Floats = npt.NDArray[np.float64]


class BulkScores(NamedTuple):
    """`Scores` of many texts: float64 arrays of one length, NaN where the text is null."""

    neg: Floats
    neu: Floats
    pos: Floats
    compound: Floats


class BulkScorer:
    """Scores arrays of texts exactly as `scorer` does each text. Safe for several threads: it holds no GIL.

    Its memory doesn't grow with the texts, but for a batch's results and about as much again as the batch's
    longest text.
    """

    def __init__(self, scorer: Scorer) -> None:
        from jobyard.workers.sentiment.vader import vader_kernel
        from jobyard.workers.sentiment.vader.vader_tables import make_tables

        self.sha256 = scorer.sha256
        self._scorer = scorer
        self._kernel = vader_kernel
        self._tables = make_tables(scorer.lexicon)

    def score(self, texts: pa.Array, progress: Progress | None = None) -> BulkScores:
        """The scores of each text of a `string` or `large_string` array, which may be a slice.

        `progress` is checked before each text that has to go through Python.

        Raises TypeError at an array of another type.
        """
        return BulkScores(*self._scored(texts, progress)[0])

    def score_and_look(self, texts: pa.Array, progress: Progress | None = None) -> tuple[BulkScores, Unseen]:
        """`score`, and how many texts have what VADER can't see, whether or not that was put into words.

        Emoji that have a valence of their own are seen.
        """
        out, seen = self._scored(texts, progress)
        if self._scorer.dropping is not None:
            for row in np.flatnonzero(seen & unseen.EMOJI):
                seen[row] = unseen.kinds(self._scorer.dropping.normalized(texts[row].as_py()))
        maybe = texts.take(pa.array(np.flatnonzero(seen & unseen.MAYBE_HTML))).to_pylist()
        emoji, curly = (int(np.count_nonzero(seen & kind)) for kind in (unseen.EMOJI, unseen.CURLY))
        return BulkScores(*out), Unseen(emoji, curly, sum(map(has_html, maybe)))

    def _scored(
        self, texts: pa.Array, progress: Progress | None
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.uint8]]:
        """[4, texts]; and what is in each text, as the bits of `unseen`."""
        out, seen = self._scored_as_they_are(texts, progress)
        rows = np.flatnonzero(seen)
        if self._scorer.normalizer is not None and len(rows):
            normalized = []
            for text in texts.take(pa.array(rows)).to_pylist():
                if progress is not None:
                    progress.check()
                normalized.append(self._scorer.normalizer.normalized(text))
            array = pa.array(normalized, pa.large_string())
            out[:, rows] = self._scored_as_they_are(array, progress)[0]
        return out, seen

    def _scored_as_they_are(
        self, texts: pa.Array, progress: Progress | None
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.uint8]]:
        """`_scored` as NLTK sees texts."""
        data, offsets = _buffers(texts)
        out = np.empty((4, len(texts)))
        undecided, seen = np.empty(len(texts), np.bool_), np.empty(len(texts), np.uint8)
        room = self._kernel.room_for(int(np.diff(offsets).max(initial=0)))
        self._kernel.score_batch(data, offsets, self._tables, room, out, undecided, seen)
        for row in np.flatnonzero(undecided):
            if progress is not None:
                progress.check()
            if texts[row].is_valid:
                text = texts[row].as_py()
                out[:, row], seen[row] = self._scorer.score_plain(text), unseen.kinds(text)
        if texts.null_count:
            is_null = texts.is_null().to_numpy(zero_copy_only=False)
            out[:, is_null], seen[is_null] = np.nan, 0
        return out, seen


def _buffers(texts: pa.Array) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """The bytes of all texts, and where each begins and ends."""
    if texts.type not in (pa.string(), pa.large_string()):
        raise TypeError(f"an array of {texts.type}; should be of string or large_string")
    _, offsets, data = texts.buffers()
    # An array without texts need not have buffers, and one without characters no bytes.
    found = np.frombuffer(data or b"", np.uint8)
    # numba would compile everything once more for bytes that can be written to.
    found.setflags(write=False)
    if not len(texts):
        return found, np.zeros(1, np.int64)
    kind = np.dtype(np.int32 if texts.type == pa.string() else np.int64)
    places = np.frombuffer(offsets, kind, len(texts) + 1, texts.offset * kind.itemsize)
    return found, places.astype(np.int64)
