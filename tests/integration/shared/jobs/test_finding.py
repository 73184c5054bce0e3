"""Jobs are found by words, labels, kinds, states and dates, page by page and in either order."""

import datetime
import uuid
from collections.abc import Sequence
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from jobyard.shared import jobs
from jobyard.shared.database import Database
from jobyard.shared.jobs import Edit, JobFilter, JobTerm, State, finding
from tests.factories import LONG_AGO, a_request, change_job, new_job


def add(database: Database, words: Sequence[str] = (), **changes: Any) -> uuid.UUID:
    """A job that is found by its marks, and by words as of its files."""
    with database.write() as session:
        [made] = jobs.submit_many(session.connection(), [a_request(**changes)])
        marks = {name: changes.get(name) for name in ("name", "labels", "note")}
        jobs.keep_terms(session.connection(), [(made.id, jobs.terms_of(words, **marks))])
    return made.id


def found(database: Database, **asked: Any) -> list[uuid.UUID]:
    with database.read() as session:
        page = jobs.find(session, JobFilter(**asked))
    assert page.next is None
    return page.ids


def all_pages(session: Session, limit: int, *, oldest_first: bool = False, **asked: Any) -> list[uuid.UUID]:
    """Those of all pages; a page after the last would be asked for ever."""
    ids: list[uuid.UUID] = []
    after = None
    while True:
        page = jobs.find(session, JobFilter(**asked), after=after, limit=limit, oldest_first=oldest_first)
        assert len(page.ids) <= limit
        ids += page.ids
        if page.next is None:
            return ids
        assert page.next != after
        after = page.next


def test_all_words_are_in_name_labels_note_or_names_of_the_spec_in_any_case(database: Database) -> None:
    birds = add(database, ["Photos-of_Birds.zip"], name="May again", labels={"team": "Ornithology"})
    cats = add(database, ["cats@3"], note="Colder than in May; Straße")
    new_job(database)
    for q, ids in (
        ("may", [cats, birds]),
        ("MAY again", [birds]),
        ("birds.zip", [birds]),
        ("birds photos ornithology team", [birds]),
        ("cats@3", [cats]),
        ("STRASSE", [cats]),
        ("may cats birds", []),
        ("bird", []),
    ):
        assert found(database, q=q) == ids, q


def test_a_label_is_found_by_key_and_value_as_they_are(database: Database) -> None:
    first = add(database, labels={"team": "birds", "url": "a:b"})
    second = add(database, labels={"team": "birds", "stage": ""})
    assert found(database, label=["team:birds"]) == [second, first]
    assert found(database, label=["team:birds", "stage:"]) == [second]
    assert found(database, label=["url:a:b"]) == [first]
    assert found(database, label=["team:Birds"]) == []
    assert found(database, q="birds", label=["team:birds"], state=["queued"], kind=["train"]) == []


def test_an_edit_is_found_and_what_was_before_is_not_but_words_of_the_spec_stay(database: Database) -> None:
    job_id = add(database, ["birds.zip"], name="birds in May", labels={"team": "birds"}, note="cold")
    with database.write() as session:
        jobs.edit(session, job_id, Edit({"name": "autumn", "note": None}, {"team": "cats"}))
    for q, ids in (
        ("autumn", [job_id]),
        ("cats", [job_id]),
        ("birds zip", [job_id]),
        ("may", []),
        ("cold", []),
    ):
        assert found(database, q=q) == ids, q
    assert found(database, label=["team:cats"]) == [job_id]
    assert found(database, label=["team:birds"]) == []


def test_kinds_and_states_may_be_several(database: Database) -> None:
    text, training, prediction = (new_job(database, kind=kind) for kind in ("sentiment", "train", "predict"))
    with database.write() as session:
        jobs.cancel(session, training)
    assert found(database, kind=["train", "sentiment", "train"]) == [training, text]
    assert found(database, state=["queued", "cancelled"]) == [prediction, training, text]
    assert found(database, kind=["train", "predict"], state=["cancelled", "failed"]) == [training]


def test_dates_are_moments_of_the_database_from_which_on_and_before_which(database: Database) -> None:
    ids = [new_job(database) for _ in range(4)]
    with database.write() as session:  # they would name jobs by their first ids
        session.execute(sa.delete(jobs.JobEvent))
    days = [LONG_AGO + datetime.timedelta(days=number) for number in range(4)]
    for job_id, day in zip(ids, days, strict=True):
        number = int(day.timestamp() * 1_000)
        moved = uuid.UUID(int=(number << 80) | (job_id.int & ((1 << 80) - 1)))
        change_job(database, job_id, id=moved, created_at=day)
    with database.read() as session:
        by_age = list(session.scalars(sa.select(jobs.Job.id).order_by(jobs.Job.created_at)))
    assert found(database, after=days[1]) == by_age[:0:-1]
    assert found(database, before=days[1]) == by_age[:1]
    assert found(database, after="2020-01-02", before="2020-01-04") == [by_age[2], by_age[1]]
    assert found(database, after=days[1] + datetime.timedelta(milliseconds=1), before=days[2]) == []


@pytest.mark.parametrize("oldest_first", [False, True])
def test_pages_are_whole_in_either_order_however_few_are_looked_at(
    database: Database, monkeypatch: pytest.MonkeyPatch, *, oldest_first: bool
) -> None:
    monkeypatch.setattr(finding, "LOOK", 5)
    monkeypatch.setattr(finding, "LOOKS", 2)
    monkeypatch.setattr(finding, "SECONDS", 60.0)
    ids = [
        add(database, ["odd"] if number % 2 else ["even"], labels={"rest": str(number % 7)}, note="all")
        for number in range(40)
    ]
    rare = [job_id for number, job_id in enumerate(ids) if number % 7 == 3 and number % 2]
    with database.write() as session:
        for job_id in ids[:20]:
            jobs.cancel(session, job_id)
    with database.read() as session:
        for asked, wanted in (
            ({}, ids),
            ({"q": "all"}, ids),
            ({"q": "all odd"}, ids[1::2]),
            ({"q": "all odd", "label": ["rest:3"]}, rare),
            ({"state": ["cancelled", "queued"], "q": "even"}, ids[::2]),
            ({"state": ["cancelled"], "kind": ["sentiment"]}, ids[:20]),
            ({"state": ["cancelled"], "q": "nothing"}, []),
        ):
            in_order = wanted if oldest_first else wanted[::-1]
            for limit in (1, 3, 50):
                assert all_pages(session, limit, oldest_first=oldest_first, **asked) == in_order, asked


def test_a_look_at_many_that_do_not_match_ends_and_says_how_far_it_came(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finding, "LOOK", 3)
    monkeypatch.setattr(finding, "LOOKS", 2)
    monkeypatch.setattr(finding, "SECONDS", 60.0)
    ids = [add(database, ["all"]) for _ in range(10)]
    with database.write() as session:
        jobs.cancel(session, ids[0])
        for _ in range(6):
            new_job_of_its_own = jobs.submit(session, **vars(a_request()))[0]
            jobs.cancel(session, new_job_of_its_own.id)
    with database.read() as session:
        asked = JobFilter(q="all", state=[State.CANCELLED])
        first = jobs.find(session, asked)
        assert (first.ids, first.next) == ([], ids[4])
        assert jobs.find(session, asked, after=first.next) == ([ids[0]], None)


def test_children_are_found_only_as_those_of_their_parent(database: Database) -> None:
    parent = new_job(database)
    child = new_job(database)
    change_job(database, child, parent_id=parent)
    assert found(database) == [parent]
    assert found(database, state=["queued"]) == [parent]
    assert found(database, kind=["sentiment"]) == [parent]
    with database.read() as session:
        assert jobs.find(session, JobFilter(state=[State.QUEUED]), parent=parent).ids == [child]
        assert jobs.find(session, JobFilter(q="x"), parent=parent).ids == []


def test_what_a_job_was_found_by_goes_with_it(database: Database) -> None:
    job_id = add(database, ["birds"], labels={"a": "b"})
    with database.write() as session:
        session.execute(sa.delete(jobs.Job).where(jobs.Job.id == job_id))
        assert session.scalars(sa.select(JobTerm.term)).all() == []


def test_a_filter_says_what_is_wrong_with_it() -> None:
    for asked, said in (
        ({"q": " !? "}, "should have at least one letter or digit"),
        ({"label": ["team"]}, "should be KEY:VALUE"),
        ({"state": ["done"]}, "state.0"),
        ({"before": "yesterday"}, "before"),
        ({"colour": "red"}, "colour"),
    ):
        with pytest.raises(ValueError, match=said):
            JobFilter(**asked)


def test_jobs_are_found_by_the_token_that_submitted_them(database: Database) -> None:
    ci, ada = new_job(database, created_by="ci"), new_job(database, created_by="ada")
    nobody = new_job(database)
    assert found(database, created_by=["ci"]) == [ci]
    assert found(database, created_by=["ci", "ada"], state=["queued"]) == [ada, ci]
    assert found(database, created_by=["c"]) == []
    assert found(database) == [nobody, ada, ci]
