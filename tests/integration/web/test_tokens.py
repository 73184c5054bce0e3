"""Named tokens: what each scope allows, and that an end of a token is the end of all that it opened."""

import csv
import json
import logging
import re
import threading
import uuid
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from jobyard.shared import audit, jobs, known_tokens, tokens
from jobyard.shared.database import Database, utcnow
from jobyard.shared.logins import Login
from jobyard.shared.tokens import Scope, Token
from jobyard.web.backend import Backend
from jobyard.web.scopes import OPEN, SCOPES
from tests.conftest import TOKEN
from tests.counting import counting
from tests.factories import claimed, dataset, model, post_file, post_job, register
from tests.integration.web.structure import faults
from tests.integration.web.world import HTML, Page, requests
from tests.waiting import PATIENCE, wait_for

if TYPE_CHECKING:
    from flask import Flask
    from flask.testing import FlaskClient

JOB: dict[str, Any] = {"kind": "sentiment", "spec": {"texts": ["one"]}}


@pytest.fixture
def app(make_app: "Callable[..., Flask]", database_url: str) -> "Flask":
    """On SQLite and on PostgreSQL."""
    return make_app(database_url=database_url)


@pytest.fixture
def database(backend: Backend) -> Database:
    """The app's."""
    return backend.database


def created(api: "FlaskClient", name: str, scope: str, **given: Any) -> str:
    response = api.post("/api/v1/tokens", json={"name": name, "scope": scope, **given})
    assert response.status_code == 201, response.json
    assert response.headers["Cache-Control"] == "no-store"
    secret: str = response.json["secret"]
    return secret


def bearing(app: "Flask", secret: str) -> "FlaskClient":
    client = app.test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {secret}"
    return client


def browsing(app: "Flask", secret: str) -> "FlaskClient":
    client = app.test_client()
    client.environ_base["HTTP_ACCEPT"] = HTML
    client.environ_base["HTTP_ORIGIN"] = "http://localhost"
    assert client.get("/login", query_string={"token": secret}).status_code == 302
    return client


def test_every_route_answers_those_whose_scope_is_enough_and_tells_others_which_would_be(
    app: "Flask", api: "FlaskClient"
) -> None:
    clients = {scope: bearing(app, created(api, f"for-{scope}", scope)) for scope in Scope}
    refused = 0
    for endpoint, method, address in requests(app):
        if endpoint in OPEN:
            continue
        needed = SCOPES[endpoint]
        assert needed is not None
        for scope, client in clients.items():
            with client.open(address, method=method, json=JOB) as response:
                if scope.includes(needed) or method == "OPTIONS":
                    assert response.status_code not in (401, 403), f"{scope}: {method} {address}"
                    continue
                refused += 1
                assert response.status_code == 403, f"{scope}: {method} {address}"
                if method != "HEAD":
                    assert response.mimetype == "application/problem+json"
                    detail = response.json["detail"]
                    assert f"the token 'for-{scope}' has the scope {scope}" in detail
                    assert f"needs the scope {' or '.join(needed.enough)}" in detail
    assert refused > 40


@pytest.mark.parametrize("scope", list(Scope))
def test_the_fast_path_asks_for_the_same_scopes(app: "Flask", api: "FlaskClient", scope: Scope) -> None:
    job_id = post_job(api, **JOB)
    client = bearing(app, created(api, "ci", scope))
    assert client.get(f"/api/v1/jobs/{job_id}").status_code == 200
    response = client.post("/api/v1/jobs", json=JOB)
    assert response.status_code == (403 if scope == Scope.READ else 202)


def test_the_database_has_the_hash_of_a_token_and_nothing_else_of_it(
    api: "FlaskClient", database: Database
) -> None:
    secret = created(api, "ci", "submit", expires_seconds=3600)
    with database.read() as session:
        (row,) = session.scalars(sa.select(Token))
        assert row.digest == tokens.digest_of(secret)
        assert secret not in repr(vars(row))
        assert (row.name, row.scope, row.created_by) == ("ci", "submit", "admin")
    listed = api.get("/api/v1/tokens")
    assert secret not in listed.text
    assert row.digest not in listed.text
    assert listed.json["items"][0]["expires_at"] is not None


def test_a_revoked_token_and_its_logins_are_refused_at_once_in_this_process(
    app: "Flask", api: "FlaskClient", database: Database
) -> None:
    secret, other = created(api, "ci", "read"), created(api, "other", "read")
    client, browser, kept = bearing(app, secret), browsing(app, secret), browsing(app, other)
    job_id = post_job(api, **JOB)
    for one in (client, browser, kept):
        assert one.get(f"/api/v1/jobs/{job_id}").status_code == 200
    assert api.delete("/api/v1/tokens/ci").status_code == 204
    assert client.get(f"/api/v1/jobs/{job_id}").status_code == 401
    assert browser.get(f"/api/v1/jobs/{job_id}").status_code == 401
    assert app.test_client().get("/login", query_string={"token": secret}).status_code == 401
    assert kept.get(f"/api/v1/jobs/{job_id}").status_code == 200
    with database.read() as session:
        digests = set(session.scalars(sa.select(Login.token_digest)))
    assert digests == {tokens.digest_of(other)}
    assert api.delete("/api/v1/tokens/ci").status_code == 404
    assert api.delete("/api/v1/tokens/admin").status_code == 409


def test_another_process_refuses_it_once_what_it_verified_is_old(
    make_app: "Callable[..., Flask]", database_url: str, api: "FlaskClient", monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its clock is put forward by as long as what is verified holds: nothing longer is trusted."""
    secret = created(api, "ci", "read")
    elsewhere = bearing(make_app(database_url=database_url), secret)
    assert elsewhere.get("/api/v1/jobs").status_code == 200
    assert api.delete("/api/v1/tokens/ci").status_code == 204
    assert known_tokens.VERIFIED_SECONDS <= 5
    now = known_tokens.time.monotonic
    monkeypatch.setattr(known_tokens.time, "monotonic", lambda: now() + known_tokens.VERIFIED_SECONDS)
    assert elsewhere.get("/api/v1/jobs").status_code == 401


def test_an_expired_token_is_refused_and_its_name_is_free_again(
    app: "Flask", api: "FlaskClient", backend: Backend
) -> None:
    client = bearing(app, created(api, "ci", "read", expires_seconds=3600))
    assert client.get("/api/v1/jobs").status_code == 200
    taken = api.post("/api/v1/tokens", json={"name": "ci", "scope": "read"})
    assert (taken.status_code, "revoke it first" in taken.json["detail"]) == (409, True)
    with backend.database.write() as session:
        session.execute(sa.update(Token).values(expires_at=utcnow(-1)))
    backend.tokens.forget()  # as if VERIFIED_SECONDS had passed
    assert client.get("/api/v1/jobs").status_code == 401
    again = bearing(app, created(api, "ci", "submit"))
    assert again.get("/api/v1/jobs").status_code == 200
    assert [one["name"] for one in api.get("/api/v1/tokens").json["items"]] == ["ci"]
    assert len(api.get("/api/v1/tokens?revoked=true").json["items"]) == 2


@pytest.mark.parametrize("name", ["admin", "Admin", "worker", "sweeper", "", "a b", "-x", "x" * 65])
def test_a_name_that_is_taken_or_none_is_refused(api: "FlaskClient", name: str) -> None:
    response = api.post("/api/v1/tokens", json={"name": name, "scope": "read"})
    assert response.status_code == 422
    assert response.json["errors"][0]["field"] == "name"


def test_a_request_with_a_token_that_was_verified_needs_no_statement_for_it(
    app: "Flask", api: "FlaskClient", database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(known_tokens, "VERIFIED_SECONDS", 3_600.0)  # however slow the machine is
    job_id = post_job(api, **JOB)
    client = bearing(app, created(api, "ci", "submit"))
    assert client.get(f"/api/v1/jobs/{job_id}").status_code == 200
    wait_for(lambda: _last_uses(database))
    counts = []
    for one in (api, client):
        with counting("before_cursor_execute") as statements:
            assert one.get(f"/api/v1/jobs/{job_id}").status_code == 200
        counts.append(len(statements))
    assert counts[0] == counts[1] > 0


def _last_uses(database: Database) -> list[Any]:
    with database.read() as session:
        return list(session.scalars(sa.select(Token.last_used_at).where(Token.last_used_at.is_not(None))))


def test_the_last_use_is_written_once_a_minute(app: "Flask", api: "FlaskClient", backend: Backend) -> None:
    client = bearing(app, created(api, "ci", "read"))
    assert client.get("/api/v1/jobs").status_code == 200
    wait_for(lambda: _last_uses(backend.database))
    (first,) = _last_uses(backend.database)
    with backend.database.autocommit() as connection:
        found = tokens.find_valid(connection, tokens.digest_of(client.environ_base["HTTP_AUTHORIZATION"][7:]))
    assert found is not None
    assert not found.is_use_due
    with backend.database.write() as session:
        session.execute(sa.update(Token).values(last_used_at=utcnow(-tokens.LAST_USE_SECONDS - 1)))
    backend.tokens.forget()
    assert client.get("/api/v1/jobs").status_code == 200
    wait_for(lambda: _last_uses(backend.database)[0] >= first)


def test_creating_and_revoking_are_in_the_audit_log_with_who_did_it(app: "Flask", api: "FlaskClient") -> None:
    boss = bearing(app, created(api, "boss", "admin"))
    secret = created(boss, "ci", "submit")
    assert boss.delete("/api/v1/tokens/ci").status_code == 204
    found = api.get("/api/v1/audit").json["items"]
    seen = [(one["actor"], one["action"], one["object"]) for one in found]
    assert seen == [
        ("boss", "token.revoke", "ci"),
        ("boss", "token.create", "ci"),
        ("admin", "token.create", "boss"),
    ]
    assert found[1]["details"] == {"scope": "submit", "expires_at": None}
    assert secret not in str(found)
    page = api.get("/api/v1/audit?actor=boss&limit=1").json
    assert [one["action"] for one in page["items"]] == ["token.revoke"]
    more = api.get(f"/api/v1/audit?action=token.&cursor={page['next']}").json
    assert [one["object"] for one in more["items"]] == ["ci", "boss"]
    assert more["next"] is None


def test_an_action_that_is_undone_leaves_no_entry(database: Database) -> None:
    def fail() -> None:
        with database.write() as session:
            audit.note(session, "ci", "queue.pause", "cpu", {"reason": "☃"})
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with database.write() as session:
        audit.note(session, "ci", "queue.pause", "x" * 1_000)
    with database.read() as session:
        (entry,) = audit.page(session)
    assert entry.object == "x" * audit.OBJECT_CHARACTERS


def test_secrets_are_in_no_log_record(
    app: "Flask", api: "FlaskClient", caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    secret = created(api, "ci", "read")
    browser = browsing(app, secret)
    bearing(app, secret).post("/api/v1/jobs", json=JOB)
    page = browsing(app, TOKEN).post("/tokens", data={"name": "two", "scope": "read", "days": "30"})
    (shown,) = re.findall(rf"{tokens.PREFIX}[\w-]+", page.text)
    assert browser.get("/").status_code == 200
    logging.getLogger("test").warning("a record that there is")
    assert len(caplog.records) >= 1
    for record in caplog.records:
        line = f"{record.getMessage()} {record.args!r} {record.exc_text}"
        assert secret not in line
        assert shown not in line


# ---- pages


def test_the_page_creates_a_token_shows_it_once_and_revokes_it(app: "Flask", api: "FlaskClient") -> None:
    browser = browsing(app, TOKEN)
    wrong = browser.post("/tokens", data={"name": "a b", "scope": "read"})
    assert (wrong.status_code, "Should be of letters" in wrong.text) == (422, True)
    assert browser.post("/tokens", data={"name": "ci", "scope": "root"}).status_code == 422
    made = browser.post("/tokens", data={"name": "ci", "scope": "read", "days": "30"})
    assert (made.status_code, made.headers["Cache-Control"]) == (201, "no-store")
    (secret,) = re.findall(rf"{tokens.PREFIX}[\w-]+", made.text)
    assert not Page(made.text).inline
    assert faults(made.text) == []
    assert bearing(app, secret).get("/api/v1/jobs").status_code == 200
    again = browser.get("/tokens")
    assert secret not in again.text
    assert 'id="token-ci"' in again.text
    assert browser.post("/tokens", data={"name": "ci", "scope": "read"}).status_code == 409
    assert browser.post("/tokens/ci/revoke").status_code == 303
    assert bearing(app, secret).get("/api/v1/jobs").status_code == 401
    log = browser.get("/audit")
    assert not Page(log.text).inline
    assert faults(log.text) == []
    assert log.text.count("token.revoke") >= 1
    assert "No such entries" in browser.get("/audit?actor=nobody").text
    exported = [json.loads(line) for line in browser.get("/audit.jsonl").text.splitlines()]
    assert [one["action"] for one in exported] == ["token.revoke", "token.create"]
    (row,) = csv.DictReader(browser.get("/audit.csv?action=token.create").text.splitlines())
    assert (row["actor"], row["object"], json.loads(row["details"])["scope"]) == ("admin", "ci", "read")


def test_the_page_says_of_a_token_that_it_has_expired(
    app: "Flask", api: "FlaskClient", database: Database
) -> None:
    created(api, "ci", "read", expires_seconds=3600)
    browser = browsing(app, TOKEN)
    assert "expired <time" not in browser.get("/tokens").text
    with database.write() as session:
        session.execute(sa.update(Token).values(expires_at=utcnow(-1)))
    assert "expired <time" in browser.get("/tokens").text


def test_a_login_that_may_only_read_sees_who_it_is_and_no_form_that_it_cannot_use(
    app: "Flask", api: "FlaskClient", backend: Backend
) -> None:
    job_id = post_job(api, **JOB)
    browser = browsing(app, created(api, "viewer", "read"))
    for address in ("/", f"/jobs/{job_id}", "/models", "/datasets"):
        page = browser.get(address)
        assert page.status_code == 200
        assert "Logged in with the token viewer" in page.text
        assert re.findall('<form[^>]*method="post"[^>]*action="([^"]*)"', page.text) == ["/logout"]
        assert page.text.count('method="post"') == 1
        assert "/new/" not in page.text
        assert "/tokens" not in page.text
        assert "/jobs/many" not in page.text
    many = browser.get("/jobs/many").text
    assert "Needs a token with the scope submit or admin." in many
    assert "Needs a token with the scope admin." in many
    refused = browser.post(f"/jobs/{job_id}/cancel")
    assert (refused.status_code, refused.mimetype) == (403, "text/html")
    assert "needs the scope submit or admin" in refused.text
    with backend.database.read() as session:
        assert jobs.get(session, uuid.UUID(job_id)).state == "queued"
    own = browsing(app, TOKEN).get(f"/jobs/{job_id}").text
    assert f"/jobs/{job_id}/cancel" in own
    assert "/new/train" in own
    assert browser.post("/logout").status_code == 303
    assert browser.get("/").status_code == 401


# ---- who did it


@pytest.fixture
def worker(database_url: str) -> Iterator[Database]:
    """The database as a worker has it: it serves no request."""
    opened = Database(database_url)
    yield opened
    opened.dispose()


def test_a_job_says_who_submitted_it_whichever_way_it_came(app: "Flask", api: "FlaskClient") -> None:
    secret = created(api, "ci", "submit")
    client, browser = bearing(app, secret), browsing(app, secret)
    ids = [
        client.post("/api/v1/jobs", json=JOB).json["id"],
        client.post("/api/v1/jobs", json=JOB, headers={"Content-Type": "application/json; a=b"}).json["id"],
        *(one["id"] for one in client.post("/api/v1/jobs", json=[JOB, JOB]).json["items"]),
        browser.post("/new/sentiment", data={"source": "texts", "texts": "one"}).headers["Location"][-36:],
    ]
    other = post_job(api, **JOB)
    assert {one["id"]: one["created_by"] for one in api.get("/api/v1/jobs").json["items"]} == {
        **dict.fromkeys(ids, "ci"),
        other: "admin",
    }
    for job_id in ids:
        assert api.get(f"/api/v1/jobs/{job_id}").json["created_by"] == "ci"
        (event,) = api.get(f"/api/v1/jobs/{job_id}/events").json["items"]
        assert event["actor"] == "ci"
    assert browser.get("/").text.count("by ci") == len(ids)
    assert "by ci" in browser.get(f"/jobs/{ids[0]}").text


def test_each_request_in_a_timeline_has_its_own_actor_and_the_moves_of_workers_none(
    app: "Flask", api: "FlaskClient", worker: Database
) -> None:
    anna, boss = (bearing(app, created(api, name, "submit")) for name in ("anna", "boss"))
    job_id = post_job(anna, **JOB)
    address = f"/api/v1/jobs/{job_id}"
    assert boss.post(f"{address}/pause").status_code == 202
    assert anna.post(f"{address}/resume").status_code == 202
    claim = claimed(worker, uuid.UUID(job_id))
    assert boss.patch(address, json={"note": "Too slow"}).status_code == 200
    assert boss.post(f"{address}/cancel").status_code == 202
    with worker.write() as session:
        assert jobs.finish_cancel(session, claim.id, claim.lease)
    assert browsing(app, TOKEN).post(f"/jobs/{job_id}/retry").status_code == 303
    events = api.get(f"{address}/events").json["items"]
    assert [(one["state"], one["actor"]) for one in events] == [
        ("queued", "anna"),
        ("paused", "boss"),
        ("queued", "anna"),
        ("running", None),
        ("running", "boss"),
        ("running", "boss"),
        ("cancelled", None),
        ("queued", "admin"),
    ]
    assert api.get(address).json["created_by"] == "anna"


def test_parts_belong_to_who_submitted_their_parent_and_say_who_stopped_them(
    app: "Flask", api: "FlaskClient", worker: Database
) -> None:
    job_id = post_job(bearing(app, created(api, "ci", "submit")), **JOB)
    claim = claimed(worker, uuid.UUID(job_id))
    progress = jobs.Progress("work", 0, 2, "parts", None)
    with worker.write() as session:
        assert jobs.split(session, claim.id, claim.lease, [JOB["spec"]] * 2, window=1, progress=progress)
    assert api.post(f"/api/v1/jobs/{job_id}/cancel").status_code == 202
    parts = api.get(f"/api/v1/jobs?parent={job_id}").json["items"]
    assert [(one["state"], one["created_by"]) for one in parts] == [("cancelled", "ci")] * 2
    last = api.get(f"/api/v1/jobs/{parts[0]['id']}/events").json["items"][-1]
    assert (last["state"], last["actor"]) == ("cancelled", "admin")


@pytest.mark.parametrize("end", ["token", "login"])
def test_a_stream_of_events_ends_with_the_token_and_with_the_login(
    app: "Flask", api: "FlaskClient", end: str
) -> None:
    """It could last ten minutes."""
    job_id = post_job(api, **JOB)
    client = browsing(app, created(api, "ci", "read"))
    began, parts = threading.Event(), list[bytes]()

    def follow() -> None:
        with client.get(f"/api/v1/jobs/{job_id}/events", headers={"Accept": "text/event-stream"}) as response:
            for part in response.iter_encoded():
                parts.append(part)
                began.set()

    follower = threading.Thread(target=follow)
    follower.start()
    assert began.wait(PATIENCE)
    if end == "token":
        assert api.delete("/api/v1/tokens/ci").status_code == 204
    else:
        same = app.test_client()
        cookie = client.get_cookie("jobyard")
        assert cookie is not None
        same.set_cookie(cookie.key, cookie.value)
        assert same.post("/logout", headers={"Origin": "http://localhost"}).status_code == 303
    follower.join(PATIENCE)
    assert not follower.is_alive()
    assert b'"queued"' in parts[0]
    assert b"event: end" not in b"".join(parts), "the job has not ended"


def test_the_idempotency_keys_of_tokens_are_apart(app: "Flask", api: "FlaskClient") -> None:
    clients = [api, *(bearing(app, created(api, name, "submit")) for name in ("anna", "ben"))]
    for key in ("nightly", "k" * 255):
        seen = []
        for number, client in enumerate(clients):
            body = {"kind": "sentiment", "spec": {"texts": [f"of {number // 2}"]}}  # two ask for the same
            for wanted in (body, [body]):
                answers = [
                    client.post("/api/v1/jobs", json=wanted, headers={"Idempotency-Key": key}) for _ in "ab"
                ]
                assert [one.status_code for one in answers] == [202, 200]
                assert len({re.findall(r'"id":"([^"]+)"', one.text)[0] for one in answers}) == 1
                seen += re.findall(r'"id":"([^"]+)"', answers[0].text)
            refused = client.post("/api/v1/jobs", json=JOB, headers={"Idempotency-Key": key})
            assert refused.status_code == 409
        assert len(seen) == len(set(seen)) == 6
    refused = clients[1].post("/api/v1/jobs", json=JOB, headers={"Idempotency-Key": "nightly"})
    assert "Idempotency-Key: 'nightly' was already used" in refused.json["detail"]


def test_what_a_job_has_read_is_deleted_by_administrators_only(app: "Flask", api: "FlaskClient") -> None:
    client = bearing(app, created(api, "ci", "submit"))
    read, unread = (post_file(api, b"text\nfine\n", f"{name}.csv")["id"] for name in ("read", "unread"))
    job_id = post_job(api, kind="sentiment", spec={"file": read, "column": "text"})
    assert api.post(f"/api/v1/jobs/{job_id}/cancel").status_code == 202
    refused = client.delete(f"/api/v1/files/{read}")
    assert (refused.status_code, f"job {job_id} read the file" in refused.json["detail"]) == (409, True)
    assert client.delete(f"/api/v1/files/{unread}").status_code == 204
    assert api.delete(f"/api/v1/files/{read}").status_code == 204
    log = api.get("/api/v1/audit?action=file.delete").json["items"]
    assert [(one["actor"], one["details"]) for one in log] == [
        ("admin", {"name": "read.csv"}),
        ("ci", {"name": "unread.csv"}),
    ]


def test_the_log_says_what_was_deleted_however_it_was_named(api: "FlaskClient", database: Database) -> None:
    pets, cats = register(database, dataset()), register(database, model("cats"))
    job_id = post_job(api, **JOB, name="May again")
    assert api.post(f"/api/v1/jobs/{job_id}/cancel").status_code == 202
    for address in (f"datasets/{pets.id}", f"models/{cats.id}", f"jobs/{job_id}"):
        assert api.delete(f"/api/v1/{address}").status_code == 204
    log = api.get("/api/v1/audit").json["items"]
    assert [(one["action"], one["object"]) for one in log] == [
        ("job.delete", job_id),
        ("model.delete", "cats@1"),
        ("dataset.delete", "pets@1"),
    ]
    assert log[0]["details"] == {"kind": "sentiment", "name": "May again", "created_by": "admin"}


# ---- quotas


def test_over_its_quota_of_queued_jobs_a_token_is_told_to_wait_and_others_are_not(
    app: "Flask", api: "FlaskClient"
) -> None:
    client = bearing(app, created(api, "ci", "submit", max_queued=2))
    post_job(api, **JOB)  # somebody else's
    assert client.post("/api/v1/jobs", json=[JOB] * 3).status_code == 429
    first = client.post("/api/v1/jobs", json=JOB, headers={"Idempotency-Key": "a"})
    assert first.status_code == 202
    second = post_job(client, **JOB)
    for asked in ({"json": JOB}, {"json": [JOB]}, {"json": JOB, "query_string": {"wait": "0"}}):
        refused = client.post("/api/v1/jobs", **asked)
        assert refused.status_code == 429
        assert int(refused.headers["Retry-After"]) > 0
        assert "the token 'ci' may have 2 queued jobs, and has 2" in refused.json["detail"]
    again = client.post("/api/v1/jobs", json=JOB, headers={"Idempotency-Key": "a"})
    assert (again.status_code, again.json["id"]) == (200, first.json["id"])
    assert post_job(api, **JOB)
    assert client.post(f"/api/v1/jobs/{second}/cancel").status_code == 202
    assert post_job(client, **JOB)


@pytest.mark.parametrize("most", [0, -1, tokens.MAX_QUOTA + 1, "x"])
def test_a_quota_is_a_number_of_jobs(api: "FlaskClient", most: object) -> None:
    for quota in ("max_queued", "max_running"):
        response = api.post("/api/v1/tokens", json={"name": "ci", "scope": "submit", quota: most})
        assert response.status_code == 422
        assert response.json["errors"][0]["field"] == quota


def test_quotas_are_set_on_the_page_and_shown_there(app: "Flask", api: "FlaskClient") -> None:
    browser = browsing(app, TOKEN)
    given = {"name": "ci", "scope": "submit", "max_queued": "9", "max_running": "2"}
    for wrong in ("0", "x", "99999"):
        refused = browser.post("/tokens", data=given | {"max_running": wrong})
        assert (refused.status_code, "Should be 1 to 10,000, or nothing" in refused.text) == (422, True)
    assert browser.post("/tokens", data=given).status_code == 201
    page = browser.get("/tokens").text
    assert "at most 9 queued" in page
    assert "at most 2 running" in page
    (token,) = api.get("/api/v1/tokens").json["items"]
    assert (token["max_queued"], token["max_running"]) == (9, 2)
    (entry,) = api.get("/api/v1/audit").json["items"]
    assert (entry["details"]["max_queued"], entry["details"]["max_running"]) == (9, 2)
