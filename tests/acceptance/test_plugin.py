"""The kind that docs/how-to/add-a-kind.md builds: its package is made from the page, installed and used."""

import csv
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from jobyard import BadRequest, Client, Job
from tests.acceptance.conftest import until
from tests.wheels import ROOT, Environment, build_wheel, make_environment, run, running, settings

PAGE = ROOT / "docs" / "how-to" / "add-a-kind.md"
# A file's name is the first code of the paragraph above its block.
FILE = re.compile(
    r"^`([\w/.]+)`(?:[^\n]|\n(?!\n))*\n\n<!-- not run: it is a file [^\n]*\n```\w+\n(.*?)^```$",
    re.DOTALL | re.MULTILINE,
)
TEXTS = ("to be or not to be", "to do is to be", "do be do be do")
PATIENCE = 300

# A package whose kinds are wrong, each in a way of its own.
WRONG = {
    "pyproject.toml": """
[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"
[project]
name = "jobyard-wrong"
version = "0.1"
[project.entry-points."jobyard.kinds"]
absent = "jobyard_wrong.absent:Kind"
train = "jobyard_wrong:Train"
[tool.setuptools]
packages = ["jobyard_wrong"]
""",
    "jobyard_wrong/__init__.py": """
from jobyard.shared.kinds.train import Train as Own
class Train(Own):
    pass
""",
}


def write_package(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """Jobyard, the package of the page, and one whose kinds are wrong."""
    folder = tmp_path_factory.mktemp("plugin")
    files = dict(FILE.findall(PAGE.read_text()))
    modules = {f"jobyard_wordcount/{name}.py" for name in ("__init__", "kind", "work")}
    assert set(files) == {"pyproject.toml", *modules}
    made = make_environment(folder / "venv")
    made.install("--no-deps", "--no-index", wheel)
    for name, package in (("wordcount", files), ("wrong", WRONG)):
        source = write_package(folder / name, package)
        made.install("--no-deps", "--no-index", build_wheel(source, folder / f"{name}-wheel"))
    made.share_packages()
    return made


@pytest.fixture(scope="module")
def home(environment: Environment) -> Iterator[Path]:
    """`jobyard up` of that environment; its HOME."""
    with tempfile.TemporaryDirectory(prefix="jy-") as folder:
        home, log = Path(folder), Path(folder) / "up.log"
        with running(environment.jobyard, "up", cwd=home, log=log, **settings(home)) as process:
            until(lambda: "Jobyard is up" in log.read_text() or process.poll() is not None, "up", show=log)
            yield home


@pytest.fixture
def client(home: Path) -> Iterator[Client]:
    with Client((home / "url").read_text().strip(), (home / "token").read_text().strip()) as client:
        yield client


@pytest.fixture
def files(client: Client, tmp_path: Path) -> list[str]:
    """The ids of three uploaded texts."""
    ids = []
    for number, text in enumerate(TEXTS):
        (tmp_path / f"{number}.txt").write_text(text)
        ids.append(client.upload(tmp_path / f"{number}.txt")["id"])
    return ids


def counted(job: Job, folder: Path) -> dict[str, int]:
    """The table that a job has kept."""
    with job.download("counts.csv", folder / "counts.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["word", "count"]
    return {word: int(count) for word, count in rows}


def done(job: Job) -> int:
    progress = job.refresh().raw["progress"]
    return 0 if progress is None else int(progress["done"])


def test_its_jobs_have_progress_metrics_and_files(client: Client, files: list[str], tmp_path: Path) -> None:
    job = client.submit("wordcount", {"files": files, "at_least": 2}).wait(PATIENCE)
    most = (("be", 5), ("to", 4), ("do", 4))
    assert job.result == {
        "words": 16,
        "different": 6,
        "most_common": [{"word": word, "count": count} for word, count in most],
    }
    assert counted(job, tmp_path) == dict(most)
    points = [(point["step"], point["value"]) for point in job.metrics("different_words")]
    assert points == [(1, 4), (2, 6), (3, 6)]
    assert (done(job), job.raw["progress"]["unit"]) == (3, "files")
    assert job.link("metrics").endswith(f"{job.id}/metrics")


def test_its_work_is_split_into_children(client: Client, files: list[str], tmp_path: Path) -> None:
    whole = client.submit("wordcount", {"files": files}).wait(PATIENCE)
    split = client.submit("wordcount", {"files": files, "in_parts": True}).wait(PATIENCE)
    assert split.result == whole.result
    assert counted(split, tmp_path) == counted(whole, tmp_path)
    assert [child.state for child in client.jobs(parent=split.id)] == ["succeeded"] * 3


def test_it_is_paused_resumed_and_cancelled(client: Client, tmp_path: Path) -> None:
    (tmp_path / "long.txt").write_text("word\n" * 200_000)
    long = client.upload(tmp_path / "long.txt")["id"]
    job = client.submit("wordcount", {"files": [long] * 500})
    until(lambda: done(job) > 2, "some files counted")
    job.pause()
    until(lambda: job.refresh().state == "paused", "paused")
    before = done(job)
    assert 2 < before < 500
    job.resume()
    until(lambda: job.refresh().state == "running" and done(job) > 0, "running again")
    assert done(job) >= before  # it began at its checkpoint
    job.cancel()
    until(lambda: job.refresh().state == "cancelled", "cancelled")


def test_what_is_wrong_with_a_spec_is_said_by_its_field(client: Client, files: list[str]) -> None:
    with pytest.raises(BadRequest, match=r"spec.at_leest: there is no such field; did you mean 'at_least'\?"):
        client.submit("wordcount", {"files": files, "at_leest": 2})
    with pytest.raises(BadRequest, match=r"spec.files.1: there is no file"):
        client.submit("wordcount", {"files": [files[0], "00000000" + files[0][8:]]})


def test_it_is_submitted_from_a_terminal_as_the_page_says(
    environment: Environment, home: Path, tmp_path: Path
) -> None:
    for name, text in (("one.txt", TEXTS[0]), ("two.txt", TEXTS[1])):
        (tmp_path / name).write_text(text)
    (command,) = re.findall(r"^jobyard (submit .*)$", PAGE.read_text(), re.MULTILINE)
    said = run(environment.jobyard, *command.split(), "--json", cwd=tmp_path, JOBYARD_HOME=str(home))
    assert said.returncode == 0, said.stderr
    assert '"different": 6' in said.stdout
    wrong = run(environment.jobyard, "submit", "wordcuont", cwd=tmp_path, JOBYARD_HOME=str(home))
    assert wrong.returncode == 2
    assert "did you mean 'wordcount'?" in wrong.stderr


def test_it_is_in_the_documents_filters_and_pages(client: Client, home: Path, files: list[str]) -> None:
    job = client.submit("wordcount", {"files": files}).wait(PATIENCE)
    assert "wordcount" in {kind["kind"] for kind in client.kinds()}
    assert [found.id for found in client.jobs(kind="wordcount", limit=1)] == [job.id]
    url, token = (home / "url").read_text().strip(), (home / "token").read_text().strip()
    with httpx.Client(
        base_url=url, follow_redirects=True, headers={"Origin": url}, timeout=PATIENCE
    ) as browser:
        browser.get(f"/login?token={token}")
        document = browser.get("/api/v1/openapi.json", headers={"Authorization": f"Bearer {token}"}).json()
        assert "WordCountSpec" in document["components"]["schemas"]
        assert "/new/wordcount" in browser.get("/").text
        assert "words of 3 files" in browser.get("/?kind=wordcount").text
        page = browser.get(f"/jobs/{job.id}").text
        assert "Word count" in page
        assert "most_common" in page
        assert "chart-different_words" in page
        form = browser.get("/new/wordcount").text
        assert 'name="files"' in form
        assert "Leave out words that occur less often" in form
        refused = browser.post("/new/wordcount", data={"at_least": "0"})
        assert refused.status_code == 422
        assert "Choose a file" in refused.text
        sent = [("files", (f"{number}.txt", text.encode())) for number, text in enumerate(TEXTS)]
        made = browser.post("/new/wordcount", data={"at_least": "2", "in_parts": "false"}, files=sent)
        assert made.status_code == 200
        assert "words of 3 files" in made.text


def test_a_wrong_kind_is_a_line_in_the_log_and_hurts_no_other(client: Client, home: Path) -> None:
    log = (home / "up.log").read_text()
    wrong = "of jobyard-wrong 0.1 can't be used"
    assert f"the kind 'absent' {wrong}: ModuleNotFoundError: No module named 'jobyard_wrong.absent'" in log
    assert f"the kind 'train' {wrong}: a kind of that name exists already" in log
    assert "Traceback" not in log
    assert client.score(["I love it"]).wait(PATIENCE).succeeded
