"""Data frames and pictures through the client, the real server and the real work, and back as tables."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from flask import Flask
from PIL import Image

from jobyard import AsyncClient, BadRequest, Client, Conflict, NotFound
from jobyard.web.backend import Backend
from jobyard.workers.kinds.sentiment import work
from tests.conftest import TOKEN, served
from tests.integration.web.world import World
from tests.workers import make_context, run_queue

OURS = ["neg", "neu", "pos", "compound", "label"]


@contextmanager
def client_of(app: Flask) -> Iterator[Client]:
    with served(app) as url, Client(url, TOKEN) as client:
        yield client


def test_a_frame_comes_back_with_its_index_its_columns_and_its_scores(
    backend: Backend, app: Flask, tmp_path: Path
) -> None:
    process = make_context(backend.database, tmp_path / "home")
    texts = ["So good!", None, "bad", "", "a table"]
    days = pd.MultiIndex.from_arrays([[1, 1, 2, 2, 2], list("aabba")], names=["day", None])
    frame = pd.DataFrame({"label": range(5), "review": texts, "team": list("xxyyy")}, index=days)
    with client_of(app) as client:
        job = client.score(frame, column="review", group_by="team")
        with pytest.raises(Conflict, match=r"is queued; its rows can be read when it has succeeded"):
            job.scores().to_pandas()
        run_queue(process, work)
        assert job.wait().result["rows"] == 5
        found = job.scores().to_pandas()
        pd.testing.assert_frame_equal(found.iloc[:, :3].rename(columns={"label_original": "label"}), frame)
        assert list(found.columns) == ["label_original", "review", "team", *OURS]
        assert found["label"].fillna("-").tolist() == ["positive", "-", "negative", "-", "neutral"]
        assert [row["compound"] for row in job.scores()] == found["compound"].replace({np.nan: None}).tolist()

        negative = job.scores(label="negative").to_pandas()
        assert negative.index.tolist() == [(2, "b")]
        assert job.scores(search="GOOD").to_polars()["label_original"].to_list() == [0]
        assert job.scores(sort="-compound").to_arrow().column("label_original").to_pylist() == [0, 4, 2, 1, 3]
        groups = job.groups().to_pandas()
        assert groups[["value", "rows", "nulls", "negative"]].values.tolist() == [
            ["y", 3, 1, 1],
            ["x", 2, 1, 0],
        ]
        assert client.job(job.id).scores().to_pandas().columns.tolist() == ["review", "team", *OURS]

        assert client.job(job.id).scores(sort="-team", label="neutral").to_polars()["team"].to_list() == ["y"]
        with pytest.raises(BadRequest, match="no column 'teams'"):
            client.job(job.id).scores(sort="teams").to_pandas()
        with pytest.raises(BadRequest, match="can be sorted by any column"):
            job.scores(sort="team").to_pandas()

        again = job.again(thresholds={"positive": 0.9, "negative": -0.9})
        few = client.score(pl.DataFrame({"id": [7, 8], "text": ["good", "bad"]}))
        run_queue(process, work)
        assert again.wait().scores().to_pandas()["label"].dropna().unique().tolist() == ["neutral"]
        assert few.spec["texts"] == ["good", "bad"]
        assert few.wait().scores(sort="compound").to_polars()["id"].to_list() == [8, 7]
        assert [row["columns"]["text"] for row in few.scores(label="positive")] == ["good"]
        assert next(few.scores())["row"] == 0
        assert next(client.files())["name"] == "review.parquet"


def test_a_wrong_column_is_refused_before_anything_is_sent(app: Flask) -> None:
    with client_of(app) as client:
        with pytest.raises(BadRequest, match="did you mean 'review'"):
            client.score(pd.DataFrame({"review": ["good", None]}), column="revue")
        assert list(client.files()) == []
        assert list(client.jobs()) == []


async def _predictions_of(url: str, job_id: str) -> pd.DataFrame:
    async with AsyncClient(url, TOKEN) as client:
        job = await client.job(job_id)
        frame: pd.DataFrame = await job.predictions(sort="probability").to_pandas()
        assert [row["image"] async for row in job.predictions()] == frame.sort_values("row")["image"].tolist()
        return frame


def test_rows_of_a_prediction_and_points_of_a_training_are_tables(world: World, app: Flask) -> None:
    prediction, training = world.job("predict", "succeeded"), world.job("train", "succeeded")
    with served(app) as url, Client(url, TOKEN) as client:
        job = client.job(prediction.id)
        rows = list(job.predictions())
        table = job.predictions().to_polars()
        assert table["image"].to_list() == [row["image"] for row in rows]
        assert table["label"].to_list() == [row["label"] for row in rows]
        label = next(row["label"] for row in rows if row["label"])
        found = job.predictions(label=label).to_pandas()
        assert found["image"].tolist() == [row["image"] for row in rows if row["label"] == label]
        probability = asyncio.run(_predictions_of(url, job.id))["probability"]
        assert probability[:-1].is_monotonic_increasing
        assert np.isnan(probability.iloc[-1])

        history = client.job(training.id).metrics()
        wide, tidy = history.to_pandas(), history.to_pandas(tidy=True)
        assert list(wide.columns[:2]) == ["step", "epoch"]
        assert len(tidy) == len(history)
        for point in history:
            assert wide.set_index("step").loc[point["step"], point["name"]] == point["value"]
        with pytest.raises(NotFound, match="does not score texts"):
            client.job(training.id).scores().to_pandas()


def test_pictures_in_memory_are_sent_as_files_and_keep_their_numbers(
    world: World, app: Flask, tmp_path: Path
) -> None:
    pixels = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    model = world.model().reference
    with client_of(app) as client:
        paths = pd.Series([str(tmp_path / "a.png")] * 2, index=["x", "y"])
        job = client.predict(model, paths)
        assert len(job.spec["images"]) == 2
        with Image.open(tmp_path / "a.png") as image:
            client.predict(model, [pixels, image, tmp_path / "a.png"])
        third, second, first = list(client.files())[:3]
        assert [first["name"], second["name"], third["name"]] == ["0.png", "1.png", "a.png"]
        assert second["sha256"] == third["sha256"]
        with pytest.raises(BadRequest, match=r"images\[1\]: has values from -1 to 1"):
            client.predict(model, [pixels, np.array([[-1.0, 1.0]])])
        with (tmp_path / "a.png").open("rb") as file:
            assert client.predict(model, archive=file).spec["archive"]
