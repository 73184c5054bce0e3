"""Which addresses the settings allow: exact hosts and ports, all below a name, and buckets."""

import pytest

from jobyard.shared.addresses import parse
from jobyard.shared.config import Settings
from jobyard.shared.errors import ConfigError, WorkError
from jobyard.shared.source_rules import SourceRules

HOSTS = ("data.example.org", "*.example.net", "alt.example.org:8443", "http://127.0.0.1:8000", "10.0.0.5")


@pytest.mark.parametrize(
    "address",
    [
        "https://data.example.org/a.csv",
        "https://DATA.example.org:443/a.csv",
        "https://a.example.net/a.csv",
        "https://a.b.example.net/a.csv",
        "https://alt.example.org:8443/a.csv",
        "http://127.0.0.1:8000/a.csv",
        "https://10.0.0.5/a.csv",
        "s3://reviews/a.csv",
    ],
)
def test_what_is_named_is_allowed(address: str) -> None:
    SourceRules(HOSTS, ("reviews",)).check(parse(address))


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("https://example.org/a.csv", "JOBYARD_SOURCE_HOSTS doesn't name example.org;"),
        ("https://data.example.org.evil.example/a.csv", "doesn't name data.example.org.evil.example"),
        ("https://data.example.org:8443/a.csv", "doesn't name data.example.org:8443"),
        ("https://alt.example.org/a.csv", "doesn't name alt.example.org;"),
        ("https://example.net/a.csv", "doesn't name example.net"),
        ("https://evilexample.net/a.csv", "doesn't name evilexample.net"),
        ("http://data.example.org/a.csv", "should be https://"),
        ("http://169.254.169.254/latest/meta-data/", "should be https://"),
        ("https://169.254.169.254/latest/meta-data/", "doesn't name 169.254.169.254"),
        ("http://127.0.0.1/a.csv", "doesn't name http://127.0.0.1;"),
        ("http://127.0.0.1:8001/a.csv", "doesn't name http://127.0.0.1:8001"),
        ("http://localhost:8000/a.csv", "doesn't name http://localhost:8000"),
        ("https://127.0.0.1:8000/a.csv", "doesn't name 127.0.0.1:8000"),
        ("s3://review/a.csv", "JOBYARD_SOURCE_BUCKETS doesn't name the bucket review;"),
    ],
)
def test_nothing_else_is_allowed(address: str, words: str) -> None:
    with pytest.raises(WorkError) as refused:
        SourceRules(HOSTS, ("reviews",)).check(parse(address))
    assert words in refused.value.message


@pytest.mark.parametrize("address", ["https://data.example.org/a.csv", "s3://reviews/a.csv"])
def test_nothing_is_fetched_unless_it_is_named(address: str) -> None:
    with pytest.raises(WorkError, match="JOBYARD_SOURCE_"):
        Settings().source_rules.check(parse(address))


def test_the_settings_are_lists_with_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOBYARD_SOURCE_HOSTS", " data.example.org,*.example.net , [::1]:8443,")
    monkeypatch.setenv("JOBYARD_SOURCE_BUCKETS", "reviews, my-reviews")
    settings = Settings.load()
    assert settings.source_hosts == ("data.example.org", "*.example.net", "[::1]:8443")
    assert settings.source_buckets == ("reviews", "my-reviews")
    settings.source_rules.check(parse("https://[::1]:8443/a.csv"))


@pytest.mark.parametrize(
    "entry",
    [
        "*",
        "*.",
        "https://data.example.org",
        "data.example.org/path",
        "u:w@data.example.org",
        "a b",
        "*.10.0.0.1",
    ],
)
def test_a_wrong_host_stops_at_the_start(monkeypatch: pytest.MonkeyPatch, entry: str) -> None:
    monkeypatch.setenv("JOBYARD_SOURCE_HOSTS", f"data.example.org,{entry}")
    with pytest.raises(ConfigError, match=r"JOBYARD_SOURCE_HOSTS: .*should be a host, such as"):
        Settings.load()


@pytest.mark.parametrize("entry", ["http://data.example.org", "http://10.0.0.5", "http://*.localhost"])
def test_http_is_for_this_machine_only(monkeypatch: pytest.MonkeyPatch, entry: str) -> None:
    monkeypatch.setenv("JOBYARD_SOURCE_HOSTS", entry)
    with pytest.raises(ConfigError, match="should be https"):
        Settings.load()


def test_a_wrong_bucket_stops_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOBYARD_SOURCE_BUCKETS", "s3://reviews")
    with pytest.raises(ConfigError, match=r"JOBYARD_SOURCE_BUCKETS: .*should be the name of a bucket"):
        Settings.load()
