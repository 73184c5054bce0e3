"""Jobs: their states, and every change of a state, as one verb each.

A change is a guarded update (`transitions`) and leaves a row in the job's timeline. Verbs take a session
of `Database.write()` and leave the commit to the caller. This is the package's door: nothing outside
imports its modules.
"""

from jobyard.shared.jobs.attempts import BACKOFF_SECONDS
from jobyard.shared.jobs.briefs import WHOLE_BYTES, Brief, JobBrief, brief_of, is_listed_whole, restore
from jobyard.shared.jobs.claims import Claim, claim
from jobyard.shared.jobs.counts import (
    EXACT_COUNTS,
    Count,
    JobCount,
    count_by_state,
    count_queued,
    keep_counts,
    oldest_wait_seconds,
    recount,
    total,
)
from jobyard.shared.jobs.deletion import NOT_FOUND, Deletable, Refusal, delete_locked, lock_deletable
from jobyard.shared.jobs.edits import MAX_LABELS, Edit, edit
from jobyard.shared.jobs.families import settle, split
from jobyard.shared.jobs.fields import Field, Shown
from jobyard.shared.jobs.fronts import Front
from jobyard.shared.jobs.insertion import Request
from jobyard.shared.jobs.maintenance import count_claimable, count_ready, expire, forget_checkpoints, rescue
from jobyard.shared.jobs.outbox import tell_of_long_waits
from jobyard.shared.jobs.owner import cancel, pause, resume, retry
from jobyard.shared.jobs.positions import EXACT_POSITIONS, FAR_POSITION
from jobyard.shared.jobs.progress import Progress
from jobyard.shared.jobs.reads import (
    RunningJob,
    children,
    digests,
    events,
    get,
    last_events,
    listed,
    needed_by_parent,
    page,
    page_of_ids,
    running,
)
from jobyard.shared.jobs.snapshots import (
    JobSnapshot,
    JobVersion,
    in_a_list,
    read_if_ended,
    read_snapshot,
    read_snapshots,
    read_version,
    snapshots_of_new,
    why_waiting,
)
from jobyard.shared.jobs.stalls import STALLED, note_stall, note_steps, restart
from jobyard.shared.jobs.states import GLOSS, MOVES, TERMINAL, VERBS, Move, State
from jobyard.shared.jobs.submission import Submitted, repeat_of, repeats_of, submit, submit_each, submit_many
from jobyard.shared.jobs.tables import FIELDS, Job, JobEvent
from jobyard.shared.jobs.usage import Usage
from jobyard.shared.jobs.worker import (
    drop_checkpoint,
    fail,
    finish_cancel,
    heartbeat,
    keep_checkpoint,
    keep_for_parent,
    note_phase,
    postpone,
    release,
    succeed,
    succeed_alone,
)

__all__ = [
    "BACKOFF_SECONDS",
    "EXACT_COUNTS",
    "EXACT_POSITIONS",
    "FAR_POSITION",
    "FIELDS",
    "GLOSS",
    "MAX_LABELS",
    "MOVES",
    "NOT_FOUND",
    "STALLED",
    "TERMINAL",
    "VERBS",
    "WHOLE_BYTES",
    "Brief",
    "Claim",
    "Count",
    "Deletable",
    "Edit",
    "Field",
    "Front",
    "Job",
    "JobBrief",
    "JobCount",
    "JobEvent",
    "JobSnapshot",
    "JobVersion",
    "Move",
    "Progress",
    "Refusal",
    "Request",
    "RunningJob",
    "Shown",
    "State",
    "Submitted",
    "Usage",
    "brief_of",
    "cancel",
    "children",
    "claim",
    "count_by_state",
    "count_claimable",
    "count_queued",
    "count_ready",
    "delete_locked",
    "digests",
    "drop_checkpoint",
    "edit",
    "events",
    "expire",
    "fail",
    "finish_cancel",
    "forget_checkpoints",
    "get",
    "heartbeat",
    "in_a_list",
    "is_listed_whole",
    "keep_checkpoint",
    "keep_counts",
    "keep_for_parent",
    "last_events",
    "listed",
    "lock_deletable",
    "needed_by_parent",
    "note_phase",
    "note_stall",
    "note_steps",
    "oldest_wait_seconds",
    "page",
    "page_of_ids",
    "pause",
    "postpone",
    "read_if_ended",
    "read_snapshot",
    "read_snapshots",
    "read_version",
    "recount",
    "release",
    "repeat_of",
    "repeats_of",
    "rescue",
    "restart",
    "restore",
    "resume",
    "retry",
    "running",
    "settle",
    "snapshots_of_new",
    "split",
    "submit",
    "submit_each",
    "submit_many",
    "succeed",
    "succeed_alone",
    "tell_of_long_waits",
    "total",
    "why_waiting",
]
