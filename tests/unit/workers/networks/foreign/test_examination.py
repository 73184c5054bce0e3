"""Foreign models before Keras is there: each known hole and each trick is refused, with its reason."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from jobyard.workers.networks import architecture
from jobyard.workers.networks.foreign.task import Task
from tests import foreign
from tests.foreign import IN_CONFIG, IN_HDF5, IN_ZIP, OTHER_FORMATS

ROOT = Path(__file__).parents[5]
MIB = 1 << 20
ATTACKS = [*IN_CONFIG.found, *IN_HDF5.found, *IN_ZIP.found, *OTHER_FORMATS.found]
UNPACKED_BYTES = 256 * MIB
# The lists of 8 MiB of JSON, and the objects of a zip with half a million members.
GROWTH = 120 * MIB


@dataclass(frozen=True)
class Verdict:
    """What a process said of a file, and what it did."""

    message: str
    grown: int
    events: list[str]


def examined(files: dict[str, tuple[str, bytes]], folder: Path) -> dict[str, Verdict]:
    """Have one process examine files (an upload's name, and its bytes) by what they are."""
    tasks = []
    for number, (name, content) in enumerate(files.values()):
        own = folder / str(number)
        own.mkdir()
        path = own / "upload"
        path.write_bytes(content)
        tasks.append(Task(str(path), name, str(own), ["a", "b"], None, None, UNPACKED_BYTES).as_json())
    done = subprocess.run(
        [sys.executable, "-m", "tests.watched"],
        input=json.dumps(tasks),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return {what: Verdict(**one) for what, one in zip(files, found, strict=True)}


def test_each_is_refused_with_its_reason_and_does_nothing(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"s" * 10_000)
    # Reading it would set this time, also where the disk is mounted with `relatime`.
    os.utime(secret, ns=(0, secret.stat().st_mtime_ns))
    folder = tmp_path / "files"
    folder.mkdir()
    files = {attack.name: (attack.file_name, attack.make(secret)) for attack in ATTACKS}
    assert len(files) == len(ATTACKS)
    right = {
        "a model": ("model.keras", foreign.keras_file()),
        "with an optimizer": ("a.keras", trained()),
        "with what is left out": ("b.keras", foreign.keras_file(LEFT_OUT)),
    }
    verdicts = examined(files | right, folder)
    for attack in ATTACKS:
        found = verdicts[attack.name]
        assert attack.words in found.message, attack.name
        assert "\n" not in found.message
        assert found.events == [], attack.name
        assert found.grown < GROWTH, (attack.name, found.grown)
    assert secret.stat().st_atime_ns == 0
    # Else nothing of that could fail.
    assert {verdicts[what].message for what in right} == {"accepted"}
    secret.read_bytes()
    if secret.stat().st_atime_ns == 0:
        pytest.skip("this file system doesn't note when a file is read; all else was checked")


# What Keras' loader would call or allocate, and what nothing of is built.
LEFT_OUT = foreign.network(
    foreign.dense() | {"build_config": {"input_shape": [None, 10**15]}},
    compile_config={
        "optimizer": {"module": "os", "class_name": "function", "config": "system"},
        "loss": {"module": "subprocess", "class_name": "Popen", "config": {"args": ["id"]}},
    },
    build_config={"input_shape": [None, 10**9, 10**9, 3]},
)


def test_what_is_built_has_nothing_that_was_not_checked() -> None:
    built = json.dumps(architecture.check(LEFT_OUT).config())
    assert "GlobalAveragePooling2D" in built
    for word in ("build_config", "compile_config", "subprocess", "system"):
        assert word not in built


def trained() -> bytes:
    """Of a model that was compiled; what is in the optimizer's group is not looked at."""

    def change(file: Any) -> None:
        file["optimizer/vars/0"] = 7
        file["optimizer/vars/1"] = "anything"

    return foreign.keras_file(foreign.network(compile_config={"loss": "mse"}), foreign.weights(change))


def test_the_process_records_what_it_does(tmp_path: Path) -> None:
    """Else the lists of events could be empty for another reason."""
    code = (
        "import os, socket\n"
        "from tests.recorder import Recorder\n"
        "recorder = Recorder()\n"
        f"recorder.folder = {str(tmp_path)!r}\n"
        "open('/etc/passwd').close()\n"
        "socket.socket().close()\n"
        "os.system('true')\n"
        "recorder.folder = None\n"
        "print([event.split()[0] for event in recorder.events])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=180
    )
    assert done.stdout.strip() == "['open', 'socket.__new__', 'os.system']"


def test_memory_that_is_taken_shows_in_the_peak() -> None:
    code = (
        "from tests.recorder import peak_bytes, reset_peak\n"
        "reset_peak()\n"
        "before = peak_bytes()\n"
        "bytes(bytearray(200 << 20))\n"
        "print(peak_bytes() - before > 150 << 20)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=180
    )
    assert done.stdout.strip() == "True"
