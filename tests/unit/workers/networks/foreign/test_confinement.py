"""The process that reads a foreign model does nothing else, whatever the file made it try."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from jobyard.workers.networks.foreign import process
from jobyard.workers.networks.foreign.confinement import TOO_MUCH_MEMORY
from jobyard.workers.networks.foreign.task import Task
from jobyard.workers.runtime.child import Ended

ROOT = Path(__file__).parents[5]

CONFINED = """
import os, sys
from pathlib import Path
from jobyard.workers.networks.foreign.confinement import Confinement
confinement = Confinement(Path(sys.argv[1]), seconds={seconds}, file_bytes=1 << 20)
confinement.close(256 << 20)
{code}
"""


def confined(code: str, folder: Path, seconds: float = 30.0) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", CONFINED.format(code=code, seconds=seconds), str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )


FORBIDDEN = {
    "a socket": ("import socket; socket.socket()", "tried to cause 'socket.__new__'"),
    "a name looked up": ("import socket; socket.getaddrinfo('localhost', 1)", "tried to cause 'socket."),
    "a shell": ("os.system('true')", "tried to cause 'os.system'"),
    "a program": ("import subprocess; subprocess.run(['true'])", "tried to cause 'subprocess.Popen'"),
    "another program instead": ("os.execv('/bin/true', ['true'])", "tried to cause 'os.exec'"),
    "a fork": ("os.fork()", "tried to cause 'os.fork'"),
    "a pickle": ("import pickle; pickle.loads(b'cos\\nsystem\\n.')", "tried to cause 'pickle.find_class'"),
    "a file elsewhere": ("open('/tmp/elsewhere', 'w')", "tried to write '/tmp/elsewhere'"),
    "a file by a link": ("os.open(f'{sys.argv[1]}/link', os.O_WRONLY)", "/link'; it is made to do harm"),
}


@pytest.mark.parametrize(("code", "words"), FORBIDDEN.values(), ids=FORBIDDEN)
def test_what_a_file_of_weights_has_no_reason_for_is_refused(tmp_path: Path, code: str, words: str) -> None:
    outside = tmp_path / "outside"
    outside.touch()
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "link").symlink_to(outside)
    done = confined(code, folder)
    assert done.returncode == 1
    assert words in done.stderr.splitlines()[-1]


def test_its_own_work_is_allowed(tmp_path: Path) -> None:
    done = confined(
        "open('/etc/passwd').close(); Path(sys.argv[1], 'own').write_text('x'); bytes(100 << 20)", tmp_path
    )
    assert (done.returncode, done.stderr) == (0, "")


ENDS = {
    "sleeps": ("import time; time.sleep(60)", 0.5, -signal.SIGALRM),
    "writes too much": ("Path(sys.argv[1], 'own').write_bytes(bytes(2 << 20))", 30.0, 1),
    "takes memory": ("kept = bytearray(512 << 20)", 30.0, 1),
}


@pytest.mark.parametrize(("code", "seconds", "status"), ENDS.values(), ids=ENDS)
def test_what_takes_too_much_ends(tmp_path: Path, code: str, seconds: float, status: int) -> None:
    assert confined(code, tmp_path, seconds).returncode == status


def test_a_thread_sees_memory_where_the_kernel_sets_no_limit(tmp_path: Path) -> None:
    code = (
        "import resource, time\n"
        "hard = resource.getrlimit(resource.RLIMIT_DATA)[1]\n"
        "resource.setrlimit(resource.RLIMIT_DATA, (hard, hard))\n"
        "kept = b'x' * (512 << 20)\n"
        "time.sleep(30)\n"
    )
    assert confined(code, tmp_path).returncode == TOO_MUCH_MEMORY


@pytest.mark.parametrize(
    ("ended", "words"),
    [
        (Ended(-signal.SIGSEGV, None, "", 0, False, False), "it crashed the process that read it (SIGSEGV)"),
        (Ended(-signal.SIGABRT, None, "", 0, False, False), "(SIGABRT); it is damaged, needs more memory"),
        (Ended(-signal.SIGALRM, None, "", 0, False, False), "took over 600 seconds"),
        (Ended(-signal.SIGKILL, None, "", 0, True, False), "took over 600 seconds"),
        (Ended(-signal.SIGKILL, None, "", 0, False, True), "took more memory than its weights need"),
        (Ended(TOO_MUCH_MEMORY, None, "", 0, False, False), "took more memory than its weights need"),
    ],
)
def test_how_it_ended_is_a_reason(ended: Ended, words: str) -> None:
    assert words in process.why(Task("", "", "", [], None, None, 0), ended)
