"""A part of an id is enough where it is unique."""

import uuid

from jobyard.shared import jobs
from jobyard.shared.database import Database
from tests.factories import change_job, new_job, new_jobs


def found(database: Database, part: str, limit: int = 5) -> list[uuid.UUID]:
    digits = jobs.part_of_id(part)
    assert digits is not None, part
    with database.read() as session:
        return jobs.matching_ids(session, digits, limit)


def test_the_beginning_or_the_end_of_an_id_finds_it_and_others_that_have_it_in_common(
    database: Database,
) -> None:
    ids = new_jobs(database, 20)
    text = str(ids[7])
    for part in (text, text.upper(), text[:33], text[-12:], text[-20:], f"…{text[-9:]}", ids[7].hex):
        assert found(database, part) == [ids[7]], part
    # All were submitted within the same milliseconds: newest first.
    assert found(database, text[:4]) == sorted(ids, reverse=True)[:5]
    assert found(database, text[5:17]) == []  # from the middle
    assert found(database, "0000") == []


def test_neither_a_child_nor_a_preview_nor_anothers_job_is_the_last_one(database: Database) -> None:
    assert last(database) is None
    parent, child = new_job(database, created_by="ci"), new_job(database, created_by="ci")
    new_job(database, created_by="ada")
    new_job(database, created_by="ci", kind=jobs.UNLISTED_KIND)
    new_job(database)
    change_job(database, child, parent_id=parent)
    assert found(database, child.hex[-10:]) == [child]
    assert last(database) == parent


def last(database: Database) -> uuid.UUID | None:
    with database.read() as session:
        return jobs.newest_id(session, created_by="ci")


def test_what_can_be_no_part_of_an_id() -> None:
    for text in ("", "abc", "a-b-c", "xyzw", "@last", "0" * 33, "018f%", "018f_"):
        assert jobs.part_of_id(text) is None, text
