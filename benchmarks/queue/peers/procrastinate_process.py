"""Procrastinate as its documentation sets it up. `… schema | worker | submit`, in its own environment."""

import os
import sys

import procrastinate

from benchmarks.queue import submitter

CONNECTION = os.environ["BENCH_DATABASE_URL"]


def main(role: str) -> None:
    """Make the tables, work until SIGTERM, or submit."""
    connector: procrastinate.BaseConnector
    if role == "submit":
        threads = submitter.THREADS
        connector = procrastinate.SyncPsycopgConnector(
            conninfo=CONNECTION, min_size=threads, max_size=threads
        )
    else:
        connector = procrastinate.PsycopgConnector(conninfo=CONNECTION)
    app = procrastinate.App(connector=connector)

    @app.task(name="nothing")  # type: ignore[untyped-decorator]
    async def nothing() -> None:
        """Do nothing; `async`, which is its faster kind."""

    if role == "worker":
        app.run_worker(concurrency=int(os.environ.get("BENCH_CONCURRENCY", "1")))
        return
    with app.open():
        if role == "schema":
            app.schema_manager.apply_schema()
        else:
            submitter.serve(nothing.defer)


if __name__ == "__main__":
    main(sys.argv[1])
