"""How the end of the process that exports becomes an outcome."""

from typing import Any

import pytest

from jobyard.shared.disk import is_full
from jobyard.shared.errors import WorkError
from jobyard.workers.kinds.export import facts_of
from jobyard.workers.runtime.child import Ended


def ended(**changes: Any) -> Ended:
    given: dict[str, Any] = {"code": 0, "answer": None, "log": "last words", "peak_bytes": 1}
    given |= {"took_too_long": False, "took_too_much_memory": False}
    return Ended(**given | changes)


@pytest.mark.parametrize(
    ("how", "why"),
    [
        (ended(answer={"error": "ONNX has nothing for X"}), "ONNX has nothing for X"),
        (ended(code=-6), "the converter crashed (SIGABRT)"),
        (ended(code=-11), "the converter crashed (SIGSEGV)"),
        (ended(code=1), "the converter crashed (exit status 1)"),
        (ended(code=0), "the converter crashed (exit status 0)"),
        (ended(code=0, answer=["nonsense"]), "the converter crashed (exit status 0)"),
        (ended(code=-9), "the converter was killed: the machine may have run out of memory"),
        (ended(code=-9, took_too_long=True), "the conversion took over 30 minutes"),
        (
            ended(code=-9, took_too_much_memory=True),
            "the conversion took over 2.0 GB of memory, which is what JOBYARD_EXPORT_MEMORY_BYTES allows",
        ),
        # An answer counts only if the process ended well after it.
        (ended(code=-11, answer={"result": {}}), "the converter crashed (SIGSEGV)"),
    ],
)
def test_what_went_wrong_is_one_line_and_the_log_is_kept(how: Ended, why: str) -> None:
    with pytest.raises(WorkError) as caught:
        facts_of(how, "ONNX", 2 * 10**9)
    assert caught.value.message == f"the model can't be exported as ONNX: {why}"
    assert caught.value.__notes__ == ["last words"]


def test_a_full_disk_is_not_the_job_s_fault() -> None:
    with pytest.raises(OSError, match="space") as caught:
        facts_of(ended(answer={"is_full": True}), "ONNX", 1)
    assert is_full(caught.value)


def test_the_facts_are_those_of_the_answer() -> None:
    assert facts_of(ended(answer={"result": {"input": "x"}}), "ONNX", 1) == {"input": "x"}
