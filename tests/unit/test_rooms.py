"""Who loads what: measured in processes of their own."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = {"tensorflow", "keras", "nltk"}


def loaded_after(code: str) -> set[str]:
    """The top-level modules that the code leaves loaded; of ours all, without the prefix `jobyard.`."""
    shown = f"{code}\nimport sys, json\nprint(json.dumps(sorted(sys.modules)))"
    process = subprocess.run(
        [sys.executable, "-W", "error", "-c", shown], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert process.returncode == 0, process.stderr
    modules = json.loads(process.stdout.splitlines()[-1])
    ours = {module.removeprefix("jobyard.") for module in modules if module.startswith("jobyard.")}
    return ours | {module.split(".")[0] for module in modules}


@pytest.fixture(scope="module")
def web() -> set[str]:
    return loaded_after("import jobyard.web.app, jobyard.web.gunicorn")


def test_the_heavy_libraries_are_there_to_be_left_out() -> None:
    """Else the tests below could not fail."""
    assert all(importlib.util.find_spec(name) for name in HEAVY)
    assert loaded_after("import nltk") >= {"nltk"}


def test_web_loads_neither_the_work_nor_its_libraries(web: set[str]) -> None:
    assert "web.api.jobs" in web
    assert not web & (HEAVY | {"workers", "matplotlib", "pyarrow", "numpy", "uplot", "IPython"})


def test_web_loads_nothing_that_opens_archives(web: set[str]) -> None:
    """What is in an upload is for a worker to find out."""
    assert "shared.archives.walk" in loaded_after("import jobyard.workers.kinds.imports")
    assert not [name for name in web if name.startswith("shared.archives")]
    assert not web & {"tarfile", "bz2", "lzma"} - loaded_after("import flask, gunicorn, matplotlib, duckdb")


def test_the_parents_of_pools_load_no_heavy_library_and_make_a_worker_of_each_queue(tmp_path: Path) -> None:
    """All of them in one process: what none of the heavy ones is in, none of these has loaded."""
    code = (
        "from pathlib import Path\n"
        "import jobyard.workers.kinds, jobyard.workers.runtime.sweeper\n"
        "import jobyard.workers.runtime.tasks, jobyard.workers.__main__\n"
        "from jobyard.shared.config import Settings\n"
        "from jobyard.shared.kinds.base import Queue\n"
        "from jobyard.workers.runtime.app import make_worker\n"
        f"settings = Settings(home=Path({str(tmp_path)!r}))\n"
        "for queue in Queue:\n"
        "    app = make_worker(settings, queue)\n"
        "    app.loader.import_default_modules()\n"
        "    assert 'wake_up' in app.tasks\n"
    )
    loaded = loaded_after(code)
    assert {"workers", "workers.kinds", "workers.runtime.sweeper"} <= loaded
    assert not loaded & (HEAVY | {"web", "flask", "numpy"})


def test_scoring_texts_loads_no_tensorflow(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path\n"
        "import threading\n"
        "from jobyard.shared import jobs\n"
        "from jobyard.shared.broker import Broker\n"
        "from jobyard.shared.config import Settings\n"
        "from jobyard.shared.database import Database\n"
        "from jobyard.shared.migrate import upgrade\n"
        "from jobyard.shared.storage import Storage\n"
        "from jobyard.workers import kinds\n"
        "from tests.workers import AttemptLog\n"
        "from jobyard.workers.runtime.executor import Executor\n"
        "from jobyard.workers.runtime.context import Context\n"
        f"settings = Settings(home=Path({str(tmp_path)!r}))\n"
        "upgrade(settings)\n"
        "database = Database(settings.database)\n"
        "context = Context(settings, database, Storage(settings.storage, database), Broker(settings))\n"
        "spec = {'texts': ['I love it']}\n"
        "with database.write() as session:\n"
        "    job, _ = jobs.submit(session, kind='sentiment', queue='cpu', spec=spec, priority=5,"
        " max_attempts=1)\n"
        "assert Executor(context, kinds.WORKS, 'cpu', 'w', threading.Event(), AttemptLog()).run() == 1\n"
        "with database.read() as session:\n"
        "    job = jobs.get(session, job.id)\n"
        "assert job.state == 'succeeded', job.error_message\n"
        "assert job.result['scores'][0]['label'] == 'positive'\n"
        "database.dispose()\n"
    )
    loaded = loaded_after(code)
    assert "nltk" in loaded
    assert not loaded & {"tensorflow", "keras", "web", "flask"}


@pytest.mark.parametrize(
    "code", ["import jobyard.workers.sentiment.vader.scorer, jobyard.workers.sentiment.files"]
)
def test_the_work_on_texts_knows_no_queue_and_no_sql(code: str) -> None:
    assert not loaded_after(code) & {"celery", "kombu", "sqlalchemy", "tensorflow", "web", "flask"}


def test_the_client_loads_nothing_of_the_server() -> None:
    loaded = loaded_after("from jobyard.client import AsyncClient, Client")
    assert {"client._async.client", "client._sync.client"} <= loaded
    assert not loaded & {"shared", "flask", "sqlalchemy", "celery", "pydantic", "workers", *HEAVY}


def test_the_contract_loads_neither_side() -> None:
    code = (
        "import jobyard.shared.broker, jobyard.shared.migrate, jobyard.shared.tables, jobyard.shared.pictures"
    )
    assert not loaded_after(code) & {"web", "workers", "flask", *HEAVY}
