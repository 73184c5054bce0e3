"""Addresses that would make a worker read what only it can reach."""

import socket

import pytest

from jobyard import BadRequest, Client

# What other servers were made to read: this machine, its network, clouds' metadata, files, other protocols.
ADDRESSES = [
    "https://127.0.0.1:{port}/",
    "http://127.0.0.1:{port}/",
    "https://localhost:{port}/",
    "https://[::1]:{port}/",
    "https://[::ffff:127.0.0.1]:{port}/",
    "https://127.1:{port}/",
    "https://2130706433:{port}/",
    "https://0x7f000001:{port}/",
    "https://0177.0.0.1:{port}/",
    "https://0:{port}/",
    "https://127.0.0.1.nip.example:{port}/",
    "https://data.example.org@127.0.0.1:{port}/",
    "https://data.example.org\\@127.0.0.1:{port}/",
    "https://127.0.0.1:{port}\r\nHost: data.example.org/",
    "http://169.254.169.254/latest/meta-data/iam/security-credentials/",
    "https://metadata.google.internal/computeMetadata/v1/",
    "https://[fd00:ec2::254]/latest/meta-data/",
    "https://[fe80::1%25lo]/",
    "file:///etc/passwd",
    "gopher://127.0.0.1:{port}/_FLUSHALL",
    "dict://127.0.0.1:{port}/info",
    "s3://jobyard/../../etc/passwd",
    "s3://127.0.0.1/a.csv",
]


@pytest.mark.parametrize("written", ADDRESSES)
def test_a_server_that_was_told_of_no_host_connects_to_none(client: Client, written: str) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.settimeout(0.05)
        address = written.format(port=listener.getsockname()[1])
        for spec in ({"file": address}, {"files": [address]}):
            with pytest.raises(BadRequest, match=r"spec\.file"):
                client.submit("sentiment", spec)
        with pytest.raises(TimeoutError):
            listener.accept()
