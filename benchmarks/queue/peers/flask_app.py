"""The plainest Flask app that does the same: insert a row and `delay()`, read a row. No token, no checks.

`gunicorn benchmarks.queue.peers.flask_app:app`. SQLite through the standard library, one connection per
thread, set up as Jobyard's is.
"""

import json
import os
import sqlite3
import threading
import uuid

from flask import Flask, Response, jsonify, request

from benchmarks.queue.peers.celery_process import nothing

app = Flask(__name__)
local = threading.local()

TABLE = "CREATE TABLE IF NOT EXISTS jobs (id TEXT PRIMARY KEY, kind TEXT, spec TEXT, state TEXT)"


def database() -> sqlite3.Connection:
    """This thread's connection."""
    if not hasattr(local, "connection"):
        connection = sqlite3.connect(os.environ["BENCH_SQLITE"], timeout=20)
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute(TABLE)
        local.connection = connection
    found: sqlite3.Connection = local.connection
    return found


@app.post("/jobs")
def submit() -> tuple[Response, int]:
    """Insert, commit, send."""
    body = request.get_json()
    job_id = str(uuid.uuid4())
    connection = database()
    row = (job_id, body["kind"], json.dumps(body["spec"]), "queued")
    connection.execute("INSERT INTO jobs VALUES (?, ?, ?, ?)", row)
    connection.commit()
    nothing.delay()
    return jsonify(id=job_id, state="queued"), 202


@app.get("/jobs/<job_id>")
def look(job_id: str) -> Response:
    """Read the row."""
    row = database().execute("SELECT id, kind, spec, state FROM jobs WHERE id = ?", (job_id,)).fetchone()
    return jsonify(id=row[0], kind=row[1], spec=json.loads(row[2]), state=row[3])
