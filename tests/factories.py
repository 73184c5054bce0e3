"""Test data, in one place: jobs and claims, data sets, models, files, pictures.

Each takes what a test is about and fills in the rest.
"""

import datetime
import io
import random
import tarfile
import uuid
import zipfile
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import sqlalchemy as sa
from PIL import Image, ImageDraw
from sqlalchemy.orm import Session

from jobyard.shared import jobs, metrics, registry, storage
from jobyard.shared.database import Database
from jobyard.shared.jobs import Claim, Job, Request, State
from jobyard.shared.registry import Dataset, Model

if TYPE_CHECKING:
    from flask.testing import FlaskClient

LONG_AGO = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
NEVER = datetime.datetime(2999, 1, 1, tzinfo=datetime.UTC)
# A socket that nobody listens on: what is sent there fails at once.
NO_BROKER = "redis+socket:///nonexistent/redis.sock"
QUEUES = {
    "train": "gpu",
    "predict": "predict",
    "evaluate": "predict",
    "register": "predict",
    "export": "predict",
}


class Stores(Protocol):
    """What has a database and a storage: the server's backend, a worker's context."""

    database: Database
    storage: storage.Storage


def storage_of(database: Database) -> storage.Storage:
    """The storage of this database, in this process' memory."""
    name = uuid.uuid5(uuid.NAMESPACE_URL, str(database.engine.url))
    return storage.Storage(f"memory://storage-{name}", database)


# ---- jobs


def a_request(kind: str = "sentiment", **changes: Any) -> Request:
    """For a job in the queue of its kind."""
    given: dict[str, Any] = {
        "queue": QUEUES.get(kind, "cpu"),
        "spec": {"texts": ["one"]} if kind == "sentiment" else {},
        "priority": 5,
        "max_attempts": 3,
    }
    return Request(kind=kind, **(given | changes))


def submit(session: Session, *, kind: str = "sentiment", **changes: Any) -> Job:
    """A queued job."""
    return jobs.submit(session, **vars(a_request(kind, **changes)))[0]


def new_jobs(database: Database, count: int, **changes: Any) -> list[uuid.UUID]:
    """The ids of so many jobs that were just submitted, in their order."""
    with database.write() as session:
        made = jobs.submit_many(session.connection(), [a_request(**changes)] * count)
    return [one.id for one in made]


def new_job(database: Database, **changes: Any) -> uuid.UUID:
    """The id of a job that was just submitted."""
    with database.write() as session:
        return submit(session, **changes).id


def get_job(database: Database, job_id: uuid.UUID) -> Job:
    with database.read() as session:
        return jobs.get(session, job_id)


def get_children(database: Database, job_id: uuid.UUID) -> list[Job]:
    with database.read() as session:
        return jobs.children(session, job_id)


def states_of(database: Database, job_id: uuid.UUID) -> list[str]:
    """The states that its timeline tells."""
    with database.read() as session:
        return [event.state for event in jobs.events(session, job_id)]


def change_job(database: Database, job_id: uuid.UUID, **values: Any) -> None:
    """Straight SQL, past the verbs."""
    change(database, Job, Job.id == job_id, **values)


def change(database: Database, table: Any, where: Any, **values: Any) -> None:
    """Straight SQL on the rows of any table."""
    with database.write() as session:
        session.execute(sa.update(table.__table__).where(where).values(**values))


def steps_of(database: Database, job_id: uuid.UUID) -> list[int]:
    """The steps of its metrics."""
    with database.read() as session:
        return [row.step for row in metrics.history(session, job_id)]


def rename_table(database: Database, source: str, target: str) -> None:
    """Take a table away, or bring it back."""
    with database.engine.begin() as connection:
        connection.execute(sa.text(f"ALTER TABLE {source} RENAME TO {target}"))


# ---- claims


def claim(
    session: Session, job_id: uuid.UUID, *, worker: str = "w", lease_seconds: float = 30.0
) -> Claim | None:
    """Claim this very job if any worker could; the others of its queue stand back for the moment."""
    table = Job.__table__
    queue = session.scalar(sa.select(table.c.queue).where(table.c.id == job_id))
    if queue is None:
        return None
    others = session.execute(
        sa.select(table.c.id, table.c.available_at).where(
            table.c.queue == queue, table.c.state == State.QUEUED, table.c.id != job_id
        )
    ).all()
    for other in others:
        session.execute(sa.update(table).where(table.c.id == other.id).values(available_at=NEVER))
    found = jobs.claim(session, queue, worker=worker, lease_seconds=lease_seconds)
    for other in others:
        session.execute(
            sa.update(table).where(table.c.id == other.id).values(available_at=other.available_at)
        )
    assert found is None or found.id == job_id
    return found


def claimed(
    database: Database, job_id: uuid.UUID, worker: str = "w", *, lease_seconds: float = 30.0
) -> Claim:
    """The claim of this job, which some worker could claim."""
    with database.write() as session:
        found = claim(session, job_id, worker=worker, lease_seconds=lease_seconds)
    assert found is not None
    return found


def slow_front(session: Session, queue: str = "cpu") -> jobs.Front:
    """Of a process whose look at the whole queue took a second, and found a job, which it claimed."""
    found = jobs.claim(session, queue, worker="slow", lease_seconds=30.0)
    assert found is not None
    front = jobs.Front()
    priority = jobs.get(session, found.id).priority
    front.looked_at_all(1.0, SimpleNamespace(id=found.id, priority=priority, outdated=200_000))
    assert front.is_slow
    return front


# ---- the registry and the storage


def dataset(name: str = "pets", **changes: Any) -> Dataset:
    """A data set's row, not added yet."""
    given: dict[str, Any] = {
        "classes": {"train": {"cats": 2, "dogs": 3}, "validation": {"cats": 1, "dogs": 1}},
        "pictures": 7,
        "rejected": [],
        "rejected_count": 0,
        "storage_key": f"datasets/{uuid.uuid4()}",
        "bytes": 1,
        "sha256": "0" * 64,
    }
    return Dataset(name=name, **(given | changes))


def model(name: str = "pets", **changes: Any) -> Model:
    """A model's row, not added yet."""
    given: dict[str, Any] = {
        "network": "classic",
        "classes": ["cats", "dogs"],
        "image_size": 150,
        "metrics": {},
        "storage_key": f"models/{uuid.uuid4()}",
        "bytes": 1,
        "sha256": "0" * 64,
    }
    return Model(name=name, **(given | changes))


def register(database: Database, thing: registry.Thing) -> registry.Thing:
    """Add a data set or a model as the next version of its name."""
    with database.write() as session:
        return registry.add(session, thing)


def put_file(
    stores: Stores,
    name: str,
    content: bytes | Path,
    *,
    job_id: uuid.UUID | None = None,
    media_type: str = "application/octet-stream",
) -> storage.File:
    """An upload, or an artifact of a job, in the storage and in SQL."""
    if isinstance(content, Path):
        stored = stores.storage.put_file("files", content)
    else:
        stored = stores.storage.put("files", io.BytesIO(content))
    with stores.database.write() as session:
        return storage.add_file(session, stored, name=name, media_type=media_type, job_id=job_id)


# ---- over HTTP


def post_job(api: "FlaskClient", **body: Any) -> str:
    """The id of a job that was submitted: of one text, if nothing else is said."""
    response = api.post("/api/v1/jobs", json={"kind": "sentiment", "spec": {"texts": ["one"]}} | body)
    assert response.status_code == 202, response.text
    found: str = response.json["id"]
    return found


def post_file(api: "FlaskClient", content: bytes, name: str = "file.txt") -> dict[str, Any]:
    """What the server says of an upload."""
    response = api.post("/api/v1/files", data={"file": (io.BytesIO(content), name)})
    assert response.status_code == 201, response.text
    found: dict[str, Any] = response.json
    return found


# ---- pictures and archives


def encode(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    """An image's file."""
    target = io.BytesIO()
    image.save(target, kind, **options)
    return target.getvalue()


def picture(colour: str = "red", size: tuple[int, int] = (20, 10), kind: str = "PNG") -> bytes:
    """The file of a small picture of one colour."""
    return encode(Image.new("RGB", size, colour), kind)


def draw(path: Path, kind: str, size: int = 64, seed: int = 0) -> Path:
    """A disc or a square, somewhere, in some colour."""
    chance = random.Random(f"{kind}{seed}")
    image = Image.new("RGB", (size, size), tuple(chance.randrange(90) for _ in range(3)))
    left, top = (chance.randrange(size // 3) for _ in range(2))
    box = (left, top, left + size // 2, top + size // 2)
    colour = tuple(chance.randrange(150, 256) for _ in range(3))
    pen = ImageDraw.Draw(image)
    (pen.ellipse if kind == "discs" else pen.rectangle)(box, fill=colour)
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)
    return path


def draw_dataset(folder: Path, per_class: int = 24, size: int = 64) -> Path:
    """`folder/discs/*.png` and `folder/squares/*.png`."""
    for kind in ("discs", "squares"):
        for index in range(per_class):
            draw(folder / kind / f"{index:03}.png", kind, size, index)
    return folder


COLOURS = {"blue": (100, 120, 150), "green": (100, 150, 120), "red": (150, 120, 100)}


def draw_noise(path: Path, colour: tuple[int, int, int], seed: int) -> None:
    """A noisy picture of about that colour."""
    noise = np.random.default_rng(seed).integers(-100, 100, (24, 36, 3))
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray((np.array(colour) + noise).clip(0, 255).astype(np.uint8)).save(path)


def draw_colours(
    folder: Path, classes: list[str], train: int = 20, validation: int = 0, colour: str | None = None
) -> Path:
    """`folder/train` (and `folder/validation`) with noisy pictures of each class, of its colour."""
    for number, name in enumerate(classes):
        for index in range(train + validation):
            part = "train" if index < train else "validation"
            seed = 1000 * number + index
            draw_noise(folder / part / name / f"{index:03}.png", COLOURS[colour or name], seed)
    return folder


def zipped(files: Mapping[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    """A zip archive of these files."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return target.getvalue()


def tarred(files: Mapping[str, bytes], mode: str = "w") -> bytes:
    """A tar archive of these files, in a mode of `tarfile.open`."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode=mode) as archive:  # type: ignore[call-overload]
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return target.getvalue()


def zipped_dataset() -> bytes:
    """A zip with two classes of one picture each."""
    return zipped({f"{kind}/1.png": picture("black", (8, 8)) for kind in ("discs", "squares")})
