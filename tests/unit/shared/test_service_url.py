"""Addresses of database and broker: what people write in them means one host, or is refused."""

import pytest
import sqlalchemy as sa
from kombu import Connection

from jobyard.shared.broker import make_celery
from jobyard.shared.config import Settings
from jobyard.shared.errors import ConfigError
from jobyard.shared.service_url import BrokerUrl, Sentinel, ServiceUrl

# Raw, and percent-encoded as RFC 3986 has it.
UNDERSTOOD = [
    "p@ss",
    "a:b",
    "50%",
    "100%zz",
    "a;b",
    "[x]",
    "^|{}",
    "sp ace",
    "per%20cent",
    "ümlaut",
    "p%40%2F",
]
MEANS = {"per%20cent": "per cent", "p%40%2F": "p@/"}
REFUSED = ["pa/ss", "1/2", "wh?t", "h#sh", "p@ss/word", "a@b/c@d", "@/", "#"]


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    def load(name: str, url: str) -> Settings:
        monkeypatch.setenv(f"JOBYARD_{name}_URL", url)
        return Settings.load()

    return load


@pytest.mark.parametrize("password", UNDERSTOOD)
def test_a_raw_password_with_one_meaning_is_understood(loaded, password: str) -> None:  # type: ignore[no-untyped-def]
    meant = MEANS.get(password, password)
    database = sa.make_url(loaded("DATABASE", f"postgresql://me:{password}@db.example:5433/jobyard").database)
    assert (database.username, database.password) == ("me", meant)
    assert (database.host, database.port, database.database) == ("db.example", 5433, "jobyard")
    for url in (f"redis://:{password}@redis.example:6380/2", f"amqp://me:{password}@redis.example:6380/2"):
        broker = Connection(make_celery(loaded("BROKER", url)).conf.broker_url)
        assert broker.password == meant
        assert (broker.hostname, broker.port, broker.virtual_host) == ("redis.example", 6380, "2")
        assert not broker.alt


@pytest.mark.parametrize("password", REFUSED)
@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("DATABASE", "postgresql://me:{}@host/jobyard"),
        ("BROKER", "redis://:{}@host:6379/0"),
        ("BROKER", "amqps://me:{}@host//"),
        ("BROKER", "sentinel://:{}@host:26379/0?master_name=main"),
    ],
)
def test_one_that_could_mean_another_host_is_refused_and_not_shown(  # type: ignore[no-untyped-def]
    loaded, name: str, url: str, password: str
) -> None:
    with pytest.raises(ConfigError, match="write @ as %40, : as %3A, / as %2F") as caught:
        loaded(name, url.format(f"sesame{password}open"))
    assert caught.value.message.startswith(f"JOBYARD_{name}_URL: ")
    assert "sesame" not in caught.value.message
    assert "open" not in caught.value.message


@pytest.mark.parametrize(
    "url",
    [
        "postgresql:///jobyard?host=/var/run/postgresql",
        "postgresql://host",
        "postgresql://me@[::1]:5432/jobyard?sslmode=verify-full",
        "postgresql://me:secret@a-b.c_d:5432/job%20yard?application_name=x#y",
    ],
)
def test_other_addresses_stay_as_they_are(url: str) -> None:
    assert str(ServiceUrl.parse(url)) == url


@pytest.mark.parametrize(
    "url", ["redis://host:port/0", "redis://host:65536", "redis://a b/0", "redis://h;other"]
)
def test_what_is_no_host_and_port_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="should be of the form redis://USER:PASSWORD@HOST:PORT/NAME"):
        BrokerUrl.parse(url)


# ---- brokers


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("redis://host", "redis://host"),
        ("redis+socket:///a@b/redis.sock", "redis+socket:///a@b/redis.sock"),
        ("rediss://:p@host/1", "rediss://:p@host/1?ssl_cert_reqs=required"),
        ("rediss://host?ssl_cert_reqs=CERT_NONE", "rediss://host?ssl_cert_reqs=none"),
        (
            "rediss://a?ssl_ca_certs=/ca.pem;rediss://b",
            "rediss://a?ssl_cert_reqs=required&ssl_ca_certs=%2Fca.pem;rediss://b?ssl_cert_reqs=required",
        ),
        ("amqp://me:p@a//;amqp://b//", "amqp://me:p@a//;amqp://b//"),
    ],
)
def test_kombu_is_told_to_verify_certificates(given: str, url: str) -> None:
    assert BrokerUrl.parse(given) == BrokerUrl(url)


@pytest.mark.parametrize(
    ("options", "ssl"),
    [
        ("", {"cert_reqs": 2, "server_hostname": None}),
        ("?ssl_ca_certs=/ca.pem", {"cert_reqs": 2, "server_hostname": None, "ca_certs": "/ca.pem"}),
        ("?ssl_check_hostname=false", {"cert_reqs": 2}),
        ("?ssl_cert_reqs=none", {"cert_reqs": 0}),
    ],
)
def test_amqps_checks_the_hosts_name_too(options: str, ssl: dict[str, object]) -> None:
    assert BrokerUrl.parse(f"amqps://me:p@host//{options}") == BrokerUrl("amqps://me:p@host//", ssl=ssl)


def test_sentinels_options_are_no_part_of_the_address() -> None:
    given = "sentinel://:p@a:26379/1;sentinel://b:26380?master_name=main&sentinel_password=q"
    assert BrokerUrl.parse(given) == BrokerUrl(
        "sentinel://:p@a:26379/1;sentinel://:p@b:26380/1", Sentinel("main", {"password": "q"})
    )


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("redis+cluster://host", "Redis Cluster is not supported"),
        ("rediscluster://host", "Redis Cluster is not supported"),
        ("rediss+cluster://host", "Redis Cluster is not supported"),
        ("valkey-cluster://host", "Redis Cluster is not supported"),
        ("sentinel://host", "should name the primary that Sentinel watches"),
        ("sentinel://host?master_name=a&ssl=true", "has an unknown option 'ssl'"),
        ("redis://a;amqp://b", "several addresses of the same scheme only"),
        ("amqps://a;amqps://b", "should have one address"),
        ("rediss://a?ssl_cert_reqs=maybe", "ssl_cert_reqs=required, optional or none"),
        ("sqs://key:secret@", "should start with redis://, rediss://, redis\\+socket://, sentinel://"),
    ],
)
def test_what_is_not_supported_is_refused_with_what_is(url: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        BrokerUrl.parse(url)
