"""FIELD=VALUE becomes JSON as the schema of a spec says."""

import re
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from pydantic import BaseModel, ConfigDict, Field

from jobyard.cli.fields import FieldError, fill, uploads


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Augment(Strict):
    shear: float = 8
    flip: bool = True


class Rule(Strict):
    word: str


class Spec(Strict):
    """One field of each sort."""

    dataset: str
    network: Literal["compact", "classic"] = "compact"
    level: Literal[1, 2] = 1
    epochs: int = 36
    rate: float = 0.1
    explain: bool = False
    patience: int | None = Field(default=None, ge=1)
    top: Annotated[int, Field(ge=1)] | None = None
    augment: Augment = Augment()
    tuned: Augment | None = None
    lexicon: dict[str, float] | None = None
    options: dict[str, Any] = {}
    column: Annotated[int, Field(ge=1, le=1000)] | str | None = None
    texts: list[str] | None = None
    sizes: list[int] = []
    rules: list[Rule] = []
    file: UUID | None = None
    images: list[UUID] | None = None
    anything: Any = None


SCHEMA = Spec.model_json_schema()


@pytest.mark.parametrize(
    ("given", "spec"),
    [
        (["dataset=cats@1"], {"dataset": "cats@1"}),
        (["dataset=7"], {"dataset": "7"}),
        (["dataset=a=b"], {"dataset": "a=b"}),
        (["dataset="], {"dataset": ""}),
        (["dataset=null"], {"dataset": "null"}),
        (["dataset=@home"], {"dataset": "@home"}),
        (["network=classic"], {"network": "classic"}),
        (["level=2"], {"level": 2}),
        (["epochs=5"], {"epochs": 5}),
        (["epochs=-1"], {"epochs": -1}),  # the server says the limit
        (["rate=0.01"], {"rate": 0.01}),
        (["rate=1e-3"], {"rate": 0.001}),
        (["rate=2"], {"rate": 2}),
        (["explain=true"], {"explain": True}),
        (["explain=False"], {"explain": False}),
        (["patience=3"], {"patience": 3}),
        (["patience=0"], {"patience": 0}),
        (["patience=null"], {"patience": None}),
        (["augment.shear=0.2", "augment.flip=false"], {"augment": {"shear": 0.2, "flip": False}}),
        (['augment={"shear": 1}', "augment.flip=true"], {"augment": {"shear": 1, "flip": True}}),
        (["tuned.shear=3"], {"tuned": {"shear": 3}}),
        (["lexicon.sick=2.1", "lexicon.e.g.=1"], {"lexicon": {"sick": 2.1, "e.g.": 1}}),
        (['lexicon={"sick": 2.1}'], {"lexicon": {"sick": 2.1}}),
        (["options.deep.er=[1]", "options.text=x"], {"options": {"deep.er": [1], "text": "x"}}),
        (["column=2"], {"column": 2}),
        (["column=2024"], {"column": "2024"}),  # no file has so many: it is a name
        (["column=body"], {"column": "body"}),
        (["texts=I love it", "texts=[sic]"], {"texts": ["I love it", "[sic]"]}),
        (['texts=["one", "two"]', "texts=three"], {"texts": ["one", "two", "three"]}),
        (["sizes=1", "sizes=2"], {"sizes": [1, 2]}),
        (["sizes=[1, 2]"], {"sizes": [1, 2]}),
        (['rules={"word": "a"}'], {"rules": [{"word": "a"}]}),
        (["file=0198c5b0-0000-7000-8000-000000000001"], {"file": "0198c5b0-0000-7000-8000-000000000001"}),
        (["anything=[1]"], {"anything": [1]}),
        (["anything=x"], {"anything": "x"}),
    ],
)
def test_a_value_has_the_type_of_its_field(given: list[str], spec: dict[str, Any]) -> None:
    filled = fill({}, given, SCHEMA)
    assert filled == spec
    assert [type(value) for value in filled.values()] == [type(value) for value in spec.values()]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["epoch=5"], "epoch: there is no such field; did you mean 'epochs'?"),
        (["augment.sheer=1"], "augment.sheer: there is no such field; did you mean 'augment.shear'?"),
        (["augment.x=1"], "augment.x: there is no such field; should be one of augment.shear, augment.flip"),
        (["epochs.x=1"], "epochs.x: there is no such field; epochs has no fields"),
        (["zzz=1"], "zzz: there is no such field; should be one of dataset, network, level, "),
        (["epochs"], "epochs: should be FIELD=VALUE"),
        (["=5"], "=5: should be FIELD=VALUE"),
        (["epochs=many"], "epochs: should be a whole number, but is 'many'"),
        (["epochs=1.5"], "epochs: should be a whole number, but is '1.5'"),
        (["epochs=null"], "epochs: should be a whole number, but is 'null'"),
        (["rate=nan"], "rate: should be a number, but is 'nan'"),
        (["patience=long"], "patience: should be a whole number, but is 'long'"),
        (["explain=perhaps"], "explain: should be true or false, but is 'perhaps'"),
        (["augment=strong"], "augment: should be a JSON object, but is 'strong'"),
        (["sizes=large"], "sizes: should be a whole number, but is 'large'"),
        (["epochs=1", "epochs=2"], "epochs: is given twice"),
        (["tuned=null", "tuned.shear=1"], "tuned.shear: tuned is given as null already"),
        (["file=@nowhere.csv"], "file: there is no file nowhere.csv"),
    ],
)
def test_what_is_wrong_is_said_with_what_would_be_right(given: list[str], said: str) -> None:
    with pytest.raises(FieldError, match=f"^{re.escape(said)}") as caught:
        fill({}, given, SCHEMA)
    assert "\n" not in caught.value.message


def test_a_file_is_a_path_to_upload_where_the_field_is_the_id_of_one(tmp_path: Path) -> None:
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / name).touch()
    one, two = tmp_path / "a.jpg", tmp_path / "b.jpg"
    filled = fill({}, [f"file=@{one}", f"images=@{one}", f"images=@{two}"], SCHEMA)
    assert filled == {"file": one, "images": [one, two]}
    assert list(uploads(filled)) == [one, one, two]


def test_fields_win_over_the_spec_that_they_are_added_to() -> None:
    spec = {"epochs": 1, "texts": ["old"], "augment": {"shear": 1, "flip": True}}
    filled = fill(spec, ["epochs=2", "texts=new", "augment.shear=3"], SCHEMA)
    assert filled == {"epochs": 2, "texts": ["new"], "augment": {"shear": 3, "flip": True}}
    assert spec == {"epochs": 1, "texts": ["old"], "augment": {"shear": 1, "flip": True}}
