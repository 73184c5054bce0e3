"""All tables: importing this is what makes the metadata whole."""

from shared.catalog import Dataset, LastVersion, Model, ModelAlias, Prediction, ScoreGroup
from shared.database import Base
from shared.jobs import Job, JobEvent
from shared.metrics import Metric
from shared.queues import Worker
from shared.retention import JobInput
from shared.storage import File

metadata = Base.metadata

__all__ = [
    "Dataset",
    "File",
    "Job",
    "JobEvent",
    "JobInput",
    "LastVersion",
    "Metric",
    "Model",
    "ModelAlias",
    "Prediction",
    "ScoreGroup",
    "Worker",
    "metadata",
]
