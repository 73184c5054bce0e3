"""Addresses as users write them: what is one, and that nothing of a query is ever shown."""

import pytest

from jobyard.shared.addresses import parse

SECRET = "X-Amz-Signature=0123abcd"


@pytest.mark.parametrize(
    ("written", "shown", "name"),
    [
        ("https://data.example.org/a/b.csv", "https://data.example.org/a/b.csv", "b.csv"),
        ("HTTPS://Data.Example.ORG:443/b.csv", "https://data.example.org/b.csv", "b.csv"),
        ("https://data.example.org:8443/b.csv#top", "https://data.example.org:8443/b.csv", "b.csv"),
        (f"https://data.example.org/b.csv?{SECRET}", "https://data.example.org/b.csv", "b.csv"),
        (f"https://data.example.org?{SECRET}", "https://data.example.org/", "data.example.org"),
        ("https://h.example/gr%C3%BC%C3%9Fe%2F..%2Fa%0A.csv", None, "a.csv"),
        ("https://h.example/%2e%2e", None, "file"),
        ("https://[2001:0DB8::0001]:8443/b.csv", "https://[2001:db8::1]:8443/b.csv", "b.csv"),
        ("s3://reviews/2026/grüße ?a.csv", "s3://reviews/2026/grüße ?a.csv", "grüße ?a.csv"),
    ],
)
def test_an_address_is_shown_without_its_query(written: str, shown: str | None, name: str) -> None:
    address = parse(written)
    assert address.shown == (shown or written)
    assert address.name == name
    assert parse(address.whole) == address


def test_the_whole_address_keeps_its_query() -> None:
    address = parse(f"https://data.example.org/b.csv?{SECRET}&a=%20")
    assert address.whole == f"https://data.example.org/b.csv?{SECRET}&a=%20"
    assert address.target == f"/b.csv?{SECRET}&a=%20"


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("", "should be an https:// or s3:// address"),
        ("reviews.csv", "should be an https:// or s3:// address"),
        ("ftp://example.org/a.csv", "should be an https:// or s3:// address"),
        ("file:///etc/passwd", "should be an https:// or s3:// address"),
        ("gopher://127.0.0.1/", "should be an https:// or s3:// address"),
        ("https:/example.org/a.csv", "should be an https:// or s3:// address"),
        ("https://user:word@example.org/a.csv", "no user and no password"),
        ("https://@example.org/a.csv", "no user and no password"),
        ("https://example.org\\@evil.example/a.csv", "without spaces"),
        ("https://example.org/a b.csv", "without spaces"),
        ("https://example.org/a.csv\r\nHost: evil", "without spaces"),
        ("https://bücher.example/a.csv", "letters of ASCII only"),
        ("https:///a.csv", "the name of a host"),
        ("https://example.org:0/a.csv", "a port that there can be"),
        ("https://example.org:65536/a.csv", "a port that there can be"),
        ("https://example.org:x/a.csv", "a port that there can be"),
        ("https://[fe80::1%25eth0]/a.csv", "the name of a host"),
        ("https://127.1/a.csv", "the name of a host"),
        ("https://0x7f.0.0.1/a.csv", "the name of a host"),
        ("https://0x7f000001/a.csv", "the name of a host"),
        ("https://2130706433/a.csv", "the name of a host"),
        ("https://0177.0.0.1/a.csv", "the name of a host"),
        ("https://example..org/a.csv", "the name of a host"),
        ("https://example.org./a.csv", "the name of a host"),
        ("https://" + "a" * 64 + ".org/a.csv", "the name of a host"),
        ("https://example.org/" + "a" * 9_000, "at most 8,192"),
        ("s3://Reviews/a.csv", "the name of a bucket"),
        ("s3:///a.csv", "the name of a bucket"),
        ("s3://key:word@reviews/a.csv", "the name of a bucket"),
        ("s3://arn:aws:s3:eu-west-1:1:accesspoint/a.csv", "the name of a bucket"),
        ("s3://reviews", "the key of one object"),
        ("s3://reviews/2026/", "the key of one object"),
        ("s3://reviews/../secrets/a.csv", "without . and .."),
        ("s3://reviews/a\n.csv", "without control characters"),
    ],
)
def test_what_is_no_address_is_refused_with_what_one_is(written: str, words: str) -> None:
    with pytest.raises(ValueError, match=r"^should ") as refused:
        parse(f"{written}?{SECRET}" if written.startswith("https") and "\r" not in written else written)
    assert words in str(refused.value)
    assert "0123abcd" not in str(refused.value)
