"""Every kind of job, from an HTTP request to a row and back, on the real stack."""

import csv
import hashlib
from pathlib import Path

import httpx
import pyarrow.parquet as pq
import pytest

from jobyard import BadRequest, Client, JobFailed
from tests.acceptance.conftest import PATIENCE, QUICK, Stack, until
from tests.factories import draw, draw_dataset

# Measured with NLTK 3.10.4 on its own lexicon.
FACTS = {
    "I love this product! It's absolutely amazing and works perfectly.": (0.0, 0.319, 0.681, 0.9298),
    "This is the worst experience I have ever had. Totally awful!": (0.49, 0.51, 0.0, -0.8264),
    "The weather today is okay, neither good nor bad.": (0.377, 0.473, 0.15, -0.4357),
}

SMALL = QUICK | {"epochs": 3}


@pytest.fixture(scope="module")
def dataset(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> str:
    """An imported data set of two classes, one file of which is no picture."""
    folder = draw_dataset(tmp_path_factory.mktemp("pictures") / "shapes")
    (folder / "discs" / "broken.png").write_bytes(b"not a picture")
    with stack.client() as client:
        job = client.import_pictures("shapes", folder).wait()
    assert job.result["classes"] == {"train": {"discs": 24, "squares": 24}}
    assert [one["file"] for one in job.result["rejected"]] == ["discs/broken.png"]
    return str(job.result["dataset"])


@pytest.fixture(scope="module")
def model(stack: Stack, dataset: str) -> str:
    with stack.client() as client:
        return str(client.train(dataset, **SMALL).wait().result["model"])


def test_texts_are_scored_as_nltk_scores_them(client: Client) -> None:
    job = client.score(list(FACTS)).wait()
    scores = [(s["neg"], s["neu"], s["pos"], s["compound"]) for s in job.result["scores"]]
    assert scores == list(FACTS.values())
    assert [s["label"] for s in job.result["scores"]] == ["positive", "negative", "negative"]
    assert job.result["labels"] == {"positive": 1, "neutral": 0, "negative": 2}


def test_a_file_is_scored_row_by_row_in_order(client: Client, tmp_path: Path) -> None:
    texts = [text for _ in range(2_000) for text in FACTS]
    source = tmp_path / "reviews.csv"
    with source.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["number", "review"])
        writer.writerows(enumerate(texts))
    job = client.score(file=source, column="review", format="parquet").wait()
    assert job.result["rows"] == len(texts)
    assert job.result["labels"] == {"positive": 2_000, "neutral": 0, "negative": 4_000}
    scored = pq.read_table(job.download(job.result["file"], tmp_path / "scored.parquet"))
    assert scored["number"].to_pylist() == [str(number) for number in range(len(texts))]
    assert scored["compound"].to_pylist() == [FACTS[text][3] for text in texts]


def test_a_training_shows_its_metrics_while_it_runs(client: Client, dataset: str) -> None:
    # More than it will have time for: it is cancelled once there was enough to see.
    job = client.train(dataset, **(SMALL | {"network": "compact", "epochs": 1_000, "steps_per_epoch": 12}))
    steps: set[int] = set()
    batches: set[int] = set()

    def seen() -> bool:
        assert job.refresh().state in ("queued", "running"), "it ended before anybody could look"
        steps.update(point["step"] for point in job.metrics("val_accuracy"))
        if job.progress and job.progress["unit"] == "batches":
            batches.add(job.progress["done"] % 12)
        return len(steps) >= 3 and bool(batches - {0})

    until(seen, "three epochs in the history, and progress within one")
    job.cancel()
    assert job.wait(check=False).state == "cancelled"


def test_a_training_leaves_metrics_evaluation_and_a_model(
    client: Client, stack: Stack, dataset: str, tmp_path: Path
) -> None:
    job = client.train(dataset, model_name="small", **SMALL).wait()
    for name in ("loss", "accuracy", "val_loss", "val_accuracy", "learning_rate"):
        assert [point["step"] for point in job.metrics(name)] == [1, 2, 3]
    evaluation = job.result["evaluation"]
    assert sum(map(sum, evaluation["confusion"])) == sum(
        one["support"] for one in evaluation["per_class"].values()
    )
    low, high = evaluation["accuracy_interval"]
    assert 0 <= low <= evaluation["accuracy"] <= high <= 1
    model = client.model(job.result["model"])
    assert model["classes"] == ["discs", "squares"]
    assert model["image_size"] == 32
    file = job.download("model.keras", tmp_path / "model.keras")
    assert hashlib.sha256(file.read_bytes()).hexdigest() == model["sha256"]
    history = job.save_history(tmp_path / "history.png")
    assert history.read_bytes().startswith(b"\x89PNG")


def test_pictures_are_predicted_and_a_broken_one_is_a_row(
    client: Client, model: str, dataset: str, tmp_path: Path
) -> None:
    truncated = tmp_path / "truncated.png"
    whole = draw(tmp_path / "disc.png", "discs", seed=99)
    truncated.write_bytes(whole.read_bytes()[:200])
    job = client.predict(model, images=[whole, truncated]).wait()
    good, bad = job.result["predictions"]
    assert good["image"] == "disc.png"
    assert set(good["probabilities"]) == {"discs", "squares"}
    assert sum(good["probabilities"].values()) == pytest.approx(1)
    assert good["probability"] == max(good["probabilities"].values()) == good["probabilities"][good["label"]]
    assert (bad["label"], bool(bad["error"])) == (None, True)
    assert job.result["failed"] == 1

    whole_set = client.predict(model, dataset=dataset).wait()
    assert whole_set.result["count"] == 48
    assert len(list(whole_set.predictions())) == 48


def test_a_job_that_fails_says_why_and_the_worker_takes_the_next(client: Client, tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text("id,words\n1,good\n")
    failing = client.score(file=table, column="text")
    with pytest.raises(JobFailed, match="no column 'text'; should be one of 'id', 'words'"):
        failing.wait()
    assert any(event["traceback"] for event in failing.events())
    assert client.score(["good"]).wait().succeeded


def test_one_class_is_no_data_set_and_leaves_nothing(client: Client, stack: Stack, tmp_path: Path) -> None:
    draw(tmp_path / "lonely" / "cats" / "1.png", "discs")

    def kept() -> list[Path]:
        return sorted(path for path in (stack.home / "storage").rglob("*") if "datasets" in path.parts)

    before = kept()
    uploaded = client.import_pictures("lonely", tmp_path / "lonely")
    # A folder of the server.
    named = client.submit("import", {"name": "lonely", "path": str(tmp_path / "lonely")})
    for job, where in ((uploaded, r"lonely\.zip: "), (named, "")):
        with pytest.raises(JobFailed, match=f"{where}there is only one class, 'cats'"):
            job.wait()
    assert kept() == before
    assert "lonely" not in {one["name"] for one in client.datasets()}


def test_what_is_not_there_is_refused_before_it_is_a_job(client: Client) -> None:
    count = len(list(client.jobs()))
    with pytest.raises(BadRequest, match=r"^dataset: "):
        client.train("nowhere")
    with pytest.raises(BadRequest, match=r"^model: "):
        client.predict("nobody", dataset="shapes")
    assert len(list(client.jobs())) == count


def test_a_file_that_is_no_picture_fails_its_prediction_by_its_name(
    client: Client, model: str, tmp_path: Path
) -> None:
    no_picture = tmp_path / "words.txt"
    no_picture.write_text("words")
    with pytest.raises(JobFailed, match=r"words\.txt: not a picture"):
        client.predict(model, images=[no_picture]).wait()


def test_flower_shows_tasks_by_kind_and_id_behind_a_password(client: Client, stack: Stack) -> None:
    job = client.score(["good"]).wait()
    address = next(
        word
        for line in stack.log.read_text().splitlines()
        if "Flower " in line
        for word in line.split()
        if "http" in word
    )
    assert httpx.get(f"{address}/workers", timeout=PATIENCE).status_code == 401
    with httpx.Client(base_url=address, auth=("jobyard", stack.token), timeout=PATIENCE) as flower:
        assert "cpu@" in flower.get("/workers").text
        page = ""

        def shown() -> bool:
            nonlocal page
            page = flower.get(f"/task/{job.id}").text
            return "sentiment" in page

        until(shown, "the task in Flower")
    assert str(job.id) in page
