"""Every endpoint stands in the one table of scopes."""

from typing import TYPE_CHECKING

from jobyard.shared.tokens import Scope
from jobyard.web.scopes import SCOPES, needed_for

if TYPE_CHECKING:
    from flask import Flask

READING = {"GET", "HEAD", "OPTIONS"}
# Reads that are not for everybody.
OF_ADMINISTRATORS = {
    *(
        "audit.list_entries",
        "pages.audit",
        "pages.audit_csv",
        "pages.audit_jsonl",
        "pages.tokens",
        "tokens.list_tokens",
    ),
    *("webhooks.get_webhook", "webhooks.list_deliveries", "webhooks.list_webhooks"),
    *("pages.webhook", "pages.webhooks"),
}
# Forms.
FORMS = {"pages.new", "pages.edit", "pages.run_again"}


def test_the_table_has_exactly_the_endpoints_of_the_app(app: "Flask") -> None:
    """A new route needs a line in web/scopes.py that says who may use it."""
    assert set(SCOPES) == {rule.endpoint for rule in app.url_map.iter_rules()}


def test_what_reads_needs_read_and_what_changes_needs_more(app: "Flask") -> None:
    for rule in app.url_map.iter_rules():
        scope = SCOPES[rule.endpoint]
        if scope is None or rule.endpoint == "logout":
            continue
        is_reading = set(rule.methods or ()) <= READING
        assert (scope == Scope.READ) == (is_reading and rule.endpoint not in OF_ADMINISTRATORS | FORMS), rule


def test_an_endpoint_that_the_table_forgot_is_the_administrators() -> None:
    assert needed_for("nowhere.at_all") == Scope.ADMIN
    assert needed_for(None) == Scope.READ


def test_each_scope_includes_those_before_it() -> None:
    assert [[one for one in Scope if scope.includes(one)] for scope in Scope] == [
        [Scope.READ],
        [Scope.READ, Scope.SUBMIT],
        [Scope.READ, Scope.SUBMIT, Scope.ADMIN],
    ]
    assert Scope.SUBMIT.enough == (Scope.SUBMIT, Scope.ADMIN)
