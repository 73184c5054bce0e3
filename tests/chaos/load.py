"""Clients that submit a mixed load, again and again until they are answered, and remember each answer."""

import csv
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from jobyard import Client, ConnectionFailed, Job, JobyardClientError, ServerError
from jobyard.client.packing import classes_in, write_zip
from tests.chaos.operators import Operator, client_token
from tests.chaos.owner import DOOMED_SCRIPTS, SCRIPTS, SHORT_SCRIPTS, Owner, Script
from tests.chaos.record import Record
from tests.chaos.stack import Stack
from tests.factories import draw, draw_dataset

PAUSE_SECONDS = 0.8
# How many jobs of a kind one client has under way; single texts have no limit.
AT_ONCE = {"train": 1, "predict": 1, "import": 1, "file": 1}
WEIGHTS = {"texts": 12, "file": 4, "predict": 3, "import": 1, "train": 4, "doomed": 1}
SCRIPTS_OF = {"texts": SHORT_SCRIPTS, "import": SHORT_SCRIPTS, "doomed": DOOMED_SCRIPTS}
# How long at most such a job runs on before its owner does something to it.
LATER_SECONDS = {"train": 8.0, "file": 3.0, "predict": 0.5}
SENT_TWICE = 0.15
# How long a submit goes on being sent once the load has ended.
LAST_SECONDS = 90.0

# The last is scored in parts.
ROWS = (2_000, 20_000, 300_000)
# What a job works on that lasts.
LONG_ROWS = 1_500_000
LONG_PICTURES = (100, 800)
TEXTS = (
    "I love this product, it is absolutely amazing!",
    "This is the worst experience I have ever had.",
    "The weather today is okay, neither good nor bad.",
    "Not bad at all, but the ending was terrible :(",
)
# Of the network that is quickest to build, in epochs that last a while: what is trained makes no difference.
TRAINING: Final[dict[str, Any]] = {
    "network": "classic",
    "image_size": 32,
    "batch_size": 8,
    "steps_per_epoch": 12,
}

Spec = dict[str, Any]


@dataclass
class Material:
    """What the jobs are about, made before the first fault."""

    dataset: str
    model: str
    tables: list[str]
    long_table: str
    long_dataset: str
    archives: list[str]
    pictures: list[str]
    # The path of a file that a job has left.
    download: str


def prepare(stack: Stack, record: Record, seed: int) -> Material:
    """Upload files, import a data set, train a model."""
    folder = stack.folder / "material"
    with stack.client(timeout=60) as client:
        tables = [str(client.upload(_table(folder / f"{rows}.csv", rows, seed))["id"]) for rows in ROWS]
        long_table = str(client.upload(_table(folder / "long.csv", LONG_ROWS, seed))["id"])
        archives = []
        for number in range(3):
            _zip(_pictures(folder / f"set{number}", seed + number), folder / f"set{number}.zip")
            archives.append(str(client.upload(folder / f"set{number}.zip")["id"]))
        per_class, size = LONG_PICTURES
        _zip(draw_dataset(folder / "large", per_class, size), folder / "large.zip")
        large = str(client.upload(folder / "large.zip")["id"])
        pictures = [str(client.upload(draw(folder / f"{n}.png", "discs", seed=n))["id"]) for n in range(3)]
        dataset = _result(_first(client, record, "import", {"name": "shapes", "file": archives[0]}))[
            "dataset"
        ]
        long_dataset = _imported(client, record, "large", large)
        training = {"dataset": dataset, "model_name": "chaos", "epochs": 1, **TRAINING}
        trained = _first(client, record, "train", training)
    download = f"/jobs/{trained.id}/files/model.keras"
    model = _result(trained)["model"]
    return Material(dataset, model, tables, long_table, long_dataset, archives, pictures, download)


def _imported(client: Client, record: Record, name: str, file: str) -> str:
    return str(_result(_first(client, record, "import", {"name": name, "file": file}))["dataset"])


def _first(client: Client, record: Record, kind: str, spec: Spec) -> Job:
    key = f"first-{kind}-{spec.get('name', '')}"
    record.ask(key, kind)
    job = client.submit(kind, spec, idempotency_key=key)
    record.answer(key, job.id, spec, 0.0)
    return job.wait(300)


def _result(job: Job) -> Spec:
    assert job.result is not None
    return job.result


def _table(path: Path, rows: int, seed: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    chance = random.Random(seed)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["number", "text"])
        writer.writerows((number, f"{chance.choice(TEXTS)} {number}") for number in range(rows))
    return path


def _zip(pictures: Path, archive: Path) -> None:
    write_zip(classes_in(pictures), archive)


def _pictures(folder: Path, seed: int) -> Path:
    return draw_dataset(folder, per_class=8 + seed % 5, size=40)


class Load:
    """A context manager: the clients send within, and each has its last answer afterwards."""

    def __init__(self, stack: Stack, record: Record, material: Material, seed: int, clients: int) -> None:
        self._ended = threading.Event()
        self._clients = [_LoadClient(stack, record, material, seed, n, self._ended) for n in range(clients)]
        self.operator = Operator(stack, record, seed, self._ended)

    def __enter__(self) -> "Load":
        for one in (*self._clients, self.operator):
            one.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._ended.set()
        self.operator.join()
        for client in self._clients:
            client.join()
            for owner in client.owners:
                owner.join()


class _LoadClient(threading.Thread):
    """One client: submits, sometimes twice at once, and gives some of its jobs an owner."""

    def __init__(
        self, stack: Stack, record: Record, material: Material, seed: int, number: int, ended: threading.Event
    ) -> None:
        super().__init__(name=f"client{number}", daemon=True)
        self._stack = stack
        self._record = record
        self._material = material
        self._chance = random.Random(f"{seed}/{number}")
        self._prefix = f"{seed}-{number}"
        self._token = client_token(stack, f"client{number}")
        self._ended = ended
        self._under_way: dict[str, list[Job]] = {kind: [] for kind in AT_ONCE}
        self._makers: dict[str, Callable[[], tuple[str, Spec]]] = {
            "texts": self._texts,
            "file": self._file,
            "predict": self._predict,
            "import": self._import,
            "train": self._train,
            "doomed": self._doomed,
        }
        self.owners: list[Owner] = []

    def run(self) -> None:
        count = 0
        with self._stack.client(token=self._token) as client:
            while not self._ended.wait(self._chance.uniform(0, PAUSE_SECONDS)):
                sort = self._chance.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
                scripts = SCRIPTS_OF.get(sort, SCRIPTS)
                script: Script = self._chance.choices(list(scripts), list(scripts.values()))[0]
                kind, spec = self._makers[sort]()
                if script[-1:] == ("cancel",):
                    spec |= self._endless(sort)
                twice = self._chance.random() < SENT_TWICE
                if sort in AT_ONCE and not self._has_room(sort):
                    continue
                count += 1
                key = f"{self._prefix}-{count}"
                self._record.ask(key, kind, doomed=sort == "doomed")
                rival = threading.Thread(target=self._submit_aside, args=(kind, spec, key), daemon=True)
                if twice:
                    rival.start()
                job = self._submit(client, kind, spec, key)
                if twice:
                    rival.join()
                if job is None:
                    continue
                if sort in AT_ONCE:
                    self._under_way[sort].append(job)
                if script:
                    chance = random.Random(f"{key} owner")
                    later = LATER_SECONDS.get(sort, 1.0)
                    owner = Owner(self._stack, self._record, job.id, script, later, chance, self._ended)
                    self.owners.append(owner)
                    owner.start()

    def _submit_aside(self, kind: str, spec: Spec, key: str) -> None:
        """The same request at the same time, from elsewhere."""
        with self._stack.client(token=self._token) as client:
            self._submit(client, kind, spec, key)

    def _submit(self, client: Client, kind: str, spec: Spec, key: str) -> Job | None:
        """Send until it is answered. None if that never happened, or the answer was a refusal."""
        begun = time.monotonic()
        last: float | None = None
        while True:
            try:
                job = client.submit(kind, spec, idempotency_key=key)
            except (ConnectionFailed, ServerError) as error:
                if isinstance(error, ServerError) and error.problem and error.problem["status"] == 500:
                    self._record.refuse(key, error)
                if self._ended.is_set():
                    last = last or time.monotonic() + LAST_SECONDS
                    if time.monotonic() > last:
                        return None
                time.sleep(0.2)
            except JobyardClientError as error:
                self._record.refuse(key, error)
                return None
            else:
                self._record.answer(key, job.id, spec, time.monotonic() - begun)
                return job

    def _has_room(self, sort: str) -> bool:
        still: list[Job] = []
        for job in self._under_way[sort]:
            try:
                if not job.refresh().done:
                    still.append(job)
            except JobyardClientError:
                still.append(job)
        self._under_way[sort] = still
        return len(still) < AT_ONCE[sort]

    # ---- what they submit

    def _endless(self, sort: str) -> Spec:
        """What makes a job last until it is cancelled."""
        match sort:
            case "train":
                return {"epochs": 2_000}
            case "file":
                return {"file": self._material.long_table}
            case "predict":
                return {"dataset": self._material.long_dataset, "images": None}
        return {}

    def _texts(self) -> tuple[str, Spec]:
        texts = [f"{self._chance.choice(TEXTS)} {n}" for n in range(self._chance.choice((1, 1, 5, 100)))]
        return "sentiment", {"texts": texts}

    def _file(self) -> tuple[str, Spec]:
        form = self._chance.choice(("parquet", "csv", "jsonl"))
        return "sentiment", {"file": self._chance.choice(self._material.tables), "format": form}

    def _predict(self) -> tuple[str, Spec]:
        spec: Spec = {"model": self._material.model}
        if self._chance.random() < 0.5:
            return "predict", spec | {"images": self._material.pictures}
        return "predict", spec | {"dataset": self._material.dataset}

    def _import(self) -> tuple[str, Spec]:
        name = f"set{self._chance.randrange(2)}"
        return "import", {"name": name, "file": self._chance.choice(self._material.archives)}

    def _train(self) -> tuple[str, Spec]:
        epochs = self._chance.choice((2, 5, 20, 60))
        return "train", {"dataset": self._material.dataset, "epochs": epochs, **TRAINING}

    def _doomed(self) -> tuple[str, Spec]:
        """It is found out only by its worker."""
        return "sentiment", {"file": self._chance.choice(self._material.tables), "column": "nowhere"}
