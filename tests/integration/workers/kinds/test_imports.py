"""An import, from the job to the data set: the same files are one version, and people hear of what is odd."""

from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from jobyard.client.packing import classes_in, digest_of, packed
from jobyard.shared import registry, retention
from jobyard.shared.kinds.imports import ImportSpec
from jobyard.workers.datasets import identical
from jobyard.workers.kinds import imports
from jobyard.workers.prediction.archives import ZipOfPictures
from jobyard.workers.runtime.attempt import Attempt, Finish, Work
from jobyard.workers.runtime.context import Context
from jobyard.workers.runtime.dataset_cache import find_dataset, folder_of
from tests.factories import draw, draw_dataset, get_job, new_job, put_file
from tests.workers import run_queue, stored_files


def import_folder(context: Context, folder: Path) -> dict[str, Any]:
    """The job's result."""
    return run(context, imports.work, folder)


def run(context: Context, work: Work, folder: Path) -> dict[str, Any]:
    """The result of this work's job, whose spec is an import's of the folder."""
    spec = ImportSpec(name="drawn", path=str(folder)).model_dump(mode="json")
    job_id = new_job(context.database, kind="import", spec=spec)
    run_queue(context, work, kind="import")
    result = get_job(context.database, job_id).result
    assert result is not None
    return result


def test_what_was_found_out_is_with_the_data_set_and_the_short_of_it_with_the_job(
    context: Context, tmp_path: Path
) -> None:
    folder = draw_dataset(tmp_path / "set" / "train", per_class=4)
    draw_dataset(folder.parent / "test", per_class=1)
    draw(folder / "discs" / "more.png", "discs", seed=99).rename(folder / "discs" / "more.jpg")
    result = import_folder(context, folder.parent)
    assert result["dataset"] == "drawn@1"
    assert result["classes"]["test"] == {"discs": 1, "squares": 1}
    assert {name: count for name, count in result.items() if name.endswith("_count")} == {
        "rejected_count": 0,
        "duplicates_count": 2,
        "leaks_count": 2,
        "conflicts_count": 0,
        "noted_count": 1,
    }
    with context.database.read() as session:
        progress = registry.find(session, registry.Dataset, "drawn").report
    assert progress is not None
    assert progress["warnings"] == result["warnings"]
    assert progress["leaks"][0] == {"picture": "test/discs/000.png", "same_as": "train/discs/000.png"}
    assert progress["noted"] == [
        {"file": "train/discs/more.jpg", "note": "is a PNG, but is called .jpg"},
    ]


def test_where_the_labels_are_from_is_in_the_result_and_with_the_data_set(
    context: Context, tmp_path: Path
) -> None:
    folder = draw_dataset(tmp_path / "set", per_class=2)
    named = {path: path.parent.name for path in sorted(folder.rglob("*.png"))}
    flat = tmp_path / "flat"
    flat.mkdir()
    rows = [
        f"{path.rename(flat / f'{number}.png').name},{label}"
        for number, (path, label) in enumerate(named.items())
    ]
    (flat / "labels.csv").write_text("\n".join(["id,label", *rows, "x.png,discs"]))
    draw(flat / "more.png", "discs", seed=99)
    result = import_folder(context, flat)
    assert result["classes"] == {"train": {"discs": 2, "squares": 2}}
    assert result["labels"]["summary"] == "labels from labels.csv: 4 of 5 pictures"
    assert result["warnings"] == [
        "1 picture has no label in labels.csv, and was left out",
        "1 row of labels.csv names no picture (line 6: there is no picture 'x.png')",
    ]
    with context.database.read() as session:
        report = registry.find(session, registry.Dataset, "drawn").report
    assert report is not None
    assert report["labels"] == result["labels"]


def test_the_same_files_are_the_same_version_also_of_an_older_one(context: Context, tmp_path: Path) -> None:
    folder = draw_dataset(tmp_path / "set", per_class=2)
    assert import_folder(context, folder)["dataset"] == "drawn@1"
    extra = draw(folder / "discs" / "more.png", "discs", seed=99)
    assert import_folder(context, folder)["dataset"] == "drawn@2"
    extra.unlink()
    assert len(stored_files(context)) == 2
    assert import_folder(context, folder)["dataset"] == "drawn@1"
    assert len(stored_files(context)) == 2, "what is there already is not stored again"


def test_an_unpacked_data_set_goes_from_the_machine_after_its_version_was_deleted(
    context: Context, tmp_path: Path
) -> None:
    def unpack(attempt: Attempt, _: ImportSpec) -> Finish:
        folder = folder_of(attempt, find_dataset(attempt, "drawn"))
        return lambda _: {"pictures": sorted(path.name for path in folder.rglob("*.png"))}

    folder = draw_dataset(tmp_path / "set", per_class=1)
    import_folder(context, folder)
    assert run(context, unpack, folder)["pictures"] == ["000.png", "000.png"]
    (old,) = (context.cache / "datasets").iterdir()
    draw(folder / "discs" / "more.png", "discs", seed=99)
    import_folder(context, folder)
    with context.database.write() as session:
        retention.delete_dataset(session, "drawn@1")
    assert run(context, unpack, folder)["pictures"] == ["000.png", "000.png", "more.png"]
    (new,) = (context.cache / "datasets").iterdir()
    assert new != old


def test_pictures_that_are_the_same_are_known_to_trainings_and_evaluations_alike(
    context: Context, tmp_path: Path
) -> None:
    folder = draw_dataset(tmp_path / "set", per_class=3)
    copies = [path.with_name(f"again-{path.name}") for path in sorted(folder.rglob("001.png"))]
    for path in copies:
        path.write_bytes(path.with_name("001.png").read_bytes())
    found: list[dict[str, str]] = []

    def unpacked(attempt: Attempt, spec: ImportSpec) -> Finish:
        finish = imports.work(attempt, spec)

        def finish_and_look(session: Session) -> dict[str, Any]:
            result = finish(session)
            dataset = registry.find(session, registry.Dataset, result["dataset"])
            found.append(identical.read(folder_of(attempt, dataset)))
            found.append(ZipOfPictures(attempt.context.storage.open(dataset.storage_key)).identical())
            return result

        return finish_and_look

    run(context, unpacked, folder)
    assert found[0] == found[1]
    assert set(found[0]) == {
        f"train/{path.parent.name}/{name}" for path in copies for name in (path.name, "001.png")
    }


def upload_and_import(context: Context, folder: Path, **spec: Any) -> tuple[str, str]:
    """The version that the zip of a folder becomes, as a client makes it, and its SHA-256."""
    with packed(classes_in(folder), "drawn") as archive:
        digest = digest_of(archive)
        file = put_file(context, archive.name, archive)
    assert file.sha256 == digest
    asked = ImportSpec(name="drawn", file=file.id, **spec).model_dump(mode="json")
    job_id = new_job(context.database, kind="import", spec=asked)
    run_queue(context, imports.work, kind="import")
    result = get_job(context.database, job_id).result
    assert result is not None
    return str(result["dataset"]), digest


def versions_of(context: Context, digest: str, *, allow_partial: bool = False) -> list[str]:
    """What the server says that it made of an archive."""
    made = registry.came_of(digest, labels="auto", allow_partial=allow_partial)
    with context.database.read() as session:
        return [one.reference for one in registry.each(session, registry.Dataset, made)]


def test_a_version_is_known_by_the_archive_that_it_came_of(context: Context, tmp_path: Path) -> None:
    folder = draw_dataset(tmp_path / "set", per_class=3)
    first, digest = upload_and_import(context, folder)
    assert (first, versions_of(context, digest)) == ("drawn@1", ["drawn@1"])

    (folder / "discs" / "000.png").rename(folder / "discs" / "renamed.png")
    renamed, other = upload_and_import(context, folder)
    assert (renamed, versions_of(context, other)) == ("drawn@1", ["drawn@1"])
    assert versions_of(context, digest) == ["drawn@1"], "one version may come of several archives"

    (folder / "discs" / "renamed.png").rename(folder / "squares" / "renamed.png")
    moved, third = upload_and_import(context, folder)
    assert (moved, versions_of(context, third)) == ("drawn@2", ["drawn@2"])

    with context.database.write() as session:
        retention.delete_dataset(session, "drawn@1")
    assert versions_of(context, digest) == []
    assert versions_of(context, third) == ["drawn@2"]


def test_what_needed_leave_to_be_imported_is_not_there_without_it(context: Context, tmp_path: Path) -> None:
    folder = draw_dataset(tmp_path / "set", per_class=2)
    for number in range(4):
        (folder / "discs" / f"broken-{number}.png").write_bytes(b"no picture")
    made, digest = upload_and_import(context, folder, allow_partial=True)
    assert versions_of(context, digest, allow_partial=True) == [made]
    assert versions_of(context, digest) == []
