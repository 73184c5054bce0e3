"""What happens to real machines: killed, stopped and restarted processes, with work in flight."""

import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.acceptance.conftest import LONG, Stack, environment, until
from tests.factories import draw_dataset


def _train_for_long(stack: Stack, folder: Path):  # type: ignore[no-untyped-def]
    client = stack.client()
    dataset = client.import_pictures("shapes", draw_dataset(folder / "shapes")).wait().result["dataset"]
    job = client.train(dataset, **LONG)
    until(lambda: job.refresh().metrics("loss"), "the first epoch", show=stack.log)
    return client, job


def test_a_killed_worker_costs_an_attempt_and_the_job_runs_again(stack: Stack, tmp_path: Path) -> None:
    client, job = _train_for_long(stack, tmp_path)
    with client:
        (child,) = [one for one in stack.worker("gpu").children() if "spawn_main" in " ".join(one.cmdline())]
        child.send_signal(signal.SIGKILL)
        until(lambda: job.refresh().attempt == 2 and job.state == "running", "the second attempt")
        assert any("was lost" in (event["message"] or "") for event in job.events())
        until(lambda: job.metrics("loss"), "an epoch of the second attempt")
        steps = [point["step"] for point in job.metrics("loss")]
        assert steps == list(range(1, len(steps) + 1)), "each step once"
        job.cancel()
        assert job.wait(check=False).state == "cancelled"
        assert client.score(["good"]).wait().succeeded


def test_sigterm_ends_everything_and_the_next_start_goes_on(own_stack: Stack, tmp_path: Path) -> None:
    own_stack.start()
    client, job = _train_for_long(own_stack, tmp_path)
    client.close()
    began = time.monotonic()
    assert own_stack.stop() == []
    assert time.monotonic() - began < 10, "ends within 10 s: a promise of `jobyard up`, not a measurement"
    assert not (own_stack.home / "url").exists()
    own_stack.log.unlink()

    own_stack.start()
    with own_stack.client() as again:
        job = again.job(job.id)
        until(lambda: job.refresh().state == "running", "the job runs again", show=own_stack.log)
        assert job.attempt == 1, "a planned stop costs no attempt"
        assert any("its worker is stopping" in (event["message"] or "") for event in job.events())
        job.cancel()
        assert job.wait(check=False).state == "cancelled"


def test_a_busy_worker_does_not_keep_the_next_job_from_an_idle_one(stack: Stack, tmp_path: Path) -> None:
    client, first = _train_for_long(stack, tmp_path)
    second_worker = subprocess.Popen(
        [sys.executable, "-m", "jobyard.workers", "gpu", "--name", "gpu2"],
        env=environment(stack.home),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        with client:
            second = client.train(first.spec["dataset"], **LONG)
            third = client.train(first.spec["dataset"], **LONG)
            until(lambda: second.refresh().state == "running", "the second training on the second worker")
            assert (first.refresh().state, third.refresh().state) == ("running", "queued")
            assert third.position == 1
            for job in (third, second, first):
                job.cancel()
            assert [job.wait(check=False).state for job in (first, second, third)] == ["cancelled"] * 3
    finally:
        second_worker.terminate()
        second_worker.wait()


def test_a_dead_flower_does_not_take_the_others_with_it(stack: Stack) -> None:
    worker = stack.worker("gpu").pid
    (flower,) = stack.processes("flower")
    flower.kill()
    until(lambda: any(one.pid != flower.pid for one in stack.processes("flower")), "a new Flower")
    assert stack.worker("gpu").pid == worker


def test_a_paused_training_gives_its_worker_back_and_goes_on_where_it_was(
    stack: Stack, tmp_path: Path
) -> None:
    others = _checkpoints(stack)  # a worker that was killed may have left one to the sweeper
    client, job = _train_for_long(stack, tmp_path)
    with client:
        until(lambda: len(job.metrics("loss")) >= 3, "three epochs")
        job.pause()
        until(lambda: job.refresh().state == "paused", "the pause")
        before = {point["step"]: point["value"] for point in job.metrics("loss")}
        other = client.train(job.spec["dataset"], **(LONG | {"epochs": 1}))
        assert other.wait().succeeded, "the worker is free"

        job.resume()
        until(lambda: job.refresh().state == "running", "running again")
        until(lambda: len(job.metrics("loss")) > len(before), "a later epoch")
        after = {point["step"]: point["value"] for point in job.metrics("loss")}
        assert {step: after[step] for step in before} == before, "the same history, not another one"
        assert sorted(after) == list(range(1, len(after) + 1))
        assert job.refresh().attempt == 1, "a pause costs no attempt"
        job.cancel()
        assert job.wait(check=False).state == "cancelled"
    # The outcome is committed first, and then its checkpoint is deleted.
    until(lambda: _checkpoints(stack) <= others, "all checkpoints that were made are gone")


def _checkpoints(stack: Stack) -> set[str]:
    return {path.name for path in (stack.home / "storage" / "checkpoints").glob("*")}
