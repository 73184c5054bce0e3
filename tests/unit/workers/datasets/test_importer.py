"""An import takes any honest archive of pictures, and says what it could not take."""

import io
import os
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from jobyard.shared.archives.safe_names import safe_name
from jobyard.shared.errors import Cancelled, WorkError
from jobyard.workers.datasets.importer import EPOCH, Imported, import_pictures
from tests.factories import zipped
from tests.pictures import saved
from tests.reports import NoMetrics
from tests.unit.workers.datasets.conftest import PETS, pack_folder, pack_tar, pack_zip, picture

LIMIT = 10_000_000

Pack = Callable[[Path, dict[str, bytes]], Path]

PACKS: dict[str, Pack] = {
    "zip": pack_zip,
    "stored zip": lambda path, files: pack_zip(path, files, zipfile.ZIP_STORED),
    "bzip2 zip": lambda path, files: pack_zip(path, files, zipfile.ZIP_BZIP2),
    "tar": pack_tar,
    "tar.gz": lambda path, files: pack_tar(path, files, "w:gz"),
    "tar.bz2": lambda path, files: pack_tar(path, files, "w:bz2"),
    "tar.xz": lambda path, files: pack_tar(path, files, "w:xz"),
    "folder": pack_folder,
}


class Desk:
    """Imports files, and reads the archive that came out."""

    def __init__(self, folder: Path) -> None:
        self.source = folder / "source"
        self.output = folder / "out" / "pictures.zip"
        self.notes = NoMetrics()

    def take(
        self, files: dict[str, bytes], pack: Pack = pack_zip, limit: int = LIMIT, *, partial: bool = False
    ) -> Imported:
        return import_pictures(
            pack(self.source, files), self.output, limit, self.notes, allow_partial=partial
        )

    def content(self) -> dict[str, bytes]:
        with zipfile.ZipFile(self.output) as archive:
            return {info.filename: archive.read(info) for info in archive.infolist()}


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.mark.parametrize("pack", PACKS)
def test_every_kind_of_archive_gives_the_same_data_set(desk: Desk, pack: str, tmp_path: Path) -> None:
    imported = desk.take(PETS, PACKS[pack])
    assert desk.content() == PETS
    assert imported.classes == {"train": {"cats": 2, "dogs": 1}, "validation": {"cats": 1, "dogs": 1}}
    assert (imported.pictures, imported.bytes) == (5, sum(map(len, PETS.values())))
    assert (imported.rejected, imported.rejected_count) == ([], 0)
    assert desk.notes.phases == [
        "importing",
        "importing train from train/, validation from validation/; 2 classes: cats, dogs",
    ]
    assert desk.notes.steps == [(done, 5, "pictures") for done in range(1, 6)]

    again = Desk(tmp_path / "again")
    again.source.parent.mkdir()
    assert again.take(dict(reversed(PETS.items()))).sha256 == imported.sha256
    assert again.output.read_bytes() == desk.output.read_bytes()
    assert list(desk.output.parent.iterdir()) == [desk.output]


def test_the_archive_is_uncompressed_sorted_and_without_times(desk: Desk) -> None:
    desk.take(dict(reversed(PETS.items())))
    with zipfile.ZipFile(desk.output) as archive:
        infos = archive.infolist()
    assert [info.filename for info in infos] == sorted(PETS)
    assert {info.compress_type for info in infos} == {zipfile.ZIP_STORED}
    assert {info.date_time for info in infos} == {EPOCH}


@pytest.mark.parametrize("change", ["bytes", "class", "split"])
def test_the_version_changes_with_the_content(desk: Desk, change: str) -> None:
    before = desk.take(PETS).sha256
    files = dict(PETS)
    if change == "bytes":
        files["train/cats/a.png"] = picture(9)
    elif change == "class":
        files["train/dogs/b.png"] = files.pop("train/cats/b.png")
    else:
        files["validation/cats/b.png"] = files.pop("train/cats/b.png")
    assert desk.take(files).sha256 != before


def test_the_version_does_not_change_with_file_names(desk: Desk) -> None:
    before = desk.take(PETS).sha256
    files = dict(PETS)
    files["train/cats/zzz.png"] = files.pop("train/cats/a.png")
    assert desk.take(files).sha256 == before


@pytest.mark.parametrize(
    ("prefix", "train", "validation"),
    [
        ("", "train", "val"),
        ("", "Train", "Valid"),
        ("pets/", "train", "validation"),
        ("./pets/v1/", "train", "validation"),
    ],
)
def test_train_and_validation_are_found_inside_outer_folders(
    desk: Desk, prefix: str, train: str, validation: str
) -> None:
    files = {
        prefix + name.replace("train/", f"{train}/").replace("validation/", f"{validation}/"): content
        for name, content in PETS.items()
    }
    desk.take(files | {f"{prefix}README.md": b"pets"})
    assert desk.content() == PETS


def test_pictures_to_test_on_are_a_split_of_their_own(desk: Desk) -> None:
    files = PETS | {"test/cats/e.png": picture(6), "test/dogs/f.png": picture(7)}
    imported = desk.take(files)
    assert desk.content() == files
    assert list(imported.classes) == ["train", "validation", "test"]
    assert imported.classes["test"] == {"cats": 1, "dogs": 1}
    del files["validation/cats/c.png"], files["validation/dogs/d.png"]
    assert list(desk.take(files).classes) == ["train", "test"]


def test_pictures_to_test_on_without_classes_are_misplaced(desk: Desk) -> None:
    imported = desk.take(PETS | {"test/1.png": picture(6)})
    assert desk.content() == PETS
    assert imported.rejected == [{"file": "test/1.png", "reason": "not in a class folder"}]


@pytest.mark.parametrize("name", ["test", "validation", "Val"])
def test_without_train_every_folder_is_a_class_whatever_it_is_called(desk: Desk, name: str) -> None:
    imported = desk.take({f"{name}/a.png": picture(1), "car/a.png": picture(2), "cat/a.png": picture(3)})
    assert imported.classes == {"train": {"car": 1, "cat": 1, name: 1}}


def test_a_class_of_each_split_may_be_called_test(desk: Desk) -> None:
    files = {
        f"{split}/{name}/{n}.png": picture(10 * n + m)
        for n, split in enumerate(("train", "test"))
        for m, name in enumerate(("test", "car"))
    }
    assert desk.take(files).classes == {split: {"car": 1, "test": 1} for split in ("train", "test")}
    assert desk.content() == files


@pytest.mark.parametrize("pack", ["zip", "tar.gz", "folder"])
@pytest.mark.parametrize("prefix", ["", "train/", "data/pets/"])
def test_a_flat_folder_of_names_that_say_their_class_is_all_training(
    desk: Desk, prefix: str, pack: str
) -> None:
    files = {
        "cat.0.png": picture(1),
        "cat.1.PNG": picture(2),
        "dog.007.png": picture(3),
        "great_dane-2.4.png": picture(4),
    }
    strange = [
        "cat.png", "dog_1.png", "IMG_0001.png", "4.2.png", "cat.x.png", ".cat.1.png", "cat.1.2.png", "cat.1",
    ]  # fmt: skip
    given = files | dict.fromkeys(strange, picture(9))
    imported = desk.take(
        {prefix + name: content for name, content in given.items()}, PACKS[pack], partial=True
    )
    assert imported.classes == {"train": {"cat": 2, "dog": 1, "great_dane-2": 1}}
    assert desk.content() == {
        f"train/{name.split('.')[0]}/{name}": content for name, content in files.items()
    }
    assert {row["file"] for row in imported.rejected} == {
        prefix + name for name in strange if not name.startswith(".")
    }
    assert {row["reason"] for row in imported.rejected} == {
        "should be called CLASS.NUMBER.SUFFIX, as cat.0.jpg, to have a class"
    }


def test_files_that_say_a_class_are_not_asked_where_folders_do(desk: Desk) -> None:
    files = {"cats/cat.0.png": picture(1), "dogs/dog.0.png": picture(2), "cat.1.png": picture(3)}
    imported = desk.take(files, partial=True)
    assert imported.classes == {"train": {"cats": 1, "dogs": 1}}
    assert imported.rejected == [{"file": "cat.1.png", "reason": "not in a class folder"}]


@pytest.mark.parametrize("prefix", ["", "pets/", "validation/", "train/"])
def test_a_folder_per_class_is_all_training(desk: Desk, prefix: str) -> None:
    imported = desk.take({f"{prefix}cats/a.png": picture(1), f"{prefix}dogs/a.png": picture(2)})
    assert imported.classes == {"train": {"cats": 1, "dogs": 1}}
    assert list(desk.content()) == ["train/cats/a.png", "train/dogs/a.png"]


def test_a_class_may_be_called_train(desk: Desk) -> None:
    assert desk.take({"train/a.png": picture(), "car/a.png": picture()}).classes == {
        "train": {"car": 1, "train": 1}
    }


def test_windows_separators_are_understood(desk: Desk) -> None:
    desk.take({name.replace("/", "\\"): content for name, content in PETS.items()})
    assert desk.content() == PETS


def test_what_systems_leave_behind_is_passed_over(desk: Desk) -> None:
    litter = [
        "train/cats/Thumbs.db",
        ".DS_Store",
        "__MACOSX/train/cats/._a.png",
        "train/.git/x",
        "desktop.ini",
    ]
    imported = desk.take(PETS | dict.fromkeys(litter, b"litter"))
    assert imported.rejected_count == 0
    assert desk.content() == PETS


def test_what_does_not_decode_is_rejected_with_its_reason(desk: Desk) -> None:
    noise = io.BytesIO()
    Image.effect_noise((64, 64), 50).save(noise, "PNG")
    imported = desk.take(
        PETS
        | {
            "train/cats/empty.jpg": b"",
            "train/cats/text.jpg": b"I am a cat",
            "train/cats/half.png": noise.getvalue()[:2_000],
            "train/cats/inner.zip": b"PK\x03\x04",
            "labels.csv": b"a,b",
            "other/cats/a.png": picture(8),
        },
        partial=True,
    )
    reasons = {row["file"]: row["reason"] for row in imported.rejected}
    assert reasons == {
        "labels.csv": "not in a class folder",
        "other/cats/a.png": "beside train/, but not called validation or test",
        "train/cats/empty.jpg": "the file is empty",
        "train/cats/half.png": reasons["train/cats/half.png"],
        "train/cats/inner.zip": "is a zip archive: unpack it",
        "train/cats/text.jpg": "not a picture: should be JPEG, PNG, GIF, BMP, WebP, TIFF or AVIF",
    }
    assert "can't be decoded" in reasons["train/cats/half.png"]
    assert imported.rejected_count == 6
    assert desk.content() == PETS
    assert desk.notes.steps[-1] == (9, 9, "pictures")


def test_the_list_of_rejected_files_is_cut_but_counted(desk: Desk) -> None:
    imported = desk.take(PETS | {f"train/cats/{n}.jpg": b"no" for n in range(1_100)}, partial=True)
    assert (len(imported.rejected), imported.rejected_count) == (1_000, 1_100)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "there are no pictures; the archive should have train/CLASS/"),
        ({".DS_Store": b"x"}, "there are no pictures"),
        ({"a.png": picture()}, "there are no class folders; the archive should have train/CLASS/"),
        ({"cats/a.png": picture()}, "there is only one class, 'cats'; there should be two or more"),
        ({"train/cats/a.png": picture()}, "there is only one class, 'cats'"),
        ({"cats/a.png": b"x", "dogs/a.png": b"y"}, "there are no pictures that can be decoded"),
        ({"cats/a.png": b"x", "dogs/a.png": picture()}, "the class 'cats' has no picture in train"),
        ({"cats/": b"", "dogs/a.png": picture()}, "the class 'cats' is empty in train"),
        (
            PETS | {"validation/birds/a.png": picture()},
            "validation should have the classes of train ('cats', 'dogs'), but has 'birds', 'cats', 'dogs'",
        ),
        (
            PETS | {"test/cats/a.png": picture()},
            "test should have the classes of train ('cats', 'dogs'), but has 'cats'",
        ),
        ({"cat.0.png": picture(), "cat.1.png": picture()}, "there are no class folders"),
        ({"a/cat.0.png": picture(), "a/cat.1.png": picture()}, "there is only one class, 'a'"),
        ({"cat.0.png": picture(), "Cat.1.png": picture()}, "'Cat' and 'cat' would be one class"),
        ({**PETS, "validation/cats/c.png": b"x"}, "the class 'cats' has no picture in validation"),
        ({"a?/1.png": picture(), "a*/1.png": picture()}, "'a*' and 'a?' would be one class"),
        ({"Cats/1.png": picture(), "cats/1.png": picture()}, "'Cats' and 'cats' would be one class"),
    ],
)
def test_folders_that_are_no_classes_are_refused(desk: Desk, files: dict[str, bytes], message: str) -> None:
    with pytest.raises(WorkError) as raised:
        desk.take(files)
    assert message in raised.value.message
    assert not desk.output.exists()
    assert not desk.output.parent.exists() or not list(desk.output.parent.iterdir())


def test_names_that_are_the_same_once_safe_stay_two_files(desk: Desk) -> None:
    shades = {"a?.png": 1, "a*.png": 2, "A_.PNG": 3, "a_-2.png": 4}
    desk.take({f"cats/{name}": picture(shade) for name, shade in shades.items()} | {"dogs/a.png": picture(9)})
    content = {name: content for name, content in desk.content().items() if "cats" in name}
    assert len({name.casefold() for name in content}) == 4
    assert sorted(content.values()) == sorted(picture(shade) for shade in shades.values())


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_file_that_comes_twice_is_taken_once(desk: Desk) -> None:
    with zipfile.ZipFile(desk.source, "w") as archive:
        for name, content in [*PETS.items(), ("train/cats/a.png", picture(99))]:
            archive.writestr(name, content)
    imported = import_pictures(desk.source, desk.output, LIMIT, desk.notes)
    assert desk.content() == PETS
    assert imported.rejected == [{"file": "train/cats/a.png", "reason": "twice in the archive"}]


def test_pictures_that_are_the_same_on_white_only_are_not_marked_as_the_same(desk: Desk) -> None:
    files = {}
    for number, name in enumerate(("cats", "dogs")):
        drawing = Image.new("RGBA", (8, 8), (255, 255, 255, 0))
        drawing.putpixel((number, 0), (255, 255, 255, 255))
        files |= {f"{name}/{copy}.png": saved(drawing) for copy in "ab"}
    desk.take(files)
    with zipfile.ZipFile(desk.output) as archive:
        comments = {info.filename: info.comment for info in archive.infolist()}
    cats, dogs = ({comments[f"train/{name}/{copy}.png"] for copy in "ab"} for name in ("cats", "dogs"))
    assert len(cats) == len(dogs) == 1
    assert all(cats)
    assert cats != dogs


def test_a_cancel_leaves_nothing(desk: Desk) -> None:
    class Impatient(NoMetrics):
        def update(self, done: int, total: int | None, unit: str) -> None:
            raise Cancelled

    desk.notes = Impatient()
    with pytest.raises(Cancelled):
        desk.take(PETS)
    assert list(desk.output.parent.iterdir()) == []


def test_links_in_a_folder_are_followed_only_inside_it(desk: Desk, tmp_path: Path) -> None:
    pack_folder(desk.source, PETS)
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.png").write_bytes(picture(200))
    cats = desk.source / "train" / "cats"
    (cats / "inside.png").symlink_to(cats / "a.png")
    (cats / "leads-out.png").symlink_to(tmp_path / "outside" / "secret.png")
    (cats / "dangling.png").symlink_to("nowhere")
    (cats / "folder").symlink_to(tmp_path / "outside")
    os.mkfifo(cats / "pipe.png")
    imported = import_pictures(desk.source, desk.output, LIMIT, desk.notes, allow_partial=True)
    assert desk.content() == PETS | {"train/cats/inside.png": PETS["train/cats/a.png"]}
    assert {row["file"]: row["reason"] for row in imported.rejected} == {
        "train/cats/dangling.png": "can't be read: No such file or directory",
        "train/cats/folder": "a link that leads out of the folder",
        "train/cats/leads-out.png": "a link that leads out of the folder",
        "train/cats/pipe.png": "not a file",
    }


@pytest.mark.parametrize("level", ["train/birds", "test"])
def test_a_class_or_a_part_that_is_a_link_is_followed_or_refused_by_name(
    desk: Desk, tmp_path: Path, level: str
) -> None:
    pack_folder(desk.source, {f"train/{name}/{n}.png": picture(n) for n, name in enumerate(("cats", "dogs"))})
    pack_folder(tmp_path / "elsewhere", {"cats/9.png": picture(9), "dogs/8.png": picture(8)})
    (desk.source / level).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(WorkError) as raised:
        import_pictures(desk.source, desk.output, LIMIT, desk.notes)
    assert raised.value.message == (
        f"{level} is a link that can't be followed (a link that leads out of the folder): copy what it leads "
        "to, or import the folder that holds both"
    )
    (tmp_path / "elsewhere").rename(desk.source / ".elsewhere")
    (desk.source / level).unlink()
    (desk.source / level).symlink_to(desk.source / ".elsewhere")
    classes = import_pictures(desk.source, desk.output, LIMIT, desk.notes).classes
    assert classes == (
        {"train": {"cats": 1, "dogs": 1}, "test": {"cats": 1, "dogs": 1}}
        if level == "test"
        else {"train": {"birds": 2, "cats": 1, "dogs": 1}}
    )


def test_a_class_that_is_the_only_link_is_named(desk: Desk, tmp_path: Path) -> None:
    pack_folder(desk.source, {"cats/1.png": picture(1)})
    (desk.source / "dogs").symlink_to(tmp_path)
    with pytest.raises(WorkError, match=r"^dogs is a link that can't be followed"):
        import_pictures(desk.source, desk.output, LIMIT, desk.notes)


def test_more_than_a_fifth_left_out_needs_consent(desk: Desk) -> None:
    files = {
        f"{name}/{n}.png": picture(10 * m + n) for m, name in enumerate(("cats", "dogs")) for n in range(2)
    }
    one = desk.take(files | {"loose.png": picture(99), "README.md": b"pets"})
    assert one.report["warnings"][:2] == [
        "1 of 5 files was left out: not in a class folder (1, as loose.png)",
        "1 document was left out (README.md)",
    ]
    desk.output.unlink()
    two = files | {"loose.png": picture(99), "cats/broken.png": picture(98, 64)[:-20]}
    with pytest.raises(WorkError) as raised:
        desk.take(two)
    assert raised.value.message.startswith(
        "2 of 6 files would be left out: not in a class folder (1, as loose.png); can't be decoded (1, as "
        "cats/broken.png: "
    )
    assert raised.value.message.endswith(
        ". To import the rest, allow it with --allow-partial (allow_partial in the spec)"
    )
    assert not desk.output.exists()
    assert desk.take(two, partial=True).rejected_count == 2


def test_archives_in_an_archive_are_named(desk: Desk) -> None:
    inner = zipped({"1.png": picture(1)})
    with pytest.raises(WorkError) as raised:
        desk.take({"cats.zip": inner, "dogs.zip": inner})
    assert raised.value.message.endswith("; it holds archives (cats.zip, dogs.zip): unpack them first")
    with pytest.raises(WorkError) as raised:
        desk.take(PETS | {"test.zip": inner})
    assert (
        "the archive holds archives (test.zip), which would be left out: unpack them" in raised.value.message
    )
    assert desk.take(PETS | {"test.zip": inner}, partial=True).pictures == len(PETS)


def test_a_folder_that_is_not_there_is_named(desk: Desk) -> None:
    with pytest.raises(WorkError, match="source can't be read: No such file or directory"):
        import_pictures(desk.source, desk.output, LIMIT, desk.notes)


@given(st.text())
def test_safe_names_are_one_harmless_component(name: str) -> None:
    safe = safe_name(name)
    assert safe
    assert not safe.startswith(".")
    assert not set(safe) & set('/\\:*?"<>|\0\n')
    assert safe.isprintable()
    assert len(safe.encode()) <= 150
    assert safe_name(safe) == safe


@given(
    st.lists(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=40),
        unique=True,
        max_size=4,
    ),
    st.sampled_from(["zip", "tar.gz"]),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_no_name_escapes_the_layout(desk: Desk, names: list[str], pack: str) -> None:
    files = PETS | {f"train/cats/{name}": picture(50 + n) for n, name in enumerate(names)}
    try:
        imported = desk.take(files, PACKS[pack])
    except WorkError:
        return
    with zipfile.ZipFile(desk.output) as archive:
        for info in archive.infolist():
            split, class_name, file_name = info.filename.split("/")
            assert (split, class_name) in {(s, c) for s in ("train", "validation") for c in ("cats", "dogs")}
            assert file_name == safe_name(file_name)
        assert len(archive.namelist()) == imported.pictures


@given(
    st.lists(
        st.from_regex(r"(cat|dog|[a-z_.]{0,3})[._]?[0-9]{0,2}\.(png|jpg)?", fullmatch=True).filter(
            lambda name: not name.startswith(".")
        ),
        unique_by=str.casefold,
        max_size=12,
    )
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_of_a_flat_folder_every_file_has_the_class_of_its_name_or_is_listed(
    desk: Desk, names: list[str]
) -> None:
    names = ["cat.100.png", "dog.100.png", *names]
    imported = desk.take({name: picture(n) for n, name in enumerate(names)}, partial=True)
    taken = [name.split("/") for name in desk.content()]
    listed = [row["file"] for row in imported.rejected]
    assert sorted([name for _, _, name in taken] + listed) == sorted(names)
    assert all(name.split(".")[0] == class_name for _, class_name, name in taken)
    assert all(not re.fullmatch(r"[a-z][a-z_]*\.\d+\.\w+", name) for name in listed)
