"""Where the processes listen, and which way requests take to them: IPv6, and proxies of the environment."""

import http.server
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from jobyard import Client
from tests.acceptance.conftest import PATIENCE, Stack, environment, until
from tests.ports import free_port
from tests.serving import serving

HEALTHY = Path(__file__).parents[2] / "docker" / "healthy.py"


@pytest.fixture(scope="module", autouse=True)
def _ipv6() -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine's loopback has no IPv6")


class _Proxy(http.server.BaseHTTPRequestHandler):
    """Answers whatever it is asked for, and remembers that."""

    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(b'{"name": "by the proxy"}')

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A proxy that is the environment's; what it was asked for."""
    _Proxy.asked = []
    server = http.server.HTTPServer(("127.0.0.1", 0), _Proxy)
    with serving(server):
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{server.server_port}")
        for name in ("no_proxy", "NO_PROXY", "REQUEST_METHOD"):
            monkeypatch.delenv(name, raising=False)
        yield _Proxy.asked


def test_jobyard_up_on_an_ipv6_address_behind_a_company_s_proxy(own_stack: Stack, proxy: list[str]) -> None:
    own_stack.settings |= {"HOST": "::1", "FLOWER_PORT": free_port()}
    own_stack.start()
    assert own_stack.url.startswith("http://[::1]:")
    shown = own_stack.log.read_text()
    assert f"Dashboard  {own_stack.url}/login?token=" in shown
    flower = f"http://[::1]:{own_stack.settings['FLOWER_PORT']}"
    assert f"Flower     {flower} " in shown

    with own_stack.client() as client:
        assert client.score(["I love it"]).wait(PATIENCE).result["labels"]["positive"] == 1
        listed = own_stack.run("jobs")
        assert listed.returncode == 0, listed.stderr
        assert "succeeded" in listed.stdout
    assert own_stack.run("url").stdout.startswith(own_stack.url)
    with httpx.Client(trust_env=False, timeout=PATIENCE) as direct:
        page = direct.get(own_stack.url, headers={"Authorization": f"Bearer {own_stack.token}"})
        assert f'href="{flower}/"' in page.text
        until(lambda: _answers(direct, f"{flower}/healthcheck"), "Flower")
    for address in (f"{own_stack.url}/readyz", f"{flower}/healthcheck"):
        assert _healthy(address) == 0
    assert proxy == []
    with Client("http://jobs.corp.example", own_stack.token) as remote:
        assert remote.model("pets") == {"name": "by the proxy"}
    assert proxy == ["http://jobs.corp.example/api/v1/models/pets"]


@pytest.mark.parametrize(
    ("command", "path"),
    [
        (["gunicorn", "-c", "python:jobyard.web.gunicorn", "jobyard.web.app:create_app()"], "healthz"),
        (["jobyard.workers", "flower"], "healthcheck"),
    ],
    ids=["web", "flower"],
)
def test_on_all_addresses_means_ipv4_and_ipv6(tmp_path: Path, command: list[str], path: str) -> None:
    port = free_port()
    log = tmp_path / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *command],
            env=environment(tmp_path, HOST="[::]", PORT=port, FLOWER_PORT=port, TOKEN="a" * 16),
            stdout=output,
            stderr=output,
        )
    try:
        with httpx.Client(trust_env=False, timeout=PATIENCE) as direct:
            for host in ("[::1]", "127.0.0.1"):
                until(_alive_and_answers(process, direct, f"http://{host}:{port}/{path}"), host, show=log)
    finally:
        process.terminate()
        process.wait(PATIENCE)


@pytest.mark.parametrize("name", ["HOST", "PORT"])
def test_a_wrong_address_ends_web_with_a_line(tmp_path: Path, name: str) -> None:
    ended = subprocess.run(
        [
            sys.executable,
            "-m",
            "gunicorn",
            "-c",
            "python:jobyard.web.gunicorn",
            "jobyard.web.app:create_app()",
        ],
        env=environment(tmp_path, **{name: "no such thing"}),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert ended.returncode == 2
    assert ended.stderr.startswith(f"jobyard: JOBYARD_{name}: ")
    assert ended.stderr.count("\n") == 1


def _alive_and_answers(
    process: "subprocess.Popen[bytes]", direct: httpx.Client, url: str
) -> Callable[[], bool]:
    def reached() -> bool:
        assert process.poll() is None
        return _answers(direct, url)

    return reached


def _answers(direct: httpx.Client, url: str) -> bool:
    try:
        return direct.get(url).is_success
    except httpx.TransportError:
        return False


def _healthy(url: str) -> int:
    """The exit code of the containers' health check."""
    return subprocess.run([sys.executable, HEALTHY, "http", url], env=os.environ, check=False).returncode
