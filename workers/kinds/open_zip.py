"""The zip of pictures that this process read from last."""

from typing import Final

from jobyard.shared import storage
from jobyard.workers.prediction.archives import ZipOfPictures


class OpenZip:
    """The zip that was read from last stays open: it begins with a long list, and parts follow each other."""

    def __init__(self) -> None:
        self._key: str | None = None
        self._zip: ZipOfPictures | None = None

    def get(self, source: storage.Storage, key: str) -> ZipOfPictures:
        """The zip of that key in the storage. Raises NotFound, and WorkError where it is damaged."""
        if self._zip is None or self._key != key:
            self.close()
            self._zip, self._key = ZipOfPictures(source.open(key)), key
        return self._zip

    def close(self) -> None:
        if self._zip is not None:
            self._zip.close()
            self._zip = None


open_zip: Final = OpenZip()
