"""A file that is made to do harm, and a list of such files."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import h5py

from tests.foreign.model import keras_file, weights


@dataclass(frozen=True)
class Attack:
    """A file that should be refused with these words; `make` is given one whose bytes it should not get."""

    name: str
    words: str
    make: Callable[[Path], bytes]
    file_name: str = "model.keras"


@dataclass
class Attacks:
    """A list of attacks, as decorated functions add to it."""

    found: list[Attack] = field(default_factory=list)

    def add(
        self, name: str, words: str, file_name: str = "model.keras"
    ) -> Callable[[Callable[[Path], bytes]], Callable[[Path], bytes]]:
        def keep(make: Callable[[Path], bytes]) -> Callable[[Path], bytes]:
            self.found.append(Attack(name, words, make, file_name))
            return make

        return keep

    def add_weights(self, name: str, words: str) -> Callable[[Callable[[h5py.File, Path], None]], None]:
        """A file of weights that the function changes."""

        def keep(change: Callable[[h5py.File, Path], None]) -> None:
            self.found.append(
                Attack(name, words, lambda secret: keras_file(h5=weights(lambda file: change(file, secret))))
            )

        return keep
