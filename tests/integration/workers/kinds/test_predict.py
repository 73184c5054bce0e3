"""Pictures of a data set, an archive or uploads in parts: predicted, counted, tidied up."""

import hashlib
import io
import signal
import tarfile
import uuid
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import pytest
import sqlalchemy as sa

from jobyard.shared import jobs, registry, storage
from jobyard.shared.database import Database, utcnow
from jobyard.shared.jobs import Job
from jobyard.shared.pictures import UNKNOWN
from jobyard.workers import kinds
from jobyard.workers.kinds import predict
from jobyard.workers.kinds.open_zip import open_zip
from jobyard.workers.networks import building
from jobyard.workers.prediction import archives
from jobyard.workers.runtime.attempt import Attempt, Finish, Split
from jobyard.workers.runtime.context import Context
from tests import factories
from tests.factories import draw, get_children, get_job, new_job, put_file, register
from tests.workers import exit_code_of, make_context, run_queue, run_queue_until_killed, work_until_stopped

COUNT = 23
PART = 5
SIZE = 32
CLASSES = ["discs", "squares"]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(predict, "PART_PICTURES", PART)
    yield
    open_zip.close()


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained network, saved as a training saves it."""
    keras.utils.set_random_seed(3)
    path = tmp_path_factory.mktemp("network") / "model.keras"
    building.build("classic", SIZE, len(CLASSES), "float32").save(path)
    return path


@pytest.fixture
def model(context: Context, network: Path) -> None:
    stored = context.storage.put_file("models", network)
    made = factories.model(
        "shapes",
        classes=CLASSES,
        image_size=SIZE,
        storage_key=stored.key,
        bytes=stored.bytes,
        sha256=hashlib.sha256(network.read_bytes()).hexdigest(),
    )
    register(context.database, made)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """COUNT files, of which one is no picture, and what systems leave behind."""
    for index in range(COUNT - 1):
        draw(tmp_path / "shown" / "some" / f"{index:03}.png", CLASSES[index % 2], 48, index)
    (tmp_path / "shown" / "some" / "010-broken.png").write_bytes(b"no picture")
    (tmp_path / "shown" / ".DS_Store").write_bytes(b"")
    return tmp_path / "shown"


def predicting(context: Context, **spec: Any) -> uuid.UUID:
    """A job that predicts by the model."""
    return new_job(context.database, kind="predict", spec={"model": "shapes@1", **spec})


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.png"))


def zipped(folder: Path) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*"), reverse=True):
            archive.write(path, path.relative_to(folder))
    return target.getvalue()


def tarred(folder: Path) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz") as archive:
        archive.add(folder, ".")
    return target.getvalue()


Answer = tuple[int, str, str | None, float | None, str | None]


def rows(context: Context, job_id: uuid.UUID) -> list[Answer]:
    with context.database.read() as session:
        found = registry.read_predictions(session, job_id, limit=1_000)
    return [(row.row, row.image, row.label, row.probability, row.error) for row in found]


def at_once(context: Context, monkeypatch: pytest.MonkeyPatch, **spec: Any) -> uuid.UUID:
    """The same pictures, predicted by one run."""
    with monkeypatch.context() as patch:
        patch.setattr(predict, "PART_PICTURES", 10**6)
        job_id = predicting(context, **spec)
        assert run_queue(context, kinds.WORKS["predict"], kind="predict").begun == [job_id]
    assert get_job(context.database, job_id).state == "succeeded"
    return job_id


def stored_folders(context: Context) -> list[str]:
    folder = context.settings.home / "storage"
    return sorted(path.parent.name for path in folder.glob("*/*") if path.is_file())


def check_same(context: Context, job_id: uuid.UUID, once: uuid.UUID) -> None:
    """Whether two jobs say the same, but for what floating point makes of batches of another length."""
    ours, theirs = rows(context, job_id), rows(context, once)
    assert [(row[:3], row[4]) for row in ours] == [(row[:3], row[4]) for row in theirs]
    assert [row[3] for row in ours] == pytest.approx([row[3] for row in theirs])
    result, expected = (
        get_job(context.database, job_id).result or {},
        get_job(context.database, once).result or {},
    )
    assert {**result, "predictions": len(result["predictions"])} == {
        **expected,
        "predictions": len(expected["predictions"]),
    }
    assert [row["image"] for row in result["predictions"]] == [row[1] for row in ours]


@pytest.mark.usefixtures("model")
@pytest.mark.parametrize("pack", [zipped, tarred])
def test_an_archive_in_parts_has_the_rows_and_the_result_of_one_that_is_not(
    context: Context, folder: Path, monkeypatch: pytest.MonkeyPatch, pack: Callable[[Path], bytes]
) -> None:
    archive = put_file(context, "pictures", pack(folder)).id
    once = at_once(context, monkeypatch, archive=str(archive))
    job_id = predicting(context, archive=str(archive))
    attempts = run_queue(context, kinds.WORKS["predict"], kind="predict")
    parts = get_children(context.database, job_id)
    assert attempts.begun == [job_id, *(part.id for part in parts), job_id]
    assert [(part.state, part.spec["count"]) for part in parts] == [("succeeded", PART)] * 4 + [
        ("succeeded", COUNT - 4 * PART)
    ]
    assert [row[1] for row in rows(context, job_id)] == names(folder)
    check_same(context, job_id, once)
    result = get_job(context.database, job_id).result or {}
    assert (result["count"], result["failed"]) == (COUNT, 1)
    assert sum(result["labels"].values()) == COUNT - 1
    assert list(result["labels"]) == CLASSES
    assert [rows(context, part.id) for part in parts] == [[]] * 5
    # No copy of the archive is left.
    assert stored_folders(context) == ["files", "models"]


@pytest.mark.usefixtures("model")
@pytest.mark.parametrize("pack", [zipped, tarred])
@pytest.mark.parametrize("part", [5, 500])
def test_every_file_is_a_row_with_its_whole_path_and_the_bad_ones_have_their_reason(
    context: Context,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    pack: Callable[[Path], bytes],
    part: int,
) -> None:
    monkeypatch.setattr(predict, "PART_PICTURES", part)
    monkeypatch.setattr(archives, "MAX_FILE_BYTES", 20_000)
    folder = tmp_path / "shown"
    deep = "/".join(letter * 90 for letter in "abcd")
    for index in range(10):
        draw(folder / deep / f"{index}.png", CLASSES[index % 2], 48, index)
    reasons = {"empty.png": "the file is empty", "film.mp4": archives.TOO_LARGE, "notes.txt": UNKNOWN}
    for name, content in (("empty.png", b""), ("film.mp4", bytes(30_000)), ("notes.txt", b"x" * 30)):
        (folder / name).write_bytes(content)
    job_id = predicting(context, archive=str(put_file(context, "pictures", pack(folder)).id))
    run_queue(context, kinds.WORKS["predict"], kind="predict")
    found = rows(context, job_id)
    assert {row[1]: row[4] for row in found if row[4]} == reasons
    assert [row[1] for row in found if not row[4]] == [f"{deep}/{index}.png" for index in range(10)]
    assert (get_job(context.database, job_id).result or {})["failed"] == 3


@pytest.mark.usefixtures("model")
def test_a_data_set_and_uploads_are_predicted_in_parts(
    context: Context, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = context.storage.put("datasets", io.BytesIO(zipped(folder)))
    with context.database.write() as session:
        registry.add(
            session,
            registry.Dataset(
                name="shapes",
                classes={},
                pictures=COUNT,
                rejected=[],
                rejected_count=0,
                storage_key=stored.key,
                bytes=stored.bytes,
                sha256=stored.sha256,
            ),
        )
    uploads = [put_file(context, name, (folder / name).read_bytes()).id for name in names(folder)]
    for source in ({"dataset": "shapes@1"}, {"images": [str(file_id) for file_id in uploads]}):
        once = at_once(context, monkeypatch, **source)
        job_id = predicting(context, **source)
        run_queue(context, kinds.WORKS["predict"], kind="predict")
        assert len(get_children(context.database, job_id)) == 5
        check_same(context, job_id, once)
        assert [row[1] for row in rows(context, job_id)] == names(folder)


def work_until_killed(home: Path, url: str) -> None:
    """In a process of its own: dies when the third part is done, before that is written."""
    predict.PART_PICTURES = PART
    run_queue_until_killed(make_context(Database(url), home), "predict", 4)


@pytest.mark.usefixtures("model")
def test_a_worker_that_is_lost_in_the_middle_changes_nothing(
    context: Context, folder: Path, monkeypatch: pytest.MonkeyPatch, database_url: str
) -> None:
    archive = put_file(context, "pictures.tar.gz", tarred(folder)).id
    once = at_once(context, monkeypatch, archive=str(archive))
    job_id = predicting(context, archive=str(archive))
    assert exit_code_of(work_until_killed, context.settings.home, database_url) == -signal.SIGKILL
    assert [row[0] for row in rows(context, job_id)] == list(range(2 * PART))  # there before the whole is
    (lost,) = [part for part in get_children(context.database, job_id) if part.state == "running"]
    with context.database.write() as session:
        expired = {"lease_expires_at": utcnow(-60)}
        session.execute(sa.update(Job.__table__).where(Job.id == lost.id).values(**expired))
        assert [job.id for job in jobs.rescue(session)] == [lost.id]
        session.execute(sa.update(Job.__table__).where(Job.id == lost.id).values(available_at=utcnow(-1)))
    run_queue(context, kinds.WORKS["predict"], kind="predict")
    assert (get_job(context.database, job_id).state, get_job(context.database, lost.id).attempt) == (
        "succeeded",
        2,
    )
    check_same(context, job_id, once)


@pytest.mark.usefixtures("model")
def test_a_cancel_stops_parts_and_a_retry_replaces_their_rows(context: Context, folder: Path) -> None:
    job_id = predicting(context, archive=str(put_file(context, "pictures.zip", zipped(folder)).id))
    parts = 0

    def cancelled(attempt: Attempt, spec: Any) -> Finish | Split:
        nonlocal parts
        parts += attempt.claim.parent_id is not None
        if parts < 2:
            return kinds.WORKS["predict"](attempt, spec)
        with context.database.write() as session:
            jobs.cancel(session, job_id)
        return work_until_stopped(attempt)

    run_queue(context, cancelled, kind="predict")
    assert get_job(context.database, job_id).state == "cancelled"
    assert [part.state for part in get_children(context.database, job_id)] == [
        "succeeded",
        *["cancelled"] * 4,
    ]
    assert len(rows(context, job_id)) == PART
    with context.database.write() as session:
        session.execute(sa.update(registry.Prediction).values(image="of the first attempt"))
        jobs.retry(session, job_id, 3)
    run_queue(context, kinds.WORKS["predict"], kind="predict")
    assert get_job(context.database, job_id).state == "succeeded"
    assert [row[1] for row in rows(context, job_id)] == names(folder)


@pytest.mark.usefixtures("model")
def test_explained_pictures_have_overlays_as_files_of_the_job(context: Context, folder: Path) -> None:
    chosen = [put_file(context, name, (folder / name).read_bytes()).id for name in names(folder)[9:12]]
    job_id = predicting(context, images=[str(file_id) for file_id in chosen], explain=True)
    run_queue(context, kinds.WORKS["predict"], kind="predict")
    with context.database.read() as session:
        files = {
            file.name: context.storage.open(file.storage_key) for file in storage.artifacts(session, job_id)
        }
    shown = (get_job(context.database, job_id).result or {})["predictions"]
    assert [row["overlay"] for row in shown] == ["overlay-0.png", None, "overlay-2.png"]
    assert sorted(files) == ["overlay-0.png", "overlay-2.png"]
    for file in files.values():
        with file:
            assert file.read(8) == b"\x89PNG\r\n\x1a\n"


@pytest.mark.usefixtures("model")
@pytest.mark.parametrize("content", [b"these are words", b"\xff\xd8\xff but no JPEG", b"\x89PNG\r\n\x1a\n"])
def test_a_file_that_is_no_picture_is_named_and_costs_no_other_picture(
    context: Context, content: bytes
) -> None:
    bad, good = (
        put_file(context, name, made).id
        for name, made in (("notes.jpg", content), ("red.png", factories.picture()))
    )
    alone = predicting(context, images=[str(bad)])
    several = predicting(context, images=[str(bad)] * 2)
    mixed = predicting(context, images=[str(bad), str(good)])
    run_queue(context, kinds.WORKS["predict"], kind="predict")
    job = get_job(context.database, alone)
    assert (job.state, job.attempt) == ("failed", 1)
    assert str(job.error_message).startswith("notes.jpg: ")
    assert "\n" not in str(job.error_message)
    job = get_job(context.database, several)
    assert str(job.error_message).startswith("none of the 2 pictures can be read; notes.jpg: ")
    assert get_job(context.database, mixed).state == "succeeded"
    broken, fine = rows(context, mixed)
    assert (broken[1], broken[2], fine[1], fine[4]) == ("notes.jpg", None, "red.png", None)
    assert str(job.error_message).endswith(f"notes.jpg: {broken[4]}")


@pytest.mark.usefixtures("model")
def test_pictures_none_of_which_can_be_read_fail_the_job_also_in_parts(context: Context) -> None:
    bad = str(put_file(context, "notes.jpg", b"these are words").id)
    job_id = predicting(context, images=[bad] * (2 * PART))
    run_queue(context, kinds.WORKS["predict"], kind="predict")
    job = get_job(context.database, job_id)
    assert job.state == "failed"
    assert str(job.error_message).startswith("none of the 10 pictures can be read; notes.jpg: not a picture")


@pytest.mark.usefixtures("model")
@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"no archive", "should be a zip or tar archive"),
        (b"PK and no more", "zip archive is truncated or damaged"),
    ],
)
def test_what_is_no_archive_fails_the_job_with_the_reason(
    context: Context, content: bytes, said: str
) -> None:
    job_id = predicting(context, archive=str(put_file(context, "pictures.zip", content).id))
    run_queue(context, kinds.WORKS["predict"], kind="predict")
    job = get_job(context.database, job_id)
    assert (job.state, said in str(job.error_message)) == ("failed", True), job.error_message
