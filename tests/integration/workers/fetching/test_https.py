"""Files over a real TLS connection: what comes whole, and what is refused on the way."""

import http.server
import socket
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from jobyard.shared.addresses import parse
from jobyard.shared.errors import Cancelled, WorkError
from jobyard.shared.source_rules import SourceRules
from jobyard.workers.fetching import https
from jobyard.workers.fetching.networks import Resolve, resolve
from jobyard.workers.fetching.stream import Unreachable
from jobyard.workers.runtime.progress import NoProgress
from tests.hosts import Host, redirect, status
from tests.serving import serving

BODY = b"text\n" + b"fine\n" * 100_000


def read(
    host: Host,
    path: str = "/a.csv",
    *,
    hosts: Sequence[str] = (),
    progress: Any = None,
    look_up: Resolve = resolve,
) -> bytes:
    rules = SourceRules((host.name, *hosts))
    with https.opened(parse(host.url + path), rules, progress or NoProgress(), look_up) as incoming:
        return b"".join(iter(lambda: incoming.read(1 << 16), b""))


def refusal(host: Host, path: str = "/a.csv", **given: Any) -> WorkError:
    with pytest.raises(WorkError) as refused:
        read(host, path, **given)
    assert "secret" not in refused.value.message
    return refused.value


def test_a_file_comes_whole_and_with_what_its_host_says_of_it(host: Host) -> None:
    host.has["/a.csv"] = status(200, BODY, ETag='"1"', Last_Modified="Sat, 28 Nov 2026 20:00:00 GMT")
    with https.opened(
        parse(f"{host.url}/a.csv?sig=secret"), SourceRules((host.name,)), NoProgress()
    ) as found:
        assert (found.size, found.etag) == (len(BODY), '"1"')
        assert found.last_modified == "Sat, 28 Nov 2026 20:00:00 GMT"
        assert b"".join(iter(lambda: found.read(1 << 20), b"")) == BODY
    assert host.asked == ["/a.csv?sig=secret"]
    assert host.headers[0]["Host"] == host.name
    assert host.headers[0]["Accept-Encoding"] == "identity"
    assert not {"Authorization", "Cookie", "Referer"} & set(host.headers[0])


def test_chunks_and_an_announced_end_are_as_good_as_a_length(host: Host) -> None:
    def chunked(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for at in range(0, len(BODY), 100_000):
            piece = BODY[at : at + 100_000]
            handler.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        handler.wfile.write(b"0\r\n\r\n")

    host.has["/a.csv"] = chunked
    assert read(host) == BODY


def test_no_proxy_of_the_environment_gets_to_know(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    host.has["/a.csv"] = BODY
    assert read(host) == BODY


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (404, "has no such file"),
        (410, "has no such file"),
        (403, "a signature in its query that is still valid"),
        (401, "should be open to all"),
        (204, "answers with 204, and should with 200 and the file"),
        (206, "answers with 206"),
        (400, "answers with 400"),
    ],
)
def test_an_answer_without_the_file_says_why(host: Host, code: int, words: str) -> None:
    host.has["/a.csv"] = status(code)
    error = refusal(host, "/a.csv?sig=secret")
    assert words in error.message
    assert not isinstance(error, Unreachable)


@pytest.mark.parametrize("code", [429, 500, 503])
def test_a_host_that_is_busy_may_be_asked_again(host: Host, code: int) -> None:
    host.has["/a.csv"] = status(code)
    assert isinstance(refusal(host), Unreachable)


# ---- redirects


def test_a_redirect_is_followed_to_what_is_allowed(host: Host, tmp_path: Path) -> None:
    host.has |= {
        "/a.csv": redirect("/b.csv?sig=secret"),
        "/b.csv": redirect(f"{host.url}/c.csv"),
        "/c.csv": BODY,
    }
    assert read(host) == BODY
    assert host.asked == ["/a.csv", "/b.csv?sig=secret", "/c.csv"]


@pytest.mark.parametrize(
    ("location", "words"),
    [
        ("https://169.254.169.254/latest/meta-data/?secret", "redirected to 169.254.169.254, which JOBYARD"),
        ("http://169.254.169.254/latest/meta-data/", "redirected to http://"),
        ("https://[::ffff:169.254.169.254]/", "redirected to [::ffff:a9fe:a9fe], which JOBYARD_SOURCE_HOSTS"),
        ("https://evil.example/a.csv", "redirected to evil.example, which JOBYARD_SOURCE_HOSTS doesn't name"),
        ("https://localhost:1/a.csv", "redirected to localhost:1, which JOBYARD_SOURCE_HOSTS doesn't name"),
        ("//evil.example/a.csv", "redirected to evil.example"),
        ("http://127.0.0.1:8000/a.csv", "redirected to http://, which is not followed"),
        ("s3://reviews/a.csv", "redirected to s3://, which is not followed"),
        ("file:///etc/passwd", "to what is no address"),
        ("https://user:secret@localhost/a.csv", "to what is no address"),
        ("https://127.1/a.csv", "to what is no address"),
    ],
)
def test_a_redirect_is_checked_like_an_address(host: Host, location: str, words: str) -> None:
    host.has["/a.csv"] = redirect(location)
    assert words in refusal(host, hosts=["http://127.0.0.1:8000"]).message


def test_a_redirect_by_an_allowed_name_into_our_network_is_refused(host: Host) -> None:
    host.has["/a.csv"] = redirect(f"https://a.example.org:{host.port}/b.csv")
    rules = [f"*.example.org:{host.port}"]
    error = refusal(host, hosts=rules, look_up=lambda *_: ["127.0.0.1"])
    assert "is in a private network" in error.message
    assert host.asked == ["/a.csv"]


def test_a_circle_of_redirects_ends(host: Host) -> None:
    host.has["/a.csv"] = redirect("/a.csv")
    assert "redirected more than 5 times" in refusal(host).message
    assert len(host.asked) == 6


# ---- names and certificates


def test_the_connection_is_made_to_the_address_that_was_checked(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that stands for something else a moment later (rebinding) is looked up once."""
    host.has["/a.csv"] = BODY
    later = iter([["127.0.0.1"], ["10.0.0.1"]])
    looked_up = []
    system = socket.getaddrinfo

    def recorded(name: Any, *given: Any, **more: Any) -> Any:
        looked_up.append(name)
        return system(name, *given, **more)

    monkeypatch.setattr(socket, "getaddrinfo", recorded)
    assert read(host, look_up=lambda *_: next(later)) == BODY
    assert looked_up == ["127.0.0.1"]
    assert next(later) == ["10.0.0.1"]


def test_a_host_without_the_right_certificate_is_not_read(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.has["/a.csv"] = BODY
    other = parse(f"https://other.example:{host.port}/a.csv?sig=secret")
    with (
        pytest.raises(WorkError, match=r"the certificate of other\.example:") as refused,
        https.opened(other, SourceRules((other.netloc,)), NoProgress(), lambda *_: ["127.0.0.1"]),
    ):
        pass
    assert "secret" not in refused.value.message
    monkeypatch.delenv("SSL_CERT_FILE")
    assert "can't be trusted: " in refusal(host).message
    assert host.asked == []


def test_a_host_without_tls_is_not_read(tmp_path: Path, host: Host, plain: int) -> None:
    address = parse(f"https://localhost:{plain}/a.csv")
    with (
        pytest.raises(WorkError, match="doesn't speak TLS"),
        https.opened(address, SourceRules((address.netloc,)), NoProgress()),
    ):
        pass


def test_a_port_that_nobody_listens_on_may_be_asked_again(host: Host) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = parse(f"https://127.0.0.1:{free.getsockname()[1]}/a.csv")
    with (
        pytest.raises(Unreachable, match="takes no connections"),
        https.opened(address, SourceRules((address.netloc,)), NoProgress()),
    ):
        pass


@pytest.fixture
def plain() -> Iterator[int]:
    """A port of loopback that speaks HTTP without TLS."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status(200, BODY)(self)

        def log_message(self, *_: Any) -> None:
            return None

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    with serving(server):
        yield server.server_port


def test_http_is_read_from_loopback_where_the_setting_says_so(plain: int) -> None:
    address = parse(f"http://127.0.0.1:{plain}/a.csv")
    rules = SourceRules((f"http://127.0.0.1:{plain}",))
    with https.opened(address, rules, NoProgress()) as found:
        assert b"".join(iter(lambda: found.read(1 << 20), b"")) == BODY


# ---- ends, and time


def cut(*, length: int | None, chunked: bool = False) -> Any:
    """Sends half of the file and closes the connection without the end of TLS."""

    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        if length is not None:
            handler.send_header("Content-Length", str(length))
        if chunked:
            handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        handler.wfile.write((b"%x\r\n" % len(BODY) if chunked else b"") + BODY[: len(BODY) // 2])
        handler.wfile.flush()
        handler.close_connection = True
        handler.connection.shutdown(socket.SHUT_RDWR)

    return answer


@pytest.mark.parametrize("answer", [cut(length=len(BODY)), cut(length=None), cut(length=None, chunked=True)])
def test_a_file_that_ends_too_early_is_not_taken_for_whole(host: Host, answer: Any) -> None:
    host.has["/a.csv"] = answer
    assert isinstance(refusal(host), Unreachable)


def silent(handler: http.server.BaseHTTPRequestHandler) -> None:
    """Sends the head, and nothing more until nobody listens any longer."""
    handler.send_response(200)
    handler.send_header("Content-Length", "100")
    handler.end_headers()
    handler.wfile.flush()
    handler.rfile.read(1)
    handler.close_connection = True


def dripping(handler: http.server.BaseHTTPRequestHandler) -> None:
    """Sends a byte now and then, until nobody listens any longer."""
    handler.send_response(200)
    handler.send_header("Content-Length", "100000")
    handler.end_headers()
    for _ in range(100_000):
        handler.wfile.write(b"x")
        time.sleep(0.05)


def test_a_host_that_says_nothing_is_left(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(https, "IDLE_SECONDS", 0.2)
    host.has["/a.csv"] = silent
    error = refusal(host)
    assert (type(error), "sends nothing for 0.2 seconds" in error.message) == (Unreachable, True)


def test_a_host_that_drips_is_left(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(https, "GRACE_SECONDS", 0.3)
    host.has["/a.csv"] = dripping
    assert "less than 10,000 bytes a second" in refusal(host).message


def test_a_file_that_takes_too_long_is_left(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(https, "MOST_SECONDS", 0.3)
    host.has["/a.csv"] = dripping
    assert "takes more than 0.3 seconds" in refusal(host).message


def test_a_job_that_is_cancelled_does_not_wait_for_its_host(host: Host) -> None:
    class Soon(NoProgress):
        checks = 0

        def check(self, *, waiting: bool = False) -> None:
            self.checks += 1
            if self.checks > 3:
                raise Cancelled

    host.has["/a.csv"] = silent
    with pytest.raises(Cancelled):
        read(host, progress=Soon())


def test_an_answer_that_is_no_http_is_refused(host: Host) -> None:
    def rubbish(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"SSH-2.0-OpenSSH_9.9\r\n" * 3)
        handler.close_connection = True

    host.has["/a.csv"] = rubbish
    assert "no HTTP" in refusal(host).message
