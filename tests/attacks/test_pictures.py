"""Pictures of some bytes that decode to gigabytes: web and workers stay small, and answer."""

import io
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
from PIL import Image

from jobyard import Client
from tests.acceptance.conftest import Stack
from tests.attacks.measuring import MIB, growth, web
from tests.factories import draw_dataset, zipped
from tests.pictures import saved
from tests.unit.shared.pictures.test_endings import chunk
from tests.unit.shared.pictures.test_headers import WEBP_OF_34_BYTES

REQUESTS = 40


def grey_png(width: int, height: int) -> bytes:
    """All black, without having it in memory."""
    squeeze = zlib.compressobj(1)
    rows = b"".join(squeeze.compress(bytes(width + 1)) for _ in range(height)) + squeeze.flush()
    header = width.to_bytes(4) + height.to_bytes(4) + bytes([8, 0, 0, 0, 0])
    parts = [chunk(b"IHDR", header), chunk(b"IDAT", rows), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def lossless_webp(width: int, height: int) -> bytes:
    """A small picture whose header says that it is a large one."""
    content = bytearray(saved(Image.new("RGB", (1, 1)), "WEBP", lossless=True))
    content[21:25] = (width - 1 | height - 1 << 14 | 1 << 28).to_bytes(4, "little")
    return bytes(content)


def test_forty_large_thumbnails_at_once_cost_web_little_and_stop_nobody(
    stack: Stack, client: Client, tmp_path: Path
) -> None:
    uploads = {
        "grey.png": grey_png(5_000, 4_500),
        "large.webp": lossless_webp(16_000, 5_500),
        "huge.webp": WEBP_OF_34_BYTES,
    }
    addresses = []
    for name, content in uploads.items():
        (tmp_path / name).write_bytes(content)
        addresses.append(f"/files/{client.upload(tmp_path / name)['id']}/thumbnail")
    headers = {"Authorization": f"Bearer {stack.token}"}
    with httpx.Client(base_url=stack.url, headers=headers, timeout=180) as http:
        http.get(addresses[0])
        with growth(web(stack)) as grown, ThreadPoolExecutor(REQUESTS) as pool:
            asked = [pool.submit(http.get, addresses[number % 3]) for number in range(REQUESTS)]
            time.sleep(0.2)
            began = time.monotonic()
            assert httpx.get(f"{stack.url}/healthz", timeout=180).is_success
            assert time.monotonic() - began < 5
            answers = [one.result() for one in asked]
    assert {answer.status_code for answer in answers} <= {200, 404, 503}
    assert any(answer.status_code == 200 for answer in answers)
    assert all("Retry-After" in answer.headers for answer in answers if answer.status_code == 503)
    assert grown.bytes < 400 * MIB


def test_an_import_refuses_what_decodes_to_gigabytes_by_its_header(
    stack: Stack, client: Client, tmp_path: Path
) -> None:
    good = saved(Image.new("RGB", (9, 9)))
    text = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(50 * MIB)))
    bombs = {
        "34.webp": WEBP_OF_34_BYTES,
        "pixels.png": good[:16] + (1 << 20).to_bytes(4) * 2 + good[24:],
        "column.png": good[:16] + (1).to_bytes(4) + (80_000_000).to_bytes(4) + good[24:],
        "texts.png": good[:33] + 100 * text + good[33:],
    }
    files = {f"cats/{name}": content for name, content in bombs.items()}
    path = tmp_path / "bombs.zip"
    path.write_bytes(zipped(files | {"cats/good.png": good, "dogs/good.png": good}))
    client.import_pictures("warm", draw_dataset(tmp_path / "warm", per_class=1)).wait()
    with growth(stack.processes("cpu")) as grown:
        done = client.import_pictures("bombs", path, allow_partial=True).wait()
    assert done.result is not None
    assert {one["file"]: one["reason"].partition(":")[0] for one in done.result["rejected"]} == {
        "cats/34.webp": "too large",
        "cats/pixels.png": "too large",
        "cats/column.png": "too large",
    }
    assert done.result["pictures"] == 3
    assert grown.bytes < 100 * MIB


def test_the_png_of_this_test_is_a_png() -> None:
    assert Image.open(io.BytesIO(grey_png(30, 20))).size == (30, 20)
