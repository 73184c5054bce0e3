"""The asynchronous client against the real server: the same methods as the synchronous one, awaited."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from flask import Flask

from jobyard import AsyncClient, AsyncJob, BadRequest, Client, Job, JobFailed, JobyardClientError, NotFound
from tests.conftest import TOKEN, served
from tests.integration.web.world import World
from tests.waiting import PATIENCE

WAITS = 150


def run(app: Flask, use: Callable[[AsyncClient], Awaitable[None]]) -> None:
    async def opened(url: str) -> None:
        async with AsyncClient(url, TOKEN) as client:
            await use(client)

    with served(app) as url:
        asyncio.run(opened(url))


def test_jobs_are_submitted_waited_for_and_listed(world: World, app: Flask) -> None:
    failed = world.job("file", "failed")
    succeeded = world.job("texts", "succeeded")

    async def use(client: AsyncClient) -> None:
        job = await client.score(["so good"], name="one", labels={"team": "birds"})
        assert (job.kind, job.state, job.name) == ("sentiment", "queued", "one")
        assert [one.id async for one in client.jobs(label={"team": "birds"})] == [job.id]
        assert (await (await client.job(job.id)).cancel()).state == "cancelled"
        with pytest.raises(JobFailed, match="was cancelled") as cancelled:
            await job.wait()
        assert isinstance(cancelled.value.job, AsyncJob)
        assert (await job.again(texts=["better"])).spec["texts"] == ["better"]
        found = await client.job(succeeded.id)
        assert (await found.wait(timeout=PATIENCE)).result["count"] == 60
        assert [event["state"] for event in await found.events()][-1] == "succeeded"
        with pytest.raises(JobFailed, match="no column"):
            await (await client.job(failed.id)).wait()
        everything = {one.id async for one in client.jobs()}
        assert {job.id, str(failed.id), str(succeeded.id)} < everything

    run(app, use)


def test_files_go_up_and_come_down(world: World, app: Flask, tmp_path: Path) -> None:
    scored = world.job("file", "succeeded")
    table, folder = tmp_path / "texts.csv", tmp_path / "pets"
    table.write_text("text\nso good\n")
    (folder / "cats").mkdir(parents=True)
    (folder / "cats" / "1.png").write_bytes(b"PNG")

    async def use(client: AsyncClient) -> None:
        sent = await client.upload(table)
        assert [one["name"] async for one in client.files() if one["id"] == sent["id"]] == ["texts.csv"]
        assert (await client.score(file=table, column="text")).spec["column"] == "text"
        assert (await client.import_pictures("pets", folder)).spec["name"] == "pets"
        job = await client.job(scored.id)
        saved = await job.download("scored.parquet", tmp_path / "scored.parquet")
        assert saved.read_bytes()[:4] == b"PAR1"
        assert [row["row"] async for row in job.scores()] == [0, 1, 2]
        assert not list(tmp_path.glob(".*.part"))

    run(app, use)


def test_what_is_wrong_is_said_and_leaves_no_upload(app: Flask, tmp_path: Path) -> None:
    table = tmp_path / "texts.csv"
    table.write_text("text\nso good\n")

    async def use(client: AsyncClient) -> None:
        with pytest.raises(BadRequest, match=r"^errors: should be"):
            await client.score(file=table, errors="perhaps")
        assert [one async for one in client.files()] == []
        with pytest.raises(NotFound, match="no model 'nothing'"):
            await client.model("nothing")
        with pytest.raises(BadRequest, match=r"^file: .*missing\.csv can't be read"):
            await client.score(file=tmp_path / "missing.csv")
        await client.aclose()
        with pytest.raises(JobyardClientError, match="the client is closed"):
            await client.queues()

    run(app, use)


def test_hundreds_of_jobs_are_waited_for_at_once(app: Flask) -> None:
    async def use(client: AsyncClient) -> None:
        jobs = await asyncio.gather(*(client.score([f"text {number}"]) for number in range(WAITS)))
        waits = [asyncio.create_task(job.wait(check=False)) for job in jobs]
        while len(client._transport.waiting) < WAITS:
            await asyncio.sleep(0)
        done = await client.cancel_jobs([job.id for job in jobs])
        assert done["moved"] == WAITS
        assert {job.state for job in await asyncio.gather(*waits)} == {"cancelled"}
        assert not client._transport.waiting

    run(app, use)


@pytest.mark.parametrize(("one", "other"), [(Client, AsyncClient), (Job, AsyncJob)])
def test_both_clients_have_the_same_methods_with_the_same_arguments(one: type, other: type) -> None:
    def methods(of: type) -> dict[str, list[str]]:
        return {
            {"aclose": "close"}.get(name, name): list(inspect.signature(method).parameters)
            for name, method in inspect.getmembers(of, inspect.isfunction)
            if not name.startswith("_")
        }

    assert methods(one) == methods(other)
