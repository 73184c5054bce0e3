"""Libraries for tables and pictures are loaded when they are asked for, and the client does without them."""

import subprocess
import sys

import pytest

from jobyard.client import JobyardClientError
from jobyard.client.libraries import installed, is_of, needed

LIBRARIES = ("pandas", "polars", "pyarrow", "numpy", "PIL", "matplotlib", "ipywidgets")

ALONE = f"""
import sys
from contextlib import ExitStack
from pathlib import Path

for library in {LIBRARIES}:
    sys.modules[library] = None  # its import fails

import json
from jobyard import Client, JobyardClientError
from jobyard.client.picture_inputs import pictures
from jobyard.client.score_inputs import score_input
from jobyard.client.score_tables import Question, table_of

with ExitStack() as opened:
    assert score_input({{"texts": ["good", "bad"]}}, opened).spec == {{"texts": ["good", "bad"]}}
    assert score_input({{"texts": Path("a.csv")}}, opened).spec == {{"file": Path("a.csv")}}
    sent = score_input({{"texts": iter(["good", None, float("nan")])}}, opened).spec
    lines = sent["file"].read_text().splitlines()
    assert (sent["column"], [json.loads(line) for line in lines]) == (
        "text", [{{"text": "good"}}, {{"text": None}}, {{"text": None}}]
    )
    found = pictures([b"GIF89a", "a.jpg"], sent["file"].parent)
    assert found.called == [0, "a.jpg"]
methods = {{"pandas": "to_pandas()", "polars": "to_polars()", "pyarrow": "to_arrow()"}}
for library, method in methods.items():
    try:
        table_of([], "text", Question(), None, library, method)
    except JobyardClientError as error:
        assert str(error).startswith(f"{{method}} needs {{library}}, which is not installed"), error
        assert "jobyard[notebook]" in str(error)
    else:
        raise AssertionError(library)
"""

UNASKED = f"""
import sys
from jobyard import Client, JobyardClientError

with Client("http://127.0.0.1:9", "token") as client:
    try:
        client.score(["good", 5])
    except JobyardClientError:
        pass
assert not set({LIBRARIES}) & set(sys.modules), set({LIBRARIES}) & set(sys.modules)
"""


@pytest.mark.parametrize("program", [ALONE, UNASKED])
def test_lists_paths_and_lines_need_no_library(program: str) -> None:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_library_that_is_missing_is_named_with_what_installs_it() -> None:
    assert installed("no_such_library") is None
    assert needed("json", "x").loads("1") == 1
    with pytest.raises(JobyardClientError) as refused:
        needed("no_such_library.inner", "to_pandas()")
    said = 'to_pandas() needs no_such_library, which is not installed: pip install "jobyard[notebook]"'
    assert str(refused.value) == said


def test_a_value_is_of_a_library_that_is_loaded() -> None:
    assert is_of(1, "builtins", "int", "no_such_class")
    assert not is_of(1, "builtins", "str")
    assert not is_of(1, "no_such_library", "int")
