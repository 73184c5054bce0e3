"""The page of a scored file: its rows by a form that needs no script, its extremes, and what was left out."""

import datetime
import html
import re
import uuid
from typing import Any

import pytest
from flask.testing import FlaskClient

from jobyard.shared import jobs, registry
from jobyard.workers.sentiment.vader.scorer import Scorer
from tests import factories
from tests.integration.web.scored import scored_job, scored_table
from tests.integration.web.world import HOSTILE, World

TEXTS = [f"text {number}" for number in range(60)]
COMPOUNDS = [round((number * 37 % 60) / 30 - 1, 4) for number in range(60)]


@pytest.fixture
def many(world: World) -> str:
    return scored_job(world.backend, scored_table({"id": [*range(60)], "text": TEXTS}, COMPOUNDS))


def look(web: FlaskClient, address: str) -> str:
    response = web.get(address)
    assert response.status_code == 200
    assert HOSTILE not in response.text
    return response.text


def rows(page: str) -> list[int]:
    return [int(found) for found in re.findall(r'id="row-(\d+)"', page)]


def after(page: str) -> str | None:
    return linked(page, "next-rows")


def linked(page: str, name: str) -> str | None:
    found = re.search(rf'id="{name}" rel="\w+" href="(\?[^"]*cursor=[^"]*)#rows"', page)
    return None if found is None else html.unescape(found[1])


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", [*range(60)]),
        ("?sort=compound", sorted(range(60), key=COMPOUNDS.__getitem__)),
        ("?sort=-compound", sorted(range(60), key=lambda row: -COMPOUNDS[row])),
        ("?label=negative", [row for row in range(60) if COMPOUNDS[row] <= -0.05]),
        ("?search=TEXT+5&label=&sort=row", [5, *range(50, 60)]),
        ("?sort=nonsense&search=", [*range(60)]),
        ("?label=nonsense&sort=compound", sorted(range(60), key=COMPOUNDS.__getitem__)),
        ("?cursor=nonsense", [*range(60)]),
        ("?sort=compound&cursor=60", sorted(range(60), key=COMPOUNDS.__getitem__)),
        ("?sort=compound&cursor=26", sorted(range(60), key=COMPOUNDS.__getitem__)[3:]),
        ("?search=nothing+like+it", []),
    ],
)
def test_rows_are_found_and_paged_through(
    web: FlaskClient, many: str, query: str, expected: list[int]
) -> None:
    address = f"/jobs/{many}{query}"
    found: list[int] = []
    for _ in range(5):
        page = look(web, address)
        found += rows(page)
        if (more := after(page)) is None:
            break
        address = f"/jobs/{many}{more}"
    assert found == expected
    assert ("No row matches" in page) == (not expected)


def test_the_form_shows_what_was_asked_for(web: FlaskClient, many: str) -> None:
    page = look(web, f"/jobs/{many}?label=negative&sort=-compound&search={HOSTILE}%26")
    assert "<option selected>negative" in page
    assert '<option value="-compound" selected>' in page
    assert 'value="&lt;script&gt;alert(&#34;x&#34;)&lt;/script&gt;&amp;"' in page


def test_pages_lead_back_and_say_where_they_are(web: FlaskClient, many: str) -> None:
    address = f"/jobs/{many}?search=text&sort=-compound"
    pages = [look(web, address)]
    while more := after(pages[-1]):
        pages.append(look(web, f"/jobs/{many}{more}"))
    assert [re.findall(r"[0-9]+–[0-9]+ of 60", page) for page in pages] == [
        ["1–24 of 60"],
        ["25–48 of 60"],
        ["49–60 of 60"],
    ]
    assert linked(pages[0], "previous-rows") is None
    page = pages[-1]
    for earlier in reversed(pages[:-1]):
        page = look(web, f"/jobs/{many}{linked(page, 'previous-rows')}")
        assert rows(page) == rows(earlier)
    assert "60 of 60 rows" in page


def test_where_no_row_is_left_out_the_result_says_how_many_there_are(world: World, web: FlaskClient) -> None:
    """They are not counted again."""
    table = scored_table({"id": [*range(60)], "text": TEXTS}, COMPOUNDS)
    address = f"/jobs/{scored_job(world.backend, table, rows=1_000)}"
    page = look(web, address)
    assert "1–24 of 1,000" in page
    assert "25–48 of 1,000" in look(web, f"{address}{after(page)}")
    assert re.search(r"1–24 of 60", look(web, f"{address}?search=text"))


def test_no_workbook_is_offered_of_more_rows_than_a_sheet_holds(world: World, web: FlaskClient) -> None:
    table = scored_table({"text": ["a", "b", "a"]}, [0.5, 0.1, -0.5])
    job_id = scored_job(world.backend, table, rows=2_000_000)
    assert "scores.csv" in (page := look(web, f"/jobs/{job_id}"))
    assert "scores.xlsx" not in page
    assert look(web, f"/jobs/{job_id}?search=a").count("scores.xlsx") == 1


def test_a_workbook_that_takes_long_to_write_says_so(world: World, web: FlaskClient) -> None:
    table = scored_table({"text": ["a", "b", "a"]}, [0.5, 0.1, -0.5])
    page = look(web, f"/jobs/{scored_job(world.backend, table, rows=500_000)}?search=a")
    links = re.findall(r"/scores\.xlsx.*?([^<>]*)</a>", page)
    assert [link.strip() for link in links] == ["Excel (begins after about 30 s)", "Excel"]


def test_heads_of_columns_are_links_that_sort_by_them(world: World, web: FlaskClient) -> None:
    columns = {
        "text": ["a", "b", "c"],
        "row": ["2", "10", None],
        HOSTILE: ["x"] * 3,
        "stars": ["3", "1", "2"],
    }
    job_id = scored_job(world.backend, scored_table(columns, [0.5, 0.1, -0.5]))
    page = look(web, f"/jobs/{job_id}?label=&search=")
    heads = dict(
        re.findall(r'href="([^"]+)#rows">([^<]*)', page.partition("<thead>")[2].partition("</thead>")[0])
    )
    sorts = {name.strip(): html.unescape(address) for address, name in heads.items()}
    assert "sort=%402" in [one for one in sorts["row"].split("&") if "sort" in one]  # the second of this name
    first = look(web, f"/jobs/{job_id}{sorts['stars']}")
    assert rows(first) == [1, 2, 0]
    assert first.count('aria-sort="ascending"') == 1
    turned = re.search(r'aria-sort="ascending">\s*<a[^>]* href="([^"]+)#rows', first)
    assert turned is not None
    last = look(web, f"/jobs/{job_id}{html.unescape(turned[1])}")
    assert rows(last) == [0, 2, 1]
    assert last.count('aria-sort="descending"') == 1
    assert "Descending by stars" in last
    assert "Ascending by row<" in look(web, f"/jobs/{job_id}?sort=@2")
    by_its_name = next(address for address in map(html.unescape, heads) if "script" in address)
    assert rows(look(web, f"/jobs/{job_id}{by_its_name}")) == [0, 1, 2]


def test_what_is_seen_is_offered_as_a_file_first_as_what_was_scored(world: World, web: FlaskClient) -> None:
    table = scored_table({"text": ["a", "b"]}, [0.5, -0.5])
    for read_as, first in (
        ({"format": "csv"}, "csv"),
        ({"format": "csv", "sheet": "Tabelle"}, "xlsx"),
        ({"format": "json", "rows_of": "data"}, "jsonl"),
        ({"format": "parquet"}, "parquet"),
        (None, "csv"),
    ):
        job_id = scored_job(world.backend, table, read_as=read_as)
        page = look(web, f"/jobs/{job_id}?label=negative&sort=-text")
        links = [html.unescape(one) for one in re.findall(r'href="([^"]+/scores\.[^"]+)"', page)]
        assert links[0].rpartition(".")[2] == first
        assert {link.partition("/scores.")[2] for link in links[:4]} == {"csv", "xlsx", "parquet", "jsonl"}
        assert {link.partition("?")[2] for link in links[4:]} == {"label=negative&sort=-text"}
        assert len(links) == 8
    assert web.get(links[4]).data.decode().splitlines()[1:] == ["b,-0.5,-0.5,-0.5,-0.5,negative"]


def test_long_texts_and_many_columns_are_cut_on_the_page(world: World, web: FlaskClient) -> None:
    columns = {f"column {number}": [number] for number in range(300)} | {"text": ["x" * 50_000]}
    page = look(web, f"/jobs/{scored_job(world.backend, scored_table(columns, [0.5]))}")
    assert sorted(len(run) for run in re.findall("x{100,}", page))[-2:] == [197, 1_997]
    table, _, rest = page.partition("</table>")
    assert "column 19" in table
    assert "column 20" not in table
    assert "280 more columns" in rest
    assert "?sort=column+299" in rest.replace("&amp;", "&").replace("?label=&search=&", "?")


def test_groups_are_shown_the_largest_first_and_paged_through(world: World, web: FlaskClient) -> None:
    names: list[str | None] = [None, "", HOSTILE, *(f"shop {number}" for number in range(42))]
    job_id = scored_job(
        world.backend, scored_table({"text": ["a"]}, [0.5]), group_by=HOSTILE, groups=len(names)
    )
    empty = {"nulls": 0, "labels": {}, "mean": None, "std": None, "histogram": [0] * 40}
    with world.backend.database.write() as session:
        rows_of = [{"value": name, "rows": 900 - place, **empty} for place, name in enumerate(names)]
        registry.keep_score_groups(session, uuid.UUID(job_id), rows_of)
    for offset, count in ((0, 20), (20, 20), (40, 5), (60, 0)):
        page = look(web, f"/jobs/{job_id}?groups={offset}")
        shown = [int(found) for found in re.findall(r'without a text">(\d+)</td>', page)]
        assert shown == [900 - place for place in range(offset, offset + count)]
        assert (f"?groups={offset + 20}#groups" in page) == (offset < 40)
        assert (f"?groups={offset - 20}#groups" in page) == (0 < offset < 60)
    assert "45 groups by &lt;script&gt;" in look(web, f"/jobs/{job_id}")


def test_a_file_whose_rows_can_not_be_read_has_its_numbers_all_the_same(
    world: World, web: FlaskClient
) -> None:
    csv = look(web, f"/jobs/{scored_job(world.backend, b'text', format='csv')}")
    assert "is csv, and is only downloaded whole, as that" in csv
    broken = look(web, f"/jobs/{scored_job(world.backend, b'PAR1')}")
    assert "can&#39;t be read on the server" in broken
    assert "mean +0.1250" in broken


def test_extremes_and_broken_rows_are_shown(world: World, web: FlaskClient) -> None:
    page = look(web, f"/jobs/{world.job('file', 'succeeded').id}")
    assert "std. dev. 0.5000" in page
    assert "1,234 broken rows left out" in page
    assert "line 2" in page
    assert "and 1,233 more" in page
    assert page.count("Most positive") == 2  # the list, and the order of rows
    assert page.count("&lt;script&gt;alert(&#34;x&#34;)&lt;/script&gt; is great") >= 1


def test_a_paused_job_shows_how_far_it_came_and_its_clock_stands_still(
    world: World, web: FlaskClient
) -> None:
    job = world.job("file", "running")
    with world.backend.database.write() as session:
        held = jobs.get(session, job.id)
        jobs.pause(session, job.id)
        assert held.lease is not None
        assert jobs.release(session, job.id, held.lease)
    page = look(web, f"/jobs/{job.id}")
    assert "Paused while work" in page
    assert "37 of 100 batches" in page
    assert 'aria-valuenow="37"' in page
    assert "left" not in page
    assert "starts over when it is resumed" in page
    with world.backend.database.write() as session:
        paused = jobs.get(session, job.id)
        assert paused.started_at is not None
        paused.pause_requested_at = paused.started_at + datetime.timedelta(minutes=75)
    assert "paused after 1 h 15 min" in look(web, f"/jobs/{job.id}")

    with world.backend.database.write() as session:
        jobs.resume(session, job.id)
        assert factories.claim(session, job.id) is not None
    page = look(web, f"/jobs/{job.id}")
    assert "37 of 100" not in page
    assert "running for" in page


def test_a_parent_that_is_paused_goes_on_from_where_it_was(world: World, web: FlaskClient) -> None:
    job = world.job("file", "running")
    with world.backend.database.write() as session:
        held = jobs.get(session, job.id)
        assert held.lease is not None
        progress = jobs.Progress("scoring in parts", 40, 100, "rows", None)
        part = [{"part": number, "parts": 2, "rows": 50} for number in range(2)]
        assert jobs.split(session, job.id, held.lease, part, window=2, progress=progress, checkpoint_key="k")
        jobs.pause(session, job.id)
    page = look(web, f"/jobs/{job.id}")
    assert "40 of 100 rows" in page
    assert "continues from this point" in page


def test_explained_texts_show_what_each_word_adds(world: World, web: FlaskClient) -> None:
    spec: dict[str, Any] = {"texts": ["I really LOVE it, but it is not good!", "a table"], "explain": True}
    job_id = uuid.UUID(web.post("/api/v1/jobs", json={"kind": "sentiment", "spec": spec}).json["id"])
    scorer = Scorer()
    scores = [
        {**scorer.score(text)._asdict(), "label": "neutral", **scorer.explain(text)} for text in spec["texts"]
    ]
    scores[1]["words"][0]["word"] = HOSTILE
    scores[1]["words"][0]["score"] = 1.0
    with world.backend.database.write() as session:
        claimed = factories.claim(session, job_id)
        assert claimed is not None
        assert jobs.succeed(session, job_id, claimed.lease, {"count": 2, "labels": {}, "scores": scores})
    page = look(web, f"/jobs/{job_id}")
    chips = re.findall(r'class="word label-(\w+)"[^>]*>([^ ]+) <span class="word-score">([^<]+)', page)
    assert chips[:2] == [("positive", "LOVE", "+2.11"), ("negative", "good", "-2.11")]
    assert "in capitals +0.733, boosted by “really” +0.293" in page
    assert "Sum</dt><dd>" in page


SEEN = {"emoji": 1_204, "curly": 0, "html": 1, "not_english": 0.23}


def test_one_click_scores_again_what_vader_cant_see(world: World, web: FlaskClient) -> None:
    job_id = scored_job(world.backend, scored_table({"text": ["hi"]}, [0.5]), unseen=SEEN)
    page = look(web, f"/jobs/{job_id}")
    assert "VADER doesn't see emoji in 1,204 texts, HTML in 1." in page
    assert "About 23 % of the texts are not in English, for which VADER is made." in page
    found = re.search(r'id="unseen" method="post" action="([^"]+)"', page)
    assert found is not None
    response = web.post(found[1])
    assert response.status_code == 303
    again = web.get(response.location.replace("/jobs/", "/api/v1/jobs/")).json
    first = web.get(f"/api/v1/jobs/{job_id}").json
    assert again["id"] != first["id"]
    assert again["spec"] == first["spec"] | {"normalize": "standard"}


def test_texts_are_scored_again_by_the_same_click(world: World, web: FlaskClient) -> None:
    spec = {"texts": ["great👍"], "lexicon": {"Sick": 2.0}, "explain": True}
    job_id = web.post("/api/v1/jobs", json={"kind": "sentiment", "spec": spec}).json["id"]
    response = web.post(f"/jobs/{job_id}/normalize")
    assert response.status_code == 303
    again = web.get(response.location.replace("/jobs/", "/api/v1/jobs/")).json["spec"]
    assert again["normalize"] == "standard"
    assert (again["texts"], again["lexicon"], again["explain"]) == (["great👍"], {"sick": 2.0}, True)


def test_what_was_put_into_words_is_said_and_not_offered_again(world: World, web: FlaskClient) -> None:
    scores = [{"neg": 0.0, "neu": 0.0, "pos": 1.0, "compound": 0.6, "label": "positive", "words": []}]
    scores[0] |= {"scored_as": "great thumbs up", "punctuation": 0.0}
    result = {"count": 1, "labels": {"positive": 1}, "scores": scores, "unseen": SEEN | {"not_english": 0.0}}
    spec = {"texts": ["great👍"], "normalize": "standard", "explain": True}
    job_id = uuid.UUID(web.post("/api/v1/jobs", json={"kind": "sentiment", "spec": spec}).json["id"])
    with world.backend.database.write() as session:
        claimed = factories.claim(session, job_id)
        assert claimed is not None
        assert jobs.succeed(session, job_id, claimed.lease, result)
    page = look(web, f"/jobs/{job_id}")
    assert "Put into words: emoji in 1,204 texts, HTML in 1." in page
    assert "scored as great thumbs up" in page
    assert "Score again" not in page
    assert "in English" not in page


def test_only_texts_are_scored_again(world: World, web: FlaskClient) -> None:
    assert web.post(f"/jobs/{world.job('train', 'succeeded').id}/normalize").status_code == 409
    assert web.post(f"/jobs/{uuid.uuid4()}/normalize").status_code == 404


def test_own_words_are_listed_if_they_are_few(world: World, web: FlaskClient) -> None:
    for count, said in ((2, "lexicon.word1"), (10_000, "<dt>lexicon</dt><dd>10,000</dd>")):
        words = {f"word{number}": 1.5 for number in range(count)}
        spec = {"texts": ["hi"], "lexicon": words}
        job_id = web.post("/api/v1/jobs", json={"kind": "sentiment", "spec": spec}).json["id"]
        page = look(web, f"/jobs/{job_id}")
        assert said in page
        assert ("lexicon.word1" in page) == (count == 2)


def test_a_job_of_another_kind_asks_for_no_rows(world: World, web: FlaskClient) -> None:
    assert 'id="rows"' not in look(web, f"/jobs/{world.job('texts', 'succeeded').id}")
    assert web.get(f"/jobs/{uuid.uuid4()}?sort=compound").status_code == 404


def test_a_page_says_how_the_file_was_read_and_what_is_left_open(web: FlaskClient, world: World) -> None:
    read_as = {"format": "csv", "delimiter": "\x01", "header": "no", "skip_lines": 2, "sheet": HOSTILE}
    warnings = [f"line 3 is data: {HOSTILE}"]
    table = scored_table({"text": ["hi"]}, [0.5])
    page = look(web, f"/jobs/{scored_job(world.backend, table, read_as=read_as, warnings=warnings)}")
    assert "Read as csv, separated by ^A, header no, skip lines 2, sheet " in page
    assert "Line 3 is data: " in page


def test_a_page_says_where_a_file_was_fetched_from(web: FlaskClient, world: World) -> None:
    fetched = [
        {"address": f"https://data.example.org/{number}.csv", "bytes": 2_000, "sha256": "0" * 64}
        for number in range(7)
    ]
    job_id = scored_job(world.backend, scored_table({"text": ["a"]}, [0.5]), fetched=fetched)
    page = web.get(f"/jobs/{job_id}").text
    assert "Fetched from https://data.example.org/4.csv, 2 kB" in page
    assert "https://data.example.org/5.csv" not in page
    assert "and 2 more" in page


def test_names_of_fields_in_messages_are_code_and_nothing_else_is(web: FlaskClient, world: World) -> None:
    warnings = ["if it has names, set `header` to yes", "`<b>` and `a file`"]
    table = scored_table({"text": ["hi"]}, [0.5])
    page = look(web, f"/jobs/{scored_job(world.backend, table, read_as={}, warnings=warnings)}")
    assert "set <code>header</code> to yes" in page
    assert "`&lt;b&gt;` and `a file`" in page
