"""The results of jobs: data sets, models, predictions, groups of scores."""

from jobyard.shared.registry.datasets import Dataset, add_dataset, take_turn
from jobyard.shared.registry.evaluations import ModelEvaluation, add_evaluation, evaluations
from jobyard.shared.registry.exports import ModelExport
from jobyard.shared.registry.models import BEST, Model, ModelAlias
from jobyard.shared.registry.predictions import (
    Place,
    Prediction,
    count_predictions,
    each_prediction,
    keep_predictions,
    read_predictions,
)
from jobyard.shared.registry.scores import ScoreGroup, keep_score_groups, score_groups
from jobyard.shared.registry.sources import DatasetSource, came_of, note_source
from jobyard.shared.registry.versions import (
    LATEST,
    LastVersion,
    Thing,
    Versioned,
    add,
    each,
    find,
    page,
    references,
)

__all__ = [
    "BEST",
    "LATEST",
    "Dataset",
    "DatasetSource",
    "LastVersion",
    "Model",
    "ModelAlias",
    "ModelEvaluation",
    "ModelExport",
    "Place",
    "Prediction",
    "ScoreGroup",
    "Thing",
    "Versioned",
    "add",
    "add_dataset",
    "add_evaluation",
    "came_of",
    "count_predictions",
    "each",
    "each_prediction",
    "evaluations",
    "find",
    "keep_predictions",
    "keep_score_groups",
    "note_source",
    "page",
    "read_predictions",
    "references",
    "score_groups",
    "take_turn",
]
