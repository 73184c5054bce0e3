"""Which version of a model is `name@best`: the one of which most is known to be right, on the same pictures.

Accuracies on different data say nothing about each other, and those on few pictures little. So versions are
compared by evaluations on one set of pictures only, and by the lower end of the accuracy's 95 % interval.
"""

import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session

from jobyard.shared.database import Base
from jobyard.shared.registry.datasets import Dataset
from jobyard.shared.registry.evaluations import ModelEvaluation

# What says on which pictures a model was judged: equal for the same ones only.
Pictures = tuple[object, ...]


class _Version(NamedTuple):
    """What a comparison needs of a model. `sha256` is that of the data that it was trained on."""

    id: uuid.UUID
    name: str
    version: int
    dataset_id: uuid.UUID | None
    sha256: str | None
    validation_split: float | None
    seed: int | None
    split: str | None
    pictures: int | None
    accuracy: float | None
    low: float | None
    validated: float | None


class _Judgement(NamedTuple):
    """An evaluation: on which pictures, how many, and the lower end of the accuracy's interval."""

    pictures: Pictures
    size: int
    low: float
    version: _Version


def best_of(session: Session, names: Iterable[str]) -> dict[str, uuid.UUID]:
    """The id of the best version of each of these names.

    Compared are the versions that were judged on the same pictures: those on which the most versions were, of
    several such sets the one of the newest version, and of its sets the one with the most pictures. Where
    no accuracy is known it is the newest version.
    """
    versions = {found.id: found for found in _versions(session, set(names))}
    newest: dict[str, _Version] = {}
    judged: dict[str, dict[Pictures, dict[uuid.UUID, _Judgement]]] = defaultdict(lambda: defaultdict(dict))
    for found in versions.values():
        newest[found.name] = max(found, newest.get(found.name, found), key=lambda one: one.version)
    for judgement in _judgements(session, versions):
        version = judgement.version
        judged[version.name][judgement.pictures][version.id] = judgement
    best = {name: version.id for name, version in newest.items()}
    for name, by_pictures in judged.items():
        comparable = max(by_pictures.values(), key=_weight)
        best[name] = max(comparable.values(), key=lambda one: (one.low, one.version.version)).version.id
    return best


def _weight(comparable: dict[uuid.UUID, _Judgement]) -> tuple[int, int, int]:
    """How many versions were judged on the same pictures, the newest of them, and how many pictures it is."""
    found = comparable.values()
    return len(found), max(one.version.version for one in found), max(one.size for one in found)


def _versions(session: Session, names: set[str]) -> list[_Version]:
    models = Base.metadata.tables["models"].c  # the class itself asks for its best
    query = sa.select(
        models.id,
        models.name,
        models.version,
        models.dataset_id,
        models.card[("data", "sha256")].as_string(),
        models.card[("spec", "validation_split")].as_float(),
        models.card[("spec", "seed")].as_integer(),
        models.card[("evaluation", "split")].as_string(),
        models.card[("evaluation", "pictures")].as_integer(),
        models.card[("evaluation", "accuracy")].as_float(),
        models.card[("evaluation", "accuracy_interval", 0)].as_float(),
        models.metrics[("best", "val_accuracy")].as_float(),
    ).where(models.name.in_(names))
    return [_Version._make(row) for row in session.execute(query)]


def _judgements(session: Session, versions: dict[uuid.UUID, _Version]) -> Iterator[_Judgement]:
    """The evaluations of these versions by their trainings, then those by jobs, the newest last."""
    own = _with_own_validation(session, {found.sha256 for found in versions.values()})
    for found in versions.values():
        accuracy = found.validated if found.accuracy is None else found.accuracy
        low = accuracy if found.low is None else found.low
        if low is None:
            continue
        count = found.pictures or 0
        if found.sha256 is None or found.split is None:  # of a training that noted less
            yield _Judgement(("training", found.dataset_id), count, low, found)
        else:
            yield _Judgement(_pictures(found, found.sha256, found.split, count, own), count, low, found)
    theirs = ModelEvaluation.model_id.in_(list(versions))
    for one in session.scalars(sa.select(ModelEvaluation).where(theirs).order_by(ModelEvaluation.id)):
        found = versions[one.model_id]
        if one.split in ("train", "all") and one.dataset_sha256 == found.sha256:
            continue  # it knows these pictures
        pictures = _pictures(found, one.dataset_sha256, one.split, one.pictures, own)
        yield _Judgement(pictures, one.pictures, one.accuracy_low, found)


def _pictures(version: _Version, sha256: str, split: str, count: int, own: set[str]) -> Pictures:
    """Which pictures of the data of that content: those held out depend on the version's training."""
    if split != "validation" or sha256 != version.sha256 or sha256 in own:
        return sha256, split, count
    return sha256, split, count, version.validation_split, version.seed


def _with_own_validation(session: Session, contents: set[str | None]) -> set[str]:
    """Those contents of data sets that have a `validation/` of their own."""
    has_own = Dataset.classes["validation"].as_string().is_not(None)
    return set(session.scalars(sa.select(Dataset.sha256).where(Dataset.sha256.in_(contents), has_own)))
