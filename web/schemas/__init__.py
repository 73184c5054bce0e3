"""The answers of the API as pydantic models, from which its OpenAPI is generated."""

from jobyard.web.schemas.base import API, TRUNCATED, Moment, Out, Page, rfc3339
from jobyard.web.schemas.files import File, FilesTotal, Upload, Uploads
from jobyard.web.schemas.jobs import (
    COMPUTED,
    Computed,
    Event,
    Job,
    JobError,
    Kind,
    LogPiece,
    Progress,
    Submitted,
    Usage,
)
from jobyard.web.schemas.many import Moved, Refused, RefusedJob
from jobyard.web.schemas.metrics import ComparedJob, ComparedPoint, Comparison, Metric
from jobyard.web.schemas.operations import (
    Failures,
    Outcomes,
    Queue,
    QueueOwner,
    Retried,
    Setbacks,
    Worker,
    WorkersJob,
)
from jobyard.web.schemas.previews import FilePreview
from jobyard.web.schemas.registry import Dataset, Model, ModelCard, ModelEvaluation, ModelExport
from jobyard.web.schemas.results import Prediction, Predictions, ScoredRow, ScoredRows, ScoreGroup
from jobyard.web.schemas.tokens import AuditEntry, NewToken, Token

__all__ = [
    "API",
    "COMPUTED",
    "TRUNCATED",
    "AuditEntry",
    "ComparedJob",
    "ComparedPoint",
    "Comparison",
    "Computed",
    "Dataset",
    "Event",
    "Failures",
    "File",
    "FilePreview",
    "FilesTotal",
    "Job",
    "JobError",
    "Kind",
    "LogPiece",
    "Metric",
    "Model",
    "ModelCard",
    "ModelEvaluation",
    "ModelExport",
    "Moment",
    "Moved",
    "NewToken",
    "Out",
    "Outcomes",
    "Page",
    "Prediction",
    "Predictions",
    "Progress",
    "Queue",
    "QueueOwner",
    "Refused",
    "RefusedJob",
    "Retried",
    "ScoreGroup",
    "ScoredRow",
    "ScoredRows",
    "Setbacks",
    "Submitted",
    "Token",
    "Upload",
    "Uploads",
    "Usage",
    "Worker",
    "WorkersJob",
    "rfc3339",
]
