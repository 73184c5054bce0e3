"""Where a process found the last job of a queue, so that it need not look at all that came before.

PostgreSQL keeps an index entry of each job that was in the queue for as long as any open transaction might
still see the job there: a look from the front passes them one by one, and 200,000 take it 150 milliseconds.
"""

import math
import time
import uuid
from typing import Any, Final

PRIORITIES: Final = range(9, -1, -1)

# A look is slow if it takes longer than so many of the quickest that this process has seen; that is taken to
# be so long at least, and before the first one.
SLOW: Final = 3.0
QUICK_SECONDS: Final = 0.001
# And only where the table has so many versions of rows that are out of date: else the machine was busy.
MANY: Final = 1_000
# Looks at the whole front take at most one part in so many of the time, and are at most so far apart.
SHARE: Final = 10.0
LONGEST_SECONDS: Final = 10.0
# Ids are made in the order of time, but jobs so close to each other may be committed in another one.
MARGIN_MILLISECONDS: Final = 5_000

_BEFORE_ALL: Final = uuid.UUID(int=0)


class Front:
    """Of one queue, as one process knows it: after which id of each priority ready jobs begin.

    A job that comes back with an old id lies before that, and so does one from a clock that is slow: only a
    look at the whole front finds them. While such looks are quick, each is one.
    """

    def __init__(self) -> None:
        self.after: dict[str, uuid.UUID] = {}
        # Whose job was claimed last, and whether others' jobs waited then.
        self.owner = ""
        self.is_shared = False
        self.is_slow = False
        # Whether the queue had a limit of running jobs, or anybody a quota, when it was last looked at.
        self.is_limited = False
        self._quickest = math.inf
        self._due_at = 0.0

    @property
    def is_due(self) -> bool:
        """Whether the whole front should be looked at before the next job is claimed."""
        return not self.is_slow or time.monotonic() >= self._due_at

    def looked_at_all(self, seconds: float, row: Any) -> None:
        """A claim that began at the front took so long; its row, if any, says how much is `outdated`."""
        self._due_at = time.monotonic() + min(SHARE * seconds, LONGEST_SECONDS)
        quick = QUICK_SECONDS if math.isinf(self._quickest) else max(self._quickest, QUICK_SECONDS)
        self._quickest = min(self._quickest, seconds)
        is_long = self.is_slow if row is None else row.outdated > MANY
        self.is_slow = is_long and seconds > SLOW * quick
        if self.is_slow and row is not None:
            self.after = {parameter(each): _BEFORE_ALL for each in PRIORITIES} | {
                parameter(row.priority): row.id
            }

    def looked_after(self, seconds: float, row: Any) -> None:
        """A claim that began after `after` took so long; its row, if any, has the `newest` id of all jobs."""
        self._quickest = min(self._quickest, seconds)
        if row is None:
            return
        for higher in range(row.priority + 1, PRIORITIES[0] + 1):
            name = parameter(higher)
            self.after[name] = max(self.after[name], _somewhat_before(row.newest))
        self.after[parameter(row.priority)] = row.id


def parameter(priority: int) -> str:
    """What the statement calls the id after which it looks for jobs of a priority."""
    return f"after_{priority}"


def _somewhat_before(job_id: uuid.UUID) -> uuid.UUID:
    """An id of version 7 begins with its milliseconds, in 48 bits."""
    milliseconds = (job_id.int >> 80) - MARGIN_MILLISECONDS
    return uuid.UUID(int=max(milliseconds, 0) << 80)
