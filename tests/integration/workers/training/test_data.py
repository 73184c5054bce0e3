import itertools
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from jobyard.shared.errors import Cancelled, WorkError
from jobyard.shared.kinds.train import Augment
from jobyard.shared.pictures import prepared
from jobyard.workers.training import data, splits
from jobyard.workers.training.batches import training_batches, validation_batches
from jobyard.workers.training.sources import PictureSource
from tests.factories import draw_colours
from tests.reports import Recorder

NOTHING = Augment(shear=0, zoom=0, flip=False)


@pytest.fixture
def pictures() -> data.Pictures:
    """Ten pictures whose every pixel is their own number, times ten."""
    numbers = np.arange(10)
    pixels = np.broadcast_to((10 * numbers)[:, None, None, None], (10, 32, 32, 3)).astype(np.uint8)
    return data.Pictures(pixels, (numbers % 2).astype(np.int32), [str(number) for number in numbers])


def numbers_of(batch: tuple[object, object]) -> list[int]:
    return [int(picture[16, 16, 0]) // 10 for picture in np.asarray(batch[0])]


def test_pictures_are_decoded_once_to_disk_in_order_and_with_their_labels(tmp_path: Path) -> None:
    split = splits.find(draw_colours(tmp_path / "set", ["red", "blue"], train=5, validation=2), 0.2, seed=0)
    progress = Recorder()
    train, validation, test = data.decode_all(split, 32, tmp_path, progress)
    assert len(test) == 0

    assert (len(train), len(validation), train.size) == (10, 4, 32)
    assert isinstance(np.load(tmp_path / "pictures.npy", mmap_mode="r"), np.memmap)
    for pictures, examples in ((train, split.train), (validation, split.validation)):
        assert pictures.names == [path.relative_to(tmp_path / "set").as_posix() for path, _ in examples]
        for pixels, label, (path, expected) in zip(pictures.pixels, pictures.labels, examples, strict=True):
            with path.open("rb") as file:
                np.testing.assert_array_equal(pixels, prepared(file, 32))
            assert label == expected
    assert progress.of("progress") == [(done, 14, "pictures") for done in range(1, 15)]


def test_a_file_that_does_not_decode_is_named(tmp_path: Path) -> None:
    draw_colours(tmp_path / "set", ["red", "blue"])
    (tmp_path / "set/train/red/broken.jpg").write_bytes(b"not a picture")
    split = splits.find(tmp_path / "set", 0.2, seed=0)

    with pytest.raises(WorkError, match=r"red/broken\.jpg not a picture: should be JPEG"):
        data.decode_all(split, 32, tmp_path, Recorder())


def test_decoding_stops_when_asked_to(tmp_path: Path) -> None:
    split = splits.find(draw_colours(tmp_path / "set", ["red", "blue"]), 0.2, seed=0)
    progress = Recorder(stop_at_progress=("pictures", 3))

    with pytest.raises(Cancelled):
        data.decode_all(split, 32, tmp_path, progress)
    assert len(progress.of("progress")) == 3


def test_without_steps_every_epoch_has_every_picture_once(pictures: data.Pictures) -> None:
    batches = list(training_batches(PictureSource(pictures, NOTHING), 4, None, seed=0).take(6))
    epochs = [[numbers_of(batch) for batch in batches[:3]], [numbers_of(batch) for batch in batches[3:]]]

    for epoch in epochs:
        assert [len(batch) for batch in epoch] == [4, 4, 2]
        assert sorted(itertools.chain.from_iterable(epoch)) == list(range(10))
    assert epochs[0] != epochs[1]


@pytest.mark.parametrize("batch_size", [4, 32])
def test_with_steps_every_batch_is_full_and_every_picture_comes_equally_often(
    pictures: data.Pictures, batch_size: int
) -> None:
    batches = list(training_batches(PictureSource(pictures, NOTHING), batch_size, 100, seed=0).take(10))
    seen = [number for batch in batches for number in numbers_of(batch)]

    assert all(len(numbers_of(batch)) == batch_size for batch in batches)
    np.testing.assert_array_equal(np.bincount(seen), np.full(10, batch_size))


def test_labels_stay_with_their_pictures(pictures: data.Pictures) -> None:
    for batch in training_batches(PictureSource(pictures, NOTHING), 4, None, seed=0).take(3):
        assert [number % 2 for number in numbers_of(batch)] == list(batch[1])


def test_the_seed_decides_order_and_changes() -> None:
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (10, 32, 32, 3), dtype=np.uint8)
    noise = data.Pictures(pixels, np.zeros(10, np.int32), [""] * 10)

    def first_pixels(seed: int) -> np.ndarray:
        batches = training_batches(PictureSource(noise, Augment()), 5, None, seed).take(4)
        return np.concatenate([pixels for pixels, _ in batches])

    np.testing.assert_array_equal(first_pixels(1), first_pixels(1))
    assert not np.array_equal(first_pixels(1), first_pixels(2))


def test_validation_pictures_are_never_changed(pictures: data.Pictures) -> None:
    batches = list(validation_batches(PictureSource(pictures, NOTHING), 4, None))

    np.testing.assert_array_equal(np.concatenate([pixels for pixels, _ in batches]), pictures.pixels)
    np.testing.assert_array_equal(np.concatenate([labels for _, labels in batches]), pictures.labels)


def test_validation_steps_are_full_batches_of_repeated_pictures(pictures: data.Pictures) -> None:
    batches = [numbers_of(batch) for batch in validation_batches(PictureSource(pictures, NOTHING), 4, 4)]

    assert batches == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 0, 1], [2, 3, 4, 5]]


def test_pictures_too_many_for_the_disk_are_refused_before_writing(tmp_path: Path) -> None:
    files = [(tmp_path / "train" / "a" / f"{number}.png", 0) for number in range(1_000)]
    split = splits.DatasetSplit(["a", "b"], files, [], [])

    with pytest.raises(WorkError, match=r"need 49152.0 GB of disk"):
        data.decode_all(split, 128_000, tmp_path, Recorder())
    assert not (tmp_path / "pictures.npy").exists()


def test_the_second_training_of_a_data_set_decodes_nothing_whatever_its_split(tmp_path: Path) -> None:
    folder = draw_colours(tmp_path / "set", ["red", "blue"])
    for seed in (0, 1):
        split = splits.find(folder, 0.2, seed)
        progress = Recorder()
        parts = data.decode_all(split, 32, tmp_path, progress, tmp_path / "cache", "a")
        assert len(progress.of("progress")) == (40 if seed == 0 else 0)
        for pictures, examples in zip(parts, (split.train, split.validation, split.test), strict=True):
            assert len(pictures.pixels) == len(examples)
            for pixels, (path, _) in zip(pictures.pixels, examples, strict=True):
                with path.open("rb") as file:
                    np.testing.assert_array_equal(pixels, prepared(file, 32))


ALONE = """
import sys
from pathlib import Path
from jobyard.shared.kinds.train import Augment
from jobyard.workers.runtime.progress import NoProgress
from jobyard.workers.training import data, splits
from jobyard.workers.training.batches import training_batches, validation_batches
from jobyard.workers.training.sources import PictureSource

def anonymous():
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("RssAnon")).split()[1]) * 1024

folder = Path(sys.argv[1])
split = splits.find(folder / "set", 0.2, 0)
before = anonymous()
train, held_out, _ = data.decode_all(split, 512, folder, NoProgress(), folder / "cache", "a")
decoding = anonymous() - before
most = []
# Of small batches: what is on its way at once is some of them, however many pictures there are.
source = PictureSource(train, Augment(shear=0, zoom=0))
for step, _ in enumerate(training_batches(source, 2, None, 0).take(400)):
    if step % 40 == 0:
        most.append(anonymous())
for _ in validation_batches(PictureSource(held_out, Augment()), 2, None):
    most.append(anonymous())
print((len(train) + len(held_out)) * 512 * 512 * 3, decoding, max(most[3:]) - most[2])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="looks at Linux' account of a process's memory")
def test_a_data_set_larger_than_the_memory_stays_on_disk(tmp_path: Path) -> None:
    draw_colours(tmp_path / "set", ["red", "blue"], train=150)
    root = Path(__file__).parents[4]
    said = subprocess.run(
        [sys.executable, "-c", ALONE, str(tmp_path)], cwd=root, check=True, stdout=subprocess.PIPE
    ).stdout
    pictures, decoding, reading = map(int, said.split())
    assert pictures == 300 * 512 * 512 * 3
    assert decoding < pictures / 3
    assert reading < pictures / 3
