"""The pages of webhooks: added, changed, tested and deleted, with secrets shown once."""

import re
import uuid

from flask.testing import FlaskClient

from jobyard.shared import audit, jobs, webhooks
from tests.factories import new_job
from tests.integration.web.world import World
from tests.webhooks import deliveries

FORM = {
    "name": "chat",
    "url": "https://hooks.example.org/a?key=sesame",
    "events": ["failed", "cancelled"],
    "kinds": ["sentiment"],
    "labels": "team=birds\r\n",
}


def added(world: World, web: FlaskClient) -> tuple[uuid.UUID, str]:
    response = web.post("/webhooks", data=FORM)
    assert response.status_code == 201, response.text
    (secret,) = re.findall(r"whsec_[^<\s]+", response.text)
    with world.backend.database.read() as session:
        (webhook,) = webhooks.listed(session)
    assert (webhook.labels, webhook.kinds) == ({"team": "birds"}, ("sentiment",))
    return webhook.id, secret


def test_a_webhook_is_added_and_its_secret_shown_once(world: World, web: FlaskClient) -> None:
    webhook_id, _ = added(world, web)
    for path in ("/webhooks", f"/webhooks/{webhook_id}"):
        page = web.get(path).text
        assert "hooks.example.org/a?…" in page
        assert "whsec_" not in page
        assert "sesame" not in page
    rotated = web.post(f"/webhooks/{webhook_id}/rotate").text
    assert "whsec_" in rotated


def test_what_is_wrong_stands_in_the_form(world: World, web: FlaskClient) -> None:
    for changes, words in (
        ({"url": "http://hooks.example.org"}, "Should be https://"),
        ({"name": "<b>"}, "letters, digits"),
        ({"events": []}, "Choose at least one"),
        ({"labels": "birds"}, "should be a key and a value"),
        ({"labels": "a b=c"}, "letter"),
    ):
        response = web.post("/webhooks", data=FORM | changes)
        assert response.status_code == 422
        assert words in response.text
        assert "<b>" not in response.text
    added(world, web)
    taken = web.post("/webhooks", data=FORM)
    assert taken.status_code == 409
    assert "give this one another name" in taken.text


def test_deliveries_are_listed_and_sent_again(world: World, web: FlaskClient) -> None:
    webhook_id, _ = added(world, web)
    where, database = f"/webhooks/{webhook_id}", world.backend.database
    job_id = new_job(database, labels={"team": "birds"})
    with database.write() as session:
        jobs.cancel(session, job_id)
    assert web.post(f"{where}/test").status_code == 303
    page = web.get(where).text
    assert str(job_id) in page
    assert page.count('aria-label="Resend delivery') == 2
    first, *_ = deliveries(database)
    assert web.post(f"{where}/deliveries/{first.id}/resend").status_code == 303
    assert web.post(f"{where}/deliveries/{2**70}/resend").status_code == 404
    assert web.get(f"{where}?cursor=x").status_code == 200
    # What is sent meanwhile appears by itself, but not in the answer to a form, whose address is another's.
    part = web.get(where, headers={"X-Fragment": "live"}).text
    assert part.lstrip().startswith('<section class="card overflow-hidden" id="live" data-live data-every')
    page = web.get(where).text
    assert part.strip() in page
    assert "live.js" in page
    assert "live.js" not in web.post(f"{where}/rotate").text
    web.post(f"{where}/disable")
    refused = web.post(f"{where}/test")
    assert refused.status_code == 409
    assert "is disabled" in refused.text
    web.post(f"{where}/enable")
    assert web.post(f"{where}/test").status_code == 303
    with database.read() as session:
        noted = [(one.action, one.object) for one in audit.page(session, action="webhook.")]
    assert {("webhook.test", "chat"), ("webhook.resend", "chat")} <= set(noted)
    assert {name for _, name in noted} == {"chat"}


def test_a_webhook_is_changed_and_deleted(world: World, web: FlaskClient) -> None:
    webhook_id, _ = added(world, web)
    where = f"/webhooks/{webhook_id}"
    assert web.post(f"{where}/edit", data={"url": "", "events": "succeeded"}).status_code == 303
    with world.backend.database.read() as session:
        webhook = webhooks.get(session, webhook_id)
    assert (webhook.url, webhook.events, webhook.kinds) == (FORM["url"], ("succeeded",), None)
    wrong = web.post(f"{where}/edit", data={"url": "https://127.0.0.1/", "events": "succeeded"})
    assert wrong.status_code == 422
    assert "JOBYARD_WEBHOOK_PRIVATE_NETWORKS" in wrong.text
    for _ in range(2):
        assert web.post(f"{where}/delete").status_code == 303
    assert web.get(where).status_code == 404
