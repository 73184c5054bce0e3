"""Objects of a real server of S3's protocol (moto's) on loopback."""

import io
import logging
from collections.abc import Iterator

import pytest

from jobyard.shared.addresses import parse
from jobyard.shared.errors import WorkError
from jobyard.shared.source_rules import SourceRules
from jobyard.workers.fetching import buckets
from jobyard.workers.fetching.stream import Unreachable
from jobyard.workers.runtime.progress import NoProgress
from tests.buckets import put, serving

BODY = b"text\n" + b"fine\n" * 100_000
KEY = "2026/grüße ?a&b.csv"


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with serving(monkeypatch) as url:
        put("reviews", KEY, BODY)
        yield url


def read(address: str, *allowed: str) -> bytes:
    with buckets.opened(parse(address), SourceRules(buckets=allowed or ("reviews",)), NoProgress()) as found:
        assert found.size == len(BODY)
        assert found.etag
        assert found.last_modified
        target = io.BytesIO()
        while piece := found.read(1 << 20):
            target.write(piece)
        return target.getvalue()


def test_an_object_comes_whole_whatever_its_key(
    s3: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "a-secret-token")
    assert read(f"s3://reviews/{KEY}") == BODY
    assert "a-secret-token" not in caplog.text
    assert "Signature=" not in caplog.text


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("s3://reviews/none.csv", "there is no such object in the bucket reviews"),
        ("s3://missing/none.csv", "there is no bucket missing"),
        ("s3://private/a.csv", "JOBYARD_SOURCE_BUCKETS doesn't name the bucket private"),
    ],
)
def test_what_is_not_there_or_not_allowed_is_named(s3: str, address: str, words: str) -> None:
    with pytest.raises(WorkError) as refused:
        read(address, "reviews", "missing")
    assert words in refused.value.message


def test_a_server_that_is_not_there_may_be_asked_again(s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    monkeypatch.setattr(buckets, "ATTEMPTS", 1)
    with pytest.raises(Unreachable, match="S3 can't be reached"):
        read(f"s3://reviews/{KEY}")


@pytest.mark.parametrize("has_credentials", [True, False])
def test_what_credentials_do_not_allow_is_said(has_credentials: bool) -> None:
    answer = {"Error": {"Code": "AccessDenied"}}
    error = buckets.refused(parse("s3://reviews/a.csv"), answer, has_credentials=has_credentials)
    assert ("s3:GetObject" in error.message) == has_credentials
    assert ("no credentials" in error.message) != has_credentials
