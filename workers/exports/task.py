"""What a process that exports is told, and what it answers."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from jobyard.shared.kinds.export import Format, Quantize


@dataclass(frozen=True)
class Task:
    """Make one file, `target`, of the model in `source`; `name` and `version` are the model's."""

    source: str
    sha256: str
    classes: list[str]
    image_size: int
    name: str
    version: int
    format: Format
    quantize: Quantize
    target: str

    @classmethod
    def of_json(cls, value: dict[str, Any]) -> Self:
        return cls(**value)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def folder(self) -> Path:
        """Where the process may write."""
        return Path(self.target).parent
