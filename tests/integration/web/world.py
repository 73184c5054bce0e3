"""A browser without a screen, and jobs of every kind in every state for it to look at."""

import io
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from jobyard.shared import jobs, kinds, metrics, registry, storage
from jobyard.shared.archives.members import printable
from jobyard.shared.errors import NotFound
from jobyard.shared.jobs import Job
from jobyard.shared.kinds.base import Kind, Spec
from jobyard.shared.kinds.evaluate import EvaluateSpec
from jobyard.shared.kinds.imports import ImportSpec
from jobyard.shared.kinds.predict import PredictSpec
from jobyard.shared.kinds.register import IMPORTED, RegisterSpec
from jobyard.shared.kinds.sentiment import SentimentSpec
from jobyard.shared.kinds.train import TrainSpec
from jobyard.shared.needs import Needs, note
from jobyard.shared.texts import encodable
from jobyard.web.backend import Backend
from jobyard.web.services.references import TABLES
from tests import factories
from tests.factories import claim, picture, put_file, register, submit, zipped
from tests.integration.web.scored import parquet, scored_table

# What must never reach a page as it is.
HOSTILE = '<script>alert("x")</script>'
HTML = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
EPOCH = {"epoch": 1, "loss": 0.5, "accuracy": 0.75, "val_loss": 0.625, "val_accuracy": 0.6875}
SCORE = {"precision": 0.5, "recall": 0.25, "f1": 0.3333, "support": 4}
SCORES = {"neg": 0.0, "neu": 0.5, "pos": 0.5, "compound": 0.6369, "label": "positive"}
LABELS = {"positive": 2, "neutral": 1, "negative": 1}
STATES = ("queued", "running", "cancelling", "succeeded", "failed", "cancelled")
KINDS = (
    "train",
    "predict",
    "predict-dataset",
    "predict-archive",
    "evaluate",
    "texts",
    "file",
    "import",
    "register",
)


@dataclass
class Page(HTMLParser):
    """What a test asks of a page: its text, and the addresses and scripts in it."""

    text: str
    addresses: list[str] = field(default_factory=list)
    inline: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        self.addresses += [
            str(given[name]) for name in ("href", "src", "action", "data-source") if name in given
        ]
        if (tag == "script" and "src" not in given) or tag == "style":
            self.inline.append(f"<{tag}>")
        self.inline += [name for name in given if name == "style" or name.startswith("on")]


def browser(app: Flask) -> FlaskClient:
    """Logged in by the link, as a person is; sends the Origin with its forms."""
    client = app.test_client()
    client.environ_base["HTTP_ACCEPT"] = HTML
    client.environ_base["HTTP_ORIGIN"] = "http://localhost"
    token = app.extensions["jobyard"].token
    assert client.get(f"/login?token={token}").status_code == 302
    return client


def requests(app: Flask) -> Iterator[tuple[str, str, str]]:
    """(endpoint, method, address) of everything that the app answers."""
    samples = {"UUIDConverter": uuid.uuid4(), "IntegerConverter": 1}
    for rule in app.url_map.iter_rules():
        given = {
            name: samples.get(type(converter).__name__, "x") for name, converter in rule._converters.items()
        }
        with app.test_request_context():
            built = rule.build(given)
        assert built is not None
        for method in sorted(rule.methods or ()):
            yield rule.endpoint, method, built[1]


@dataclass
class World:
    """Puts rows where workers would put them, by the verbs that workers use."""

    backend: Backend
    hostile: str = HOSTILE

    @property
    def classes(self) -> dict[str, dict[str, int]]:
        return {"train": {"cats": 4, self.hostile: 4}, "validation": {"cats": 2, self.hostile: 2}}

    def file(self, name: str, content: bytes, job_id: uuid.UUID | None = None) -> storage.File:
        return put_file(self.backend, name, content, job_id=job_id, media_type="image/png")

    def dataset(self, job_id: uuid.UUID | None = None) -> registry.Dataset:
        files = {"train/cats/1.png": picture(), "train/cats/2.svg": b"<svg onload='alert(1)'/>"}
        stored = self.backend.storage.put("datasets", io.BytesIO(zipped(files)))
        places = ["train/cats/1.png", f"validation/dogs/{self.hostile}.png"]
        report = {
            "width": {"min": 8, "median": 12.5, "max": 5000},
            "height": {"min": 9, "median": 99.0, "max": 999},
            "shorter_side": {"edges": [1, 32, 64], "counts": [10, 2]},
            "formats": {"PNG": 11, "JPEG": 1},
            "duplicates": [places],
            "duplicates_count": 250,
            "leaks": [{"picture": places[1], "same_as": places[0]}],
            "leaks_count": 150,
            "conflicts": [places],
            "conflicts_count": 1,
            "noted": [{"file": f"{self.hostile}.png", "note": "is a JPEG, but is called .png"}],
            "noted_count": 3,
            "imbalance": 2.5,
            "warnings": [f"150 pictures of validation are in train too: {self.hostile}"],
        }
        rejected = [{"file": f"cats/{self.hostile}.jpg", "reason": "not a picture"}]
        dataset = factories.dataset(
            job_id=job_id,
            classes=self.classes,
            pictures=12,
            rejected=rejected,
            rejected_count=70,
            report=report,
            storage_key=stored.key,
            bytes=stored.bytes,
            sha256=stored.sha256,
        )
        return register(self.backend.database, dataset)

    def model(
        self, job_id: uuid.UUID | None = None, dataset_id: uuid.UUID | None = None, **changes: Any
    ) -> registry.Model:
        file = self.file("model.keras", b"weights", job_id)
        given = {"metrics": {"final": EPOCH, "best": EPOCH}} | changes
        model = factories.model(
            job_id=job_id,
            dataset_id=dataset_id,
            classes=["cats", self.hostile],
            image_size=64,
            **given,
            storage_key=file.storage_key,
            bytes=file.bytes,
            sha256=file.sha256,
        )
        return register(self.backend.database, model)

    def job(self, kind: str, state: str) -> Job:
        """A job of one of KINDS in one of STATES."""
        job = self._submit(kind)
        if state == "queued":
            return job
        if state == "cancelled":
            with self.backend.database.write() as session:
                return jobs.cancel(session, job.id)
        with self.backend.database.write() as session:
            claimed = claim(session, job.id, worker="w@host/1", lease_seconds=60)
            assert claimed is not None
            progress = jobs.Progress(f"work {self.hostile}", 37, 100, "batches", 83.0)
            usage = jobs.Usage(1, 500_000_000, 8_000_000_000, 1_250_000_000, 71.5, self.hostile, 3.5, 10**10)
            held = jobs.heartbeat(
                session,
                job.id,
                claimed.lease,
                lease_seconds=60,
                progress=progress,
                usage=usage.after(None),
            )
            assert held is not None
            printed = f"a line of {self.hostile}\n".replace("\0", "")
            jobs.write_output(session, job.id, 1, [jobs.Piece(0, printed)])
            used = ("memory_bytes", "cpu_cores", "gpu_busy", "gpu_memory_bytes")
            metrics.write(
                session, job.id, [metrics.Point(f"{metrics.SYSTEM}{name}", 5, 1e9) for name in used]
            )
            jobs.note_phase(session, held)
            if state == "cancelling":
                return jobs.cancel(session, job.id)
            if state == "failed":
                jobs.fail(
                    session,
                    job.id,
                    claimed.lease,
                    error_type="WorkError",
                    message=f"no column {self.hostile}",
                    traceback=f"Traceback of {self.hostile}",
                )
        if state == "succeeded":
            result = self._result(kind, job)
            with self.backend.database.write() as session:
                assert jobs.succeed(session, job.id, claimed.lease, result)
        with self.backend.database.read() as session:
            return jobs.get(session, job.id)

    def _submit(self, kind: str) -> Job:
        spec = self._spec(kind)
        declared = kinds.of(spec)
        with self.backend.database.write() as session:
            job = submit(session, kind=declared.name, spec=spec.model_dump(mode="json"))
            note(session.connection(), [(job.id, Needs(referents=self._named(session, declared, spec)))])
        return job

    def _named(self, session: Session, kind: Kind[Any], spec: Spec) -> list[uuid.UUID]:
        """The ids of those of the data sets and models that the spec names that are there."""
        found: list[uuid.UUID] = []
        for reference in kind.references(spec):
            with suppress(NotFound):
                found.append(registry.find(session, TABLES[reference.noun], reference.name or "").id)
        return found

    def _spec(self, kind: str) -> Spec:
        match kind:
            case "train":
                return TrainSpec(dataset="pets@1")
            case "predict":
                ids = [self.file(f"{self.hostile}{index}.png", picture()).id for index in range(30)]
                return PredictSpec(model="pets@1", images=ids)
            case "predict-archive":
                return PredictSpec(model="pets@1", archive=self.file(f"{self.hostile}.zip", b"PK").id)
            case "predict-dataset":
                return PredictSpec(model="pets@1", dataset="pets@1")
            case "evaluate":
                return EvaluateSpec(model="pets@1", dataset="pets@1")
            case "texts":
                hostile = encodable(self.hostile)
                return SentimentSpec(texts=[f"{hostile} number {index}" for index in range(60)])
            case "file":
                return SentimentSpec(file=self.file(f"{self.hostile}.csv", b"text\nhi\n").id)
            case "register":
                file = self.file(f"{self.hostile}.keras", b"PK")
                return RegisterSpec(name="pets", file=file.id, classes=["cats", printable(self.hostile)])
        return ImportSpec(name="pets", file=self.file(f"{self.hostile}.zip", b"PK").id)

    def _result(self, kind: str, job: Job) -> dict[str, Any]:
        """What the workers leave behind for this kind, beside the result itself."""
        match kind:
            case "train":
                self._history(job)
                model = self.model(job.id)
                self.file("last.keras", b"weights", job.id)
                return {
                    "model": model.reference,
                    "metrics": model.metrics,
                    "evaluation": self._evaluation(),
                    "dataset": "pets@1",
                    "dataset_sha256": self.hostile,
                    "weights": "best",
                    "last": "last.keras",
                    "init_from": {"model": "pets@1", "head": "new"},
                    "class_weight": {"cats": 1.5, self.hostile: 0.25},
                    "monitor": "val_accuracy",
                    "epochs": 1,
                    "stopped_early": f"because {self.hostile}",
                    "timings": {"train_seconds": 75.0, "wall_seconds": 81.0, "compute_seconds": 140.0},
                    "environment": {"device": self.hostile, "processor": self.hostile, "cores": 2},
                }
            case "evaluate":
                model, dataset = self.model(), self.dataset()
                with self.backend.database.write() as session:
                    registry.add_evaluation(
                        session,
                        model_id=model.id,
                        dataset=dataset,
                        job_id=job.id,
                        split="validation",
                        pictures=8,
                        accuracy=0.9123,
                        accuracy_interval=[0.8012, 0.9655],
                        loss=0.25,
                    )
                return {
                    "model": model.reference,
                    "dataset": dataset.reference,
                    "dataset_sha256": self.hostile,
                    "evaluation": self._evaluation(),
                    "warnings": [f"{self.hostile} was trained on some of these pictures"],
                    "is_training_data": False,
                    "seconds": 1.5,
                }
            case "predict" | "predict-dataset" | "predict-archive":
                return self._predictions(job)
            case "texts":
                return {"count": 60, "labels": LABELS, "scores": [SCORES] * 60}
            case "file":
                hostile = encodable(self.hostile)
                table = scored_table(
                    {"text": [hostile, None, f"{hostile} is great"], hostile: [hostile] * 3},
                    [0.0, None, 0.6249],
                )
                self.file("scored.parquet", parquet(table), job.id)
                extremes = [{"row": 2, "text": self.hostile, "compound": 0.6249}]
                edges = [round(index / 20 - 1, 2) for index in range(41)]
                histogram = {"edges": edges, "counts": [*range(40)]}
                return {
                    "rows": 1234567,
                    "nulls": 3,
                    "skipped": 1234,
                    "labels": LABELS,
                    "mean": 0.25,
                    "std": 0.5,
                    "histogram": histogram,
                    "most_positive": extremes,
                    "most_negative": extremes,
                    "group_by": None,
                    "groups": None,
                    "errors": {"count": 1234, "first": [{"line": 2, "error": f"broken: {self.hostile}"}]},
                    "file": "scored.parquet",
                    "format": "parquet",
                    "column": "text",
                }
            case "register":
                return self._foreign_model(job)
        dataset = self.dataset(job.id)
        return {
            "dataset": dataset.reference,
            "classes": self.classes,
            "rejected": dataset.rejected,
            "rejected_count": 70,
            "warnings": (dataset.report or {})["warnings"],
        }

    def _foreign_model(self, job: Job) -> dict[str, Any]:
        # As the worker writes it: what is odd in names is replaced.
        hostile = printable(self.hostile)
        source = {
            "file": f"{hostile}.keras",
            "sha256": "0" * 64,
            "keras_version": hostile,
            "layers": 156,
            "parameters": 2_257_984,
            "precision": "float32",
            "rescale": f"the network's own: {hostile}",
            "head": "softmax, put at the end of a network of logits",
            "warnings": [f"the network ends without an activation: {hostile}"],
        }
        model = self.model(
            job.id, network=IMPORTED, metrics={}, card={"source": source, "outputs": "softmax"}
        )
        return {
            "model": model.reference,
            "sha256": model.sha256,
            "classes": model.classes,
            "image_size": model.image_size,
            "source": source,
            "environment": {"keras": "3.15.1", "tensorflow": "2.21.0", "python": "3.12.0"},
        }

    def _evaluation(self) -> dict[str, Any]:
        classes = ["cats", self.hostile]
        return {
            "accuracy": 0.9123,
            "loss": 0.25,
            "classes": classes,
            "confusion": [[3, 1], [2, 2]],
            "per_class": dict.fromkeys(classes, SCORE),
            "split": "validation",
            "pictures": 8,
            "accuracy_interval": [0.8012, 0.9655],
            "roc_auc": 0.8765,
            "roc": [[0.0, 0.0], [0.25, 0.5], [1.0, 1.0]],
            "calibration_error": 0.0432,
            "calibration": [{"low": 0.8, "high": 13 / 15, "count": 8, "confidence": 0.85, "accuracy": 0.75}],
            "mistakes": [
                {
                    "picture": "train/cats/1.png",
                    "class": "cats",
                    "predicted": self.hostile,
                    "probability": 0.9876,
                }
            ],
        }

    def _history(self, job: Job) -> None:
        names = ("loss", "accuracy", "val_loss", "val_accuracy")
        with self.backend.database.write() as session:
            metrics.write(session, job.id, [metrics.Point(name, 1, 0.5, 1) for name in names])

    def _predictions(self, job: Job) -> dict[str, Any]:
        count = len(job.spec["images"] or [1, 2])
        rows = [
            registry.Prediction(
                job_id=job.id,
                row=row,
                image=f"train/cats/{self.hostile}{row}.png",
                label=self.hostile if row else None,
                probability=1 - row / 100 if row else None,
                probabilities={self.hostile: 1 - row / 100, "cats": row / 100} if row else {},
                error=None if row else f"can't be decoded: {self.hostile}",
            )
            for row in range(count)
        ]
        with self.backend.database.write() as session:
            session.add_all(rows)
        labels = {"cats": 0, self.hostile: count - 1}
        return {"model": "pets@1", "count": count, "failed": 1, "labels": labels, "predictions": []}
