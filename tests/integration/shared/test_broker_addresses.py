"""Brokers behind TLS, Sentinel and passwords, and those that are refused; on real servers."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import kombu.pools
import pytest

from jobyard.shared.broker import Broker, require_at_start
from jobyard.shared.config import Settings
from jobyard.shared.errors import ConfigError
from tests.factories import NO_BROKER
from tests.servers import Server, behind_tls, serving, watched
from tests.waiting import wait_for


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving(password="p@ss:w;rd[1]") as running:
        yield running


@contextmanager
def broker_at(url: str) -> Iterator[Broker]:
    broker = Broker(Settings(broker_url=url))
    try:
        yield broker
    finally:
        kombu.pools.reset()


def works(url: str) -> bool:
    with broker_at(url) as broker:
        return broker.wake("cpu")


def test_a_raw_password_logs_in_as_the_encoded_one_does(server: Server) -> None:
    assert server.password is not None
    for password in (server.password, quote(server.password, safe="")):
        assert works(f"redis://:{password}@127.0.0.1:{server.port}/0")
    assert not works(f"redis://:another@127.0.0.1:{server.port}/0")


@pytest.mark.parametrize(
    ("certificate", "options", "answer"),
    [
        ("localhost", "?ssl_ca_certs={}", True),
        ("localhost", "", False),
        ("localhost", "?ssl_cert_reqs=none", True),
        ("elsewhere.example", "?ssl_ca_certs={}", False),
        ("elsewhere.example", "?ssl_ca_certs={}&ssl_check_hostname=false", True),
    ],
)
def test_rediss_verifies_the_certificate_unless_told_otherwise(
    server: Server, tmp_path: Path, certificate: str, options: str, answer: bool
) -> None:
    assert server.password is not None
    with behind_tls(server.port, tmp_path, certificate) as (port, authority):
        login = quote(server.password, safe="")
        assert works(f"rediss://:{login}@localhost:{port}/0{options.format(authority)}") is answer


def test_sentinel_leads_to_whichever_server_is_the_primary() -> None:
    with watched("main") as (primary, replica, sentinel):
        nobody = "sentinel://127.0.0.1:1"
        with broker_at(f"{nobody};sentinel://127.0.0.1:{sentinel.port}/0?master_name=main") as broker:
            assert broker.wake("cpu")
            with primary.client() as client:
                assert client.llen("cpu") == 1
            primary.stop()
            wait_for(lambda: broker.wake("gpu"))
            with replica.client() as client:
                assert client.llen("gpu") == 1
        assert not works(f"sentinel://127.0.0.1:{sentinel.port}?master_name=unknown")


def test_a_primary_that_became_a_replica_refuses_and_is_used_again_once_it_is_the_primary() -> None:
    with serving() as first, serving() as second, broker_at(first.url) as broker:
        assert broker.wake("cpu")
        with first.client() as client:
            client.replicaof("127.0.0.1", second.port)
            assert broker.wake("cpu") is False
            client.replicaof("NO", "ONE")
        wait_for(lambda: broker.wake("cpu"))


def test_a_node_of_a_cluster_is_refused_at_the_start() -> None:
    with serving("--cluster-enabled", "yes") as node:
        settings = Settings(broker_url=node.url)
        with pytest.raises(ConfigError, match="JOBYARD_BROKER_URL: Redis Cluster is not supported"):
            require_at_start(settings)
        with node.client() as client:  # one that holds all keys
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
            wait_for(lambda: client.cluster("info")["cluster_state"] == "ok")
        with pytest.raises(ConfigError, match="Redis Cluster is not supported"):
            require_at_start(settings)


def test_one_that_is_away_at_the_start_may_come_back(server: Server) -> None:
    require_at_start(Settings(broker_url=NO_BROKER))
    assert server.password is not None
    require_at_start(Settings(broker_url=f"redis://:{server.password}@127.0.0.1:{server.port}/0"))
