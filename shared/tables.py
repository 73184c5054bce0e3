"""All tables: importing this is what makes the metadata whole."""

from jobyard.shared.audit import AuditEntry
from jobyard.shared.database import Base
from jobyard.shared.jobs import (
    Job,
    JobBrief,
    JobCount,
    JobEvent,
    JobLog,
    JobTally,
    JobTerm,
    JobTotal,
    SweepMark,
)
from jobyard.shared.logins import Login
from jobyard.shared.metrics import Metric
from jobyard.shared.needs import JobInput, JobReference
from jobyard.shared.outcomes import OutcomeCount
from jobyard.shared.queue_controls import QueueControl
from jobyard.shared.registrations import Worker
from jobyard.shared.registry import (
    Dataset,
    LastVersion,
    Model,
    ModelAlias,
    ModelEvaluation,
    ModelExport,
    Prediction,
    ScoreGroup,
)
from jobyard.shared.storage import File, FileTotal, PendingKey, StorageIdentity
from jobyard.shared.sweeper_actions import SweeperAction
from jobyard.shared.tokens import Token
from jobyard.shared.webhooks.tables import Delivery, Webhook

metadata = Base.metadata

__all__ = [
    "AuditEntry",
    "Dataset",
    "Delivery",
    "File",
    "FileTotal",
    "Job",
    "JobBrief",
    "JobCount",
    "JobEvent",
    "JobInput",
    "JobLog",
    "JobReference",
    "JobTally",
    "JobTerm",
    "JobTotal",
    "LastVersion",
    "Login",
    "Metric",
    "Model",
    "ModelAlias",
    "ModelEvaluation",
    "ModelExport",
    "OutcomeCount",
    "PendingKey",
    "Prediction",
    "QueueControl",
    "ScoreGroup",
    "StorageIdentity",
    "SweepMark",
    "SweeperAction",
    "Token",
    "Webhook",
    "Worker",
    "metadata",
]
