"""The tutorials that are notebooks, in real kernels against a real server: what they show."""

import base64
import re
from pathlib import Path

import nbformat
import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

from tests import notebooks
from tests.acceptance.conftest import Stack
from tests.notebooks import bars, outputs, printed, shown

IN_LOOP = """
async with AsyncClient() as client:
    job = await client.score(["good"])
    await job.wait()
"""


@pytest.fixture(scope="module")
def done(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> dict[str, nbformat.NotebookNode]:
    """The notebooks with their outputs."""
    folder = tmp_path_factory.mktemp("notebooks")
    environment = notebooks.connected(stack.url, stack.token)
    try:
        return {path.stem: notebooks.run(path, environment, folder) for path in notebooks.NOTEBOOKS}
    finally:
        # One of them pauses it.
        with stack.client() as client:
            client.resume_queue("cpu")


def charts(found: list[nbformat.NotebookNode]) -> int:
    """How many pictures these outputs have; each is one."""
    pictures = [
        base64.b64decode(one.data["image/png"]) for one in found if "image/png" in one.get("data", {})
    ]
    assert all(picture.startswith(b"\x89PNG") for picture in pictures)
    return len(pictures)


def test_pictures_are_imported_trained_plotted_predicted_and_compared(
    done: dict[str, nbformat.NotebookNode],
) -> None:
    notebook = done["pictures-in-a-notebook"]
    ((words, share, style, after),) = bars(notebook, training := outputs(notebook, "training.wait()"))
    assert words.startswith("train: succeeded 100%")
    assert (share, style) == (1.0, "success")
    assert "batches" in after
    assert "val_loss=" in after
    card = shown(training, "text/html")
    assert re.search(r"model:</span> <bdi>shapes@\d+</bdi>", card)
    assert card.count("<polyline") == 4
    assert charts(outputs(notebook, "training.plot()")) == 1
    table = shown(outputs(notebook, "training.metrics()"), "text/html")
    assert re.findall(r"<th>(\d)</th>", table) == list("12345")
    assert "val_accuracy" in table
    rows = shown(outputs(notebook, "prediction.predictions()"), "text/html")
    assert re.findall(r"<th>(\d)</th>", rows) == list("012")
    assert charts(outputs(notebook, "evaluation.plot()")) == 1
    assert "learning_rate" in shown(outputs(notebook, "client.compare("))
    assert int(shown(outputs(notebook, "client.download_model("))) > 10_000


def test_reviews_are_scored_joined_and_summed_up(done: dict[str, nbformat.NotebookNode]) -> None:
    notebook = done["reviews-in-a-notebook"]
    card = shown(outputs(notebook, "scoring = client.score("), "text/html")
    assert "positive 3 (43%)" in card
    assert "negative 2 (29%)" in card
    assert charts(outputs(notebook, "scoring.plot()")) == 1
    assert shown(outputs(notebook, "scored.loc[101")) in ("(np.float64(0.6696), nan)", "(0.6696, nan)")
    shops = shown(outputs(notebook, 'scored.groupby("shop")'))
    assert re.search(r"north +3 +0\.\d+", shops)
    assert re.search(r"south +4 +-0\.\d+", shops)
    worst = shown(outputs(notebook, 'label="negative", sort="compound"'))
    assert "The manual is sick" in worst
    assert "The battery broke" in worst
    changed = shown(outputs(notebook, "lexicon="))
    assert [line.split()[0] for line in changed.splitlines()[2:]] == ["108"]
    assert "('bad', " in shown(outputs(notebook, "explain=True"))


def test_an_operator_sees_what_waits_and_what_failed(done: dict[str, nbformat.NotebookNode]) -> None:
    notebook = done["queues-in-a-notebook"]
    queued = shown(outputs(notebook, "client.pause_queue("), "text/html")
    assert "is paused: the notebook on queues" in queued
    ((words, _, style, _),) = bars(notebook, waited := outputs(notebook, "timeout=1"))
    assert "next in its queue: the queue &#x27;cpu&#x27; is paused" in words
    assert style == "danger"
    assert re.search(r"job \S+ is still queued after 1 seconds", printed(waited))
    assert shown(outputs(notebook, "client.cancel_jobs(")) == "{'matched': 5, 'moved': 5, 'refused': []}"
    waited = outputs(notebook, "client.wait_all(")
    assert [bar[0] for bar in bars(notebook, waited)] == ["all have ended 100%"]
    states = shown(waited, "text/html")
    assert (states.count("succeeded"), states.count("cancelled")) == (4, 1)
    failed = shown(outputs(notebook, 'column="text").wait()'), "text/html")
    assert "there is no column &#x27;text&#x27;" in failed
    assert "WorkError" in shown(outputs(notebook, "client.failures()"))
    assert shown(outputs(notebook, "failed.again(")) == "{'positive': 1, 'neutral': 0, 'negative': 1}"


def test_pages_of_them_have_no_script_and_load_nothing(
    done: dict[str, nbformat.NotebookNode], tmp_path: Path
) -> None:
    for notebook in done.values():
        page = notebooks.page(notebook)
        assert "<script" not in page
        assert re.findall(r"<(?:link|img|iframe|object)\b[^>]*\b(?:src|href|data)=.https?:", page) == []
        assert notebooks.VIEW not in page
        # A bar is shown as it was at the end.
        assert re.search(r"<span>[\w :]+ 100%</span>", page)


def test_a_stopped_cell_leaves_its_job_to_the_server_and_says_how_to_come_back(stack: Stack) -> None:
    """Ctrl-C in a terminal, and the button of a notebook, for the client and the one of event loops."""
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel(env=notebooks.connected(stack.url, stack.token))
    kernel = manager.client()
    kernel.start_channels()
    try:
        kernel.wait_for_ready(timeout=notebooks.CELL_SECONDS)
        with stack.client() as client:
            client.pause_queue("cpu", "a test")
        said = stopped(
            manager,
            kernel,
            "from jobyard import AsyncClient, Client\njob = Client().score(['good'])\njob.wait()",
        )
        assert "The job continues. client.job('" in said
        assert "KeyboardInterrupt" in said
        said = stopped(manager, kernel, IN_LOOP)
        assert "The job continues. client.job('" in said
        in_block = "with Client().score(['good']) as job:\n    job.wait()"
        said = stopped(manager, kernel, in_block)
        assert "was cancelled with its block" in said
        assert "The job continues" not in said
    finally:
        kernel.stop_channels()
        manager.shutdown_kernel(now=True)
        with stack.client() as client:
            client.resume_queue("cpu")
            states = [job.wait(check=False).state for job in client.jobs(sort="newest", limit=3)]
    assert states == ["cancelled", "succeeded", "succeeded"]


def stopped(manager: KernelManager, kernel: BlockingKernelClient, code: str) -> str:
    """What a cell says that is interrupted when its bar is shown."""
    asked = kernel.execute(code)
    said = []
    while True:
        message = kernel.get_iopub_msg(timeout=notebooks.CELL_SECONDS)
        if message["parent_header"].get("msg_id") != asked:
            continue
        content = message["content"]
        if message["msg_type"] == "display_data":
            manager.interrupt_kernel()
        elif message["msg_type"] == "stream":
            said.append(content["text"])
        elif message["msg_type"] == "error":
            said.append(content["ename"])
        elif message["msg_type"] == "status" and content["execution_state"] == "idle":
            return "".join(said)
