"""No Parquet file ends the process that reads it; PyArrow never sees encrypted columns."""

import io
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.parquet.encryption as pe
import pytest

from jobyard.shared.errors import WorkError
from tests.fuzz.parquet_files import make_file
from tests.fuzz.parquet_readers import crashes
from tests.unit.workers.sentiment.conftest import Desk

FILES = 100


class Keys(pe.KmsClient):
    """Hands out the master key itself, which does for a test."""

    def __init__(self, _: Any) -> None:
        pe.KmsClient.__init__(self)

    def wrap_key(self, key_bytes: bytes, master_key_identifier: str) -> bytes:
        return key_bytes

    def unwrap_key(self, wrapped_key: bytes, master_key_identifier: str) -> bytes:
        return wrapped_key


def encrypted(*, plain_footer: bool, column: str) -> bytes:
    table = pa.table({"id": [1, 2], "text": ["good", "bad"]})
    factory, connection = pe.CryptoFactory(Keys), pe.KmsConnectionConfig()
    configuration = pe.EncryptionConfiguration(
        footer_key="footer",
        column_keys={"column": [column]},
        plaintext_footer=plain_footer,
        double_wrapping=False,
    )
    file = io.BytesIO()
    properties = factory.file_encryption_properties(connection, configuration)
    with pq.ParquetWriter(file, table.schema, encryption_properties=properties) as writer:
        writer.write_table(table)
    return file.getvalue()


@pytest.mark.parametrize("column", ["text", "id"])
@pytest.mark.parametrize("plain_footer", [True, False])
def test_encrypted_columns_are_refused(desk: Desk, column: str, plain_footer: bool) -> None:
    content = encrypted(plain_footer=plain_footer, column=column)
    assert content.startswith(b"PAR1" if plain_footer else b"PARE")
    with pytest.raises(WorkError, match=r"^the file is encrypted Parquet; should not be encrypted$"):
        desk.score(content, "in.parquet")


def test_files_that_go_wrong_end_no_reader() -> None:
    assert crashes(range(FILES)) == []


def test_the_same_seed_makes_the_same_file() -> None:
    assert [make_file(seed) for seed in range(50)] == [make_file(seed) for seed in range(50)]
