"""An import labels pictures by the table beside them, and says what it could not label."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobyard.shared.archives.safe_names import safe_name
from jobyard.shared.errors import WorkError
from jobyard.workers.datasets.importer import Imported, import_pictures
from jobyard.workers.datasets.labels import kept, layout, rows
from jobyard.workers.datasets.labels.choice import From
from jobyard.workers.datasets.labels.report import LabelsReport
from tests.allocations import allocated
from tests.reports import NoMetrics
from tests.unit.workers.datasets.conftest import PETS, pack_folder, pack_tar, pack_zip, picture

LIMIT = 20_000_000
PACKS: dict[str, Callable[[Path, dict[str, bytes]], Path]] = {
    "zip": pack_zip,
    "tar": pack_tar,
    "folder": pack_folder,
}
# Pictures without folders of classes, as most tables have them.
FOUR = {f"images/{number}.png": picture(number) for number in range(1, 5)}
CSV = b"file_name,label\n1.png,cat\n2.png,dog\n3.png,cat\n4.png,dog\n"


class Table:
    """Imports pictures with a table, and knows the class of each by its shade."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.count = 0

    def take(
        self, files: dict[str, bytes], pack: str = "zip", labels: From = "auto", *, partial: bool = False
    ) -> Imported:
        self.count += 1
        source = PACKS[pack](self.folder / f"source-{self.count}", files)
        self.output = self.folder / f"out-{self.count}" / "pictures.zip"
        return import_pictures(source, self.output, LIMIT, NoMetrics(), None, labels, allow_partial=partial)

    def report(self, files: dict[str, bytes], labels: From = "auto") -> LabelsReport:
        found = self.take(files, labels=labels).report["labels"]
        assert found is not None
        assert json.loads(json.dumps(found)) == found
        return found

    def refused(self, files: dict[str, bytes], labels: From = "auto") -> str:
        with pytest.raises(WorkError) as raised:
            self.take(files, labels=labels)
        assert "\n" not in raised.value.message
        assert not self.output.exists()
        return raised.value.message


@pytest.fixture
def table(tmp_path: Path) -> Table:
    return Table(tmp_path)


TWO_EACH = {"train": {"cat": 2, "dog": 2}}


@pytest.mark.parametrize("pack", PACKS)
@pytest.mark.parametrize("name", ["images/metadata.csv", "labels.csv", "LABELS.CSV", "metadata.csv"])
def test_a_table_labels_the_pictures_of_its_folder(table: Table, pack: str, name: str) -> None:
    imported = table.take(FOUR | {name: CSV}, pack)
    assert imported.classes == TWO_EACH
    assert (imported.rejected, imported.report["warnings"]) == ([], [])
    found = imported.report["labels"]
    assert found is not None
    assert found["summary"] == f"labels from {name}: 4 of 4 pictures"
    by_folders = {f"{'cat' if number % 2 else 'dog'}/{number}.png": picture(number) for number in range(1, 5)}
    assert table.take(by_folders, pack).sha256 == imported.sha256


SHAPES = {
    "Kaggle's id": "id,breed\n1,cat\n2,dog\n3,cat\n4,dog\n",
    "filename and class": "filename,class\n1.png,cat\n2.png,dog\n3.png,cat\n4.png,dog\n",
    "image and label, in capitals": "Image,LABEL\n1.png,cat\n2.png,dog\n3.png,cat\n4.png,dog\n",
    "words apart": "Image Name,Class Name\n1.png,cat\n2.png,dog\n3.png,cat\n4.png,dog\n",
    "with paths": "path,label\nimages/1.png,cat\nimages\\2.png,dog\n./images/3.png,cat\n"
    "x/../images/4.png,dog",
    "with paths of another machine": "path,label\n"
    + "".join(f"/kaggle/input/pets/images/{n}.png,{'cat' if n % 2 else 'dog'}\n" for n in range(1, 5)),
    "other columns": "id,file_name,text,label,width\n"
    + "".join(f'{n},{n}.png,"one, two",{"cat" if n % 2 else "dog"},4\n' for n in range(1, 5)),
    "semicolons": "file;label\n1.png;cat\n2.png;dog\n3.png;cat\n4.png;dog\n",
    "tabs": "file\tlabel\n1.png\tcat\n2.png\tdog\n3.png\tcat\n4.png\tdog\n",
    "pipes": "file|label\n1.png|cat\n2.png|dog\n3.png|cat\n4.png|dog\n",
    "Excel's first line": "sep=;\nfile;label\n1.png;cat\n2.png;dog\n3.png;cat\n4.png;dog\n",
    "spaces": "file_name, label\n1.png , cat\n2.png, dog\n3.png, cat \n\n4.png, dog\n",
    "quotes": 'file_name,label\n"1.png","cat"\n"2.png","dog"\n"3.png","cat"\n"4.png","dog"\n',
    "CRLF": "file_name,label\r\n1.png,cat\r\n2.png,dog\r\n3.png,cat\r\n4.png,dog",
    "CR": "file_name,label\r1.png,cat\r2.png,dog\r3.png,cat\r4.png,dog",
    "a byte order mark": "\ufefffile_name,label\n1.png,cat\n2.png,dog\n3.png,cat\n4.png,dog\n",
    "no header": "1.png,cat\n2.png,dog\n3.png,cat\n4.png,dog\n",
    "no header, label first": "cat,1.png\ndog,2.png\ncat,3.png\ndog,4.png\n",
    "empty columns at the end": "file_name,label,,\n1.png,cat,,\n2.png,dog,,\n3.png,cat,,\n4.png,dog,,\n",
    "names in another case": "file_name,label\n1.PNG,cat\n2.Png,dog\n3.png,cat\n4.png,dog\n",
    "the same row twice": CSV.decode() + "1.png,cat\n",
    "a label without a usual name": "id,has_cactus\n1,cat\n2,dog\n3,cat\n4,dog\n",
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_every_usual_shape_of_a_table_is_read(table: Table, shape: str, encoding: str) -> None:
    text = SHAPES[shape].removeprefix("\ufeff") if encoding == "utf-16" else SHAPES[shape]
    imported = table.take(FOUR | {"labels.csv": text.encode(encoding)})
    assert imported.classes == TWO_EACH
    assert (imported.rejected, imported.report["warnings"]) == ([], [])


@pytest.mark.parametrize("outer", ["", "pets/", "downloads/pets/"])
@pytest.mark.parametrize("name", ["labels.csv", "annotations/labels.csv", "labels/metadata.tsv"])
def test_a_table_may_lie_beside_the_folder_of_the_pictures_and_in_outer_folders(
    table: Table, outer: str, name: str
) -> None:
    text = CSV.replace(b",", b"\t") if name.endswith("tsv") else CSV
    files = {f"{outer}{path}": content for path, content in FOUR.items()}
    imported = table.take(files | {f"{outer}{name}": text, f"__MACOSX/{outer}._labels.csv": b"x"})
    assert imported.classes == TWO_EACH
    assert (imported.rejected, imported.report["warnings"]) == ([], [])


def test_lines_of_json_are_read(table: Table) -> None:
    given = [{"file_name": f"{n}.png", "label": n % 2 == 1, "boxes": [[1, 2]]} for n in range(1, 5)]
    imported = table.take(FOUR | {"images/metadata.jsonl": "\n".join(map(json.dumps, given)).encode()})
    assert imported.classes == {"train": {"true": 2, "false": 2}}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("labels.csv", "id,label\n1,0\n2,1\n3,0\n4,01\n"),
        ("labels.jsonl", '{"id":1,"label":0}\n{"id":2,"label":1}\n{"id":3,"label":0}\n{"id":4,"label":"01"}'),
    ],
)
def test_numbers_are_classes_as_they_are_written(table: Table, name: str, text: str) -> None:
    assert table.take(FOUR | {name: text.encode()}).classes == {"train": {"0": 2, "1": 1, "01": 1}}


def test_tables_of_each_split_are_read_together(table: Table) -> None:
    files = {
        f"{split}/{n}.png": picture(n + 10 * at) for at, split in enumerate(("train", "test")) for n in (1, 2)
    }
    tables = {
        f"{split}/metadata.csv": b"file_name,label\n1.png,cat\n2.png,dog\n" for split in ("train", "test")
    }
    imported = table.take(files | tables)
    assert imported.classes == {"train": {"cat": 1, "dog": 1}, "test": {"cat": 1, "dog": 1}}
    found = imported.report["labels"]
    assert found is not None
    assert (
        found["summary"] == "labels from train/metadata.csv, test/metadata.csv: 4 of 4 pictures"
        or found["summary"] == "labels from test/metadata.csv, train/metadata.csv: 4 of 4 pictures"
    )

    at_the_root = b"file_name,label\ntrain/1.png,cat\ntrain/2.png,dog\ntest/1.png,cat\ntest/2.png,dog\n"
    assert table.take(files | {"metadata.csv": at_the_root}).sha256 == imported.sha256
    for name in ("{}_labels.csv", "pets_{}_labels.csv", "my pets {}-annotations.csv"):
        named = {name.format(split): b"id,label\n1,cat\n2,dog\n" for split in ("train", "test")}
        assert table.take(files | named).sha256 == imported.sha256


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("pets_metadata.csv", "image_id,label"),
        ("images/_annotations.csv", "filename,class"),
        ("train.csv", "id_code,diagnosis"),
    ],
)
def test_a_table_of_a_set_is_one_of_labels(table: Table, name: str, header: str) -> None:
    rows_ = [f"{n}.png,{'cat' if n % 2 else 'dog'}" for n in range(1, 5)]
    assert table.take(FOUR | {name: "\n".join([header, *rows_]).encode()}).classes == TWO_EACH
    assert table.take(PETS | {"pets_metadata.csv": b"name,text\na,b\n"}).classes == {
        split: dict(classes) for split, classes in table.take(PETS).classes.items()
    }


def test_a_column_says_the_split(table: Table) -> None:
    rows_ = [f"{n},{'cat' if n % 2 else 'dog'},{'Train' if n < 3 else 'val'}" for n in range(1, 5)]
    imported = table.take(FOUR | {"labels.csv": "\n".join(["id,label,split", *rows_]).encode()})
    assert imported.classes == {"train": {"cat": 1, "dog": 1}, "validation": {"cat": 1, "dog": 1}}


def test_kaggles_unlabelled_test_pictures_are_counted(table: Table) -> None:
    files = {f"train/{name}.png": picture(at) for at, name in enumerate(("000bec", "001513", "0042"))}
    unlabelled = {f"test/{name}.png": picture(at + 50) for at, name in enumerate(("a00a", "b00b"))}
    tables = {
        "labels.csv": b"id,breed\n000bec,boston_bull\n001513,dingo\n0042,dingo\n",
        "sample_submission.csv": b"id,breed\na00a,dingo\nb00b,dingo\n",
    }
    imported = table.take(files | unlabelled | tables)
    assert imported.classes == {"train": {"boston_bull": 1, "dingo": 2}}
    assert imported.report["warnings"] == [
        "2 pictures have no label in labels.csv, and were left out",
        "1 document was left out (sample_submission.csv)",
        "train has 2.0 times as many pictures of 'dingo' (2) as of 'boston_bull' (1): compare the recall of "
        "the classes, not only the accuracy",
    ]
    assert imported.rejected == [
        {"file": name, "reason": "has no label in labels.csv"}
        for name in ("sample_submission.csv", "test/a00a.png", "test/b00b.png")
    ]


def test_nothing_is_lost_without_being_counted(table: Table) -> None:
    text = "file_name,label\n1.png,cat\n2.png,dog\n3.png,\nx.png,cat\ny.png,dog\n4.png,cat\n4.png,dog\n,cat\n"
    files = FOUR | {
        "images/5.png": picture(5),
        "images/6.png": picture(6),
        "labels.csv": (text + "6.png,a,b\n").encode(),
    }
    assert table.refused(files) == (
        "4 of 6 files would be left out: has no label in labels.csv (3, as images/3.png); has rows with "
        "different labels in labels.csv (1, as images/4.png). To import the rest, allow it with "
        "--allow-partial (allow_partial in the spec)"
    )
    imported = table.take(files, partial=True)
    found = imported.report["labels"]
    assert found is not None
    assert (found["pictures"], found["labelled"], found["rows"]) == (6, 2, 9)
    assert (found["rows_without_picture"], found["rows_with_problems"], found["contradicted"]) == (2, 3, 1)
    assert [(row["line"], row["problem"]) for row in found["problems"]] == [
        (4, "has no label"),
        (5, "there is no picture 'x.png'"),
        (6, "there is no picture 'y.png'"),
        (9, "names no picture"),
        (10, "has 3 cells; should have 2"),
    ]
    assert imported.report["warnings"] == [
        "3 pictures have no label in labels.csv, and were left out",
        "1 picture has rows with different labels in labels.csv, and was left out",
        "2 rows of labels.csv name no picture (line 5: there is no picture 'x.png')",
        "3 rows of labels.csv can't be used (line 4: has no label)",
    ]
    assert {row["file"]: row["reason"] for row in imported.rejected} == {
        "images/3.png": "has no label in labels.csv",
        "images/4.png": "has rows with different labels in labels.csv",
        "images/5.png": "has no label in labels.csv",
        "images/6.png": "has no label in labels.csv",
    }


# ---- folders and tables


def test_a_table_that_says_what_the_folders_say_loses_no_picture(table: Table) -> None:
    text = b"file_name,label\ntrain/cats/a.png,cats\ntrain/dogs/a.png,dogs\n"
    imported = table.take(PETS | {"labels.csv": text})
    assert imported.sha256 == table.take(PETS).sha256
    found = imported.report["labels"]
    assert found is not None
    assert (found["used"], found["summary"]) == (False, "labels from the folders, not from labels.csv")


def test_a_table_that_contradicts_the_folders_is_refused_unless_one_is_chosen(table: Table) -> None:
    files = {f"{name}/{n}.png": picture(n + at) for at, name in ((0, "cats"), (9, "dogs")) for n in range(3)}
    text = b"file_name,label\ncats/0.png,cats\ncats/1.png,dogs\ndogs/0.png,dogs\n"
    assert table.refused(files | {"labels.csv": text}) == (
        "labels.csv and the folders contradict each other for 1 picture: cats/1.png has the label 'dogs'; "
        "say which is right: labels should be folders or table"
    )
    assert table.take(files | {"labels.csv": text}, labels="folders").classes == {
        "train": {"cats": 3, "dogs": 3}
    }
    assert table.take(files | {"labels.csv": text}, labels="table", partial=True).classes == {
        "train": {"cats": 1, "dogs": 2}
    }


def test_a_table_of_other_classes_than_the_folders_wins_and_says_so(table: Table) -> None:
    files = {f"00{n % 2}/{n}.png": picture(n) for n in range(4)}
    text = "".join(f"{n}.png,{'cat' if n < 2 else 'dog'}\n" for n in range(4))
    imported = table.take(files | {"labels.csv": b"file_name,label\n" + text.encode()})
    assert imported.classes == TWO_EACH
    assert imported.report["warnings"] == [
        "the pictures lie in folders, too, as 000, 001: these are not the classes; for those, import it with "
        "labels: folders"
    ]


@pytest.mark.parametrize(
    ("name", "text", "warning"),
    [
        ("labels.csv", "ClassId,Name\n0,cats\n", "labels.csv has no column that names the pictures"),
        ("labels.csv", "id,label\n0,cats\n1,dogs\n", "no row of labels.csv names a picture"),
        ("metadata.csv", "file_name,text\ntrain/cats/a.png,a cat\n", "metadata.csv has no column label"),
    ],
)
def test_a_table_without_labels_leaves_the_folders_as_they_are(
    table: Table, name: str, text: str, warning: str
) -> None:
    imported = table.take(PETS | {name: text.encode()})
    assert imported.sha256 == table.take(PETS).sha256
    (said,) = imported.report["warnings"][:1]
    assert said.startswith(warning)
    assert said.endswith("labels are from the folders")


def test_other_tables_are_passed_over(table: Table) -> None:
    others = {"train.csv": b"a,b\n1,2\n", "sampleSubmission.csv": b"id,label\n1,0\n"}
    assert table.take(PETS | others).report["labels"] is None


OTHERS = {
    "not UTF-8": "id,label\n1,épagneul\n".encode("latin-1"),
    "two columns of labels": b"id,label,category\n1,a,b\n",
    "two columns of pictures": b"image,path,label\n1,2,a\n",
    "a label that is no class": b"id,text,label\n1,good,yes\n2,bad,n/a\n",
    "a field without an end": b'id,label\n1,"cats\n',
    "an id that two pictures have": b"id,label\na,0\n",
    "a NUL": b"id,label\n1,\0\n",
}


@pytest.mark.parametrize("other", OTHERS)
@pytest.mark.parametrize("name", ["train.csv", "data/test.csv"])
def test_another_table_that_can_not_be_read_leaves_the_folders_and_says_so(
    table: Table, name: str, other: str
) -> None:
    imported = table.take(PETS | {name: OTHERS[other]})
    assert imported.sha256 == table.take(PETS).sha256
    (said,) = imported.report["warnings"][:1]
    assert said.endswith(": labels are from the folders")
    found = imported.report["labels"]
    assert found is not None
    assert (found["used"], found["tables"], found["rows"]) == (False, [name], 0)


def test_another_table_that_can_not_be_read_leaves_the_table_of_labels(table: Table) -> None:
    imported = table.take(FOUR | {"labels.csv": CSV, "train.csv": OTHERS["two columns of labels"]})
    assert imported.classes == TWO_EACH
    (said,) = imported.report["warnings"]
    assert said.startswith("train.csv has 2 columns that could be the label")
    assert "or import it with labels: folders" not in said


def test_a_broken_table_that_has_named_a_picture_is_refused(table: Table) -> None:
    text = b"file_name,label\ntrain/cats/a.png,cats\ntrain/dogs/a.png,d/ogs\n"
    refused = table.refused(PETS | {"train.csv": text})
    assert refused.startswith("train.csv: line 3 has the label 'd/ogs'")
    assert refused.endswith("; or import it with labels: folders")
    assert table.take(PETS | {"train.csv": text}, labels="folders").classes == table.take(PETS).classes


def test_a_refused_table_says_how_to_do_without_it(table: Table) -> None:
    broken = {"labels.csv": b"id,label\n1,\0\n"}
    assert table.refused(PETS | broken).endswith("; or import it with labels: folders")
    assert "labels: folders" not in table.refused(PETS | broken, labels="table")
    assert "labels: folders" not in table.refused(FOUR | broken)


# ---- what is refused


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "labels.csv",
            "image,filename,label\n1,1.png,cat\n",
            "labels.csv has 2 columns that could be the picture: 'image', 'filename'; call only the right "
            "one file_name, and rename the others",
        ),
        (
            "labels.csv",
            "id,label,class_name\n1,0,cat\n",
            "labels.csv has 2 columns that could be the label: 'label', 'class_name'; call only the right "
            "one label, and rename the others",
        ),
        ("labels.csv", "", "labels.csv is empty"),
        (
            "labels.csv",
            "a,b,c\n1,2,3\n",
            "labels.csv has no column that names the pictures, as file_name: it has 'a'",
        ),
        (
            "metadata.csv",
            "file_name,text\n1.png,a\n",
            "metadata.csv has no column label: it has 'file_name', 'text'",
        ),
        (
            "train.csv",
            "id,text,width\n1,a,2\n",
            "train.csv has no column label: it has 'id', 'text', 'width'",
        ),
        (
            "labels.csv",
            "id,label\n7,cat\n",
            "no row of labels.csv gives a picture a label (labels.csv, line 2: there is no picture '7')",
        ),
        (
            "labels.csv",
            "id,label\n1,a/b\n",
            "labels.csv: line 2 has the label 'a/b', which can't be the name of a class",
        ),
        ("labels.csv", "id,label\n1,..\n", "labels.csv: line 2 has the label '..', which can't be the name"),
        ("labels.csv", "id,label\n1,a\x1bb\n", "labels.csv: line 2 has the label"),
        ("labels.csv", f"id,label\n1,{'x' * 10_000}\n", "line 2 has a label of 10,000 characters"),
        ("labels.csv", f"id,label\n1,{'猫' * 60}\n", "and at most 150 bytes"),
        ("labels.csv", "id,label\n1,cat\0\n", "labels.csv: line 2 has a NUL character"),
        (
            "labels.csv",
            'id,label\n1,cat\n2,"dog\n3,cat\n',
            "labels.csv: line 3 can't be read: unexpected end of data",
        ),
        ("labels.csv", "id,label\n1,Cat\n2,cat\n", "would be one class"),
        ("labels.csv", "id,label\n1,cat\n2,cat\n", "by labels.csv, there is only one class, 'cat'"),
        ("imagelabels.mat", "MATLAB", "labels are read from .csv, .tsv and .jsonl, not from imagelabels.mat"),
        ("images/_classes.csv", "filename, cat, dog\n1.png, 1, 0\n", "not from images/_classes.csv"),
        (
            "skin_metadata.csv",
            "image_id,dx\n1,cat\n",
            "skin_metadata.csv has no column label: it has 'image_id', 'dx'",
        ),
        (
            "labels.csv",
            "id,label,split\n1,cat,first\n",
            "line 2 has the split 'first'; should be one of train",
        ),
        ("labels.jsonl", "[1]\n", "labels.jsonl: line 1 should be a JSON object"),
        ("labels.jsonl", '{"id": 1, "label": "cat"}\nhm\n', "labels.jsonl: line 2 is not JSON"),
        ("labels.jsonl", '{"id": 1, "label": ["cat"]}\n', "labels.jsonl: line 1 has a list as label"),
        ("labels.jsonl", "[" * 100_000, "labels.jsonl: line 1 is not JSON"),
        ("labels.xlsx", "PK", "labels are read from .csv, .tsv and .jsonl, not from labels.xlsx"),
    ],
)
def test_what_can_not_be_known_is_refused(table: Table, name: str, text: str, message: str) -> None:
    assert message in table.refused(FOUR | {name: text.encode()})


def test_a_name_that_two_pictures_have_is_refused(table: Table) -> None:
    files = {"a/1.png": picture(1), "b/1.png": picture(2), "a/2.png": picture(3)}
    assert table.refused(files | {"labels.csv": b"id,label\n1,cat\n2,dog\n"}) == (
        "'1' in a table of labels could be a/1.png or b/1.png; should be a path from the table's folder; or "
        "import it with labels: folders"
    )
    text = b"file_name,label\na/1.png,cat\nb/1.png,dog\na/2.png,dog\n"
    assert table.take(files | {"labels.csv": text}).classes == {"train": {"cat": 1, "dog": 2}}


def test_a_split_that_the_folder_contradicts_is_refused(table: Table) -> None:
    files = {
        f"{split}/{n}.png": picture(n) for split, n in (("train", 1), ("train", 2), ("test", 3), ("test", 4))
    }
    text = b"id,label,split\n1,cat,train\n2,dog,test\n3,cat,test\n4,dog,test\n"
    assert table.refused(files | {"labels.csv": text}) == (
        "labels.csv: line 3 puts train/2.png into test, but it lies in train; should be the same"
    )


def test_text_that_is_not_utf_8_is_refused(table: Table) -> None:
    assert table.refused(FOUR | {"labels.csv": "id,label\n1,chaton\n2,épagneul\n".encode("latin-1")}) == (
        "labels.csv: what comes after line 0 is not UTF-8; save the table as UTF-8"
    )


def test_a_table_is_wanted_and_there_is_none(table: Table) -> None:
    assert "there is no table of labels, as labels.csv" in table.refused(PETS, labels="table")


# ---- limits


def test_lines_rows_and_tables_have_limits(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "MAX_LINE", 100)
    assert "line 2 is longer than 100 characters" in table.refused(
        FOUR | {"labels.jsonl": b'{"id": 1, "label": "cat"}\n' + b" " * 200}
    )
    monkeypatch.setattr(layout, "MAX_ROWS", 3)
    assert "tables of labels should have at most 3 rows" in table.refused(FOUR | {"labels.csv": CSV})
    monkeypatch.setattr(kept, "MAX_TABLES", 2)
    tables = {f"{name}/labels.csv": CSV for name in "abc"}
    assert "should have at most 2 tables of labels" in table.refused(FOUR | tables)


def test_a_table_larger_than_what_may_be_unpacked_is_refused(table: Table) -> None:
    assert "unpack to over" in table.refused(FOUR | {"labels.csv": bytes(LIMIT)})


def test_a_field_without_an_end_takes_no_more_than_a_line(table: Table) -> None:
    endless = b'id,label\n1,"' + b"x\n" * 4_000_000
    with allocated() as peak:
        assert "field larger than field limit" in table.refused(FOUR | {"labels.csv": endless})
    assert peak.bytes < 20_000_000


def test_a_crowd_of_one_name_is_not_searched_for_each_row(table: Table) -> None:
    """Else half a million files of one name, and as many rows, are 250 billion comparisons."""
    crowd = {f"{number}/1.txt": b"x" for number in range(kept.MAX_TABLES + 50)}
    many = "".join(f"0/9/{number}/1.txt,cat\n" for number in range(20_000))
    found = table.report(FOUR | crowd | {"labels.csv": CSV + many.encode()})
    assert (found["labelled"], found["rows_without_picture"]) == (4, 20_000)


def test_links_are_no_tables(table: Table, tmp_path: Path) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_bytes(b"id,label\n1,cat\n2,dog\n")
    folder = pack_folder(tmp_path / "linked", FOUR)
    (folder / "labels.csv").symlink_to(secret)
    with pytest.raises(WorkError, match=r"there are no class folders|only one class"):
        import_pictures(folder, tmp_path / "out" / "a.zip", LIMIT, NoMetrics())


# ---- any content


CELLS = st.text(
    st.characters(
        codec="utf-8",
        exclude_characters="/\\\0",
        exclude_categories=["Cs", "Cc", "Zl", "Zp", "Zs", "Cf", "Co", "Cn"],
    ),
    min_size=1,
    max_size=12,
).filter(lambda text: safe_name(text) != "_" and text.isprintable())
# Of files: not hidden, and not of a drive.
NAMES = CELLS.filter(lambda text: text[0] != "." and ":" not in text)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(CELLS, min_size=2, max_size=4, unique_by=lambda text: safe_name(text).casefold()),
    st.sampled_from([",", ";", "\t", "|"]),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    st.data(),
)
def test_what_a_csv_writer_writes_is_read(
    tmp_path_factory: pytest.TempPathFactory,
    labels: list[str],
    delimiter: str,
    end: str,
    encoding: str,
    data: st.DataObject,
) -> None:
    names = data.draw(
        st.lists(NAMES, min_size=len(labels), max_size=6, unique_by=lambda text: safe_name(text).casefold())
    )
    given_ = {f"{name}.png": labels[at % len(labels)] for at, name in enumerate(names)}
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator=end)
    writer.writerow(["note", "file_name", "label"])
    writer.writerows(["a, b; c", name, label] for name, label in given_.items())
    files = {name: picture(at) for at, name in enumerate(given_)}
    found = Table(tmp_path_factory.mktemp("any")).take(
        files | {"labels.csv": text.getvalue().encode(encoding)}
    )
    expected: dict[str, int] = {}
    for label in given_.values():
        expected[safe_name(label)] = expected.get(safe_name(label), 0) + 1
    assert found.classes == {"train": expected}
    assert found.rejected_count == 0


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.binary(max_size=80) | st.text(max_size=60).map(str.encode),
    st.sampled_from(["labels.csv", "labels.jsonl"]),
)
def test_no_table_ends_otherwise_than_with_a_data_set_or_a_reason(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, name: str
) -> None:
    table = Table(tmp_path_factory.mktemp("any"))
    start = (
        b"id,label\n1,cat\n2,dog\n"
        if name.endswith("csv")
        else b'{"id":1,"label":"cat"}\n{"id":2,"label":"dog"}\n'
    )
    try:
        imported = table.take(FOUR | {name: start + content})
    except WorkError:
        return
    found = imported.report["labels"]
    assert found is not None
    assert imported.pictures == found["labelled"] <= found["pictures"] == 4
