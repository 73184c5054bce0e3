"""What the process that reads a foreign model is told."""

from dataclasses import asdict, dataclass, field
from typing import Any, Final, Self

from jobyard.workers.networks.architecture import Limits
from jobyard.workers.networks.foreign import bounds

# The file that it writes.
MODEL: Final = "model.keras"


@dataclass(frozen=True)
class Task:
    """A file, uploaded as `name`, that is to become a model of these classes in `folder`.

    All of what it unpacks to has at most `unpacked_bytes`, its network is within `limits`, and the process
    takes at most `seconds`.
    """

    path: str
    name: str
    folder: str
    classes: list[str]
    rescale: str | None
    image_size: int | None
    unpacked_bytes: int
    limits: Limits = field(default_factory=Limits)
    seconds: float = bounds.SECONDS

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def of_json(cls, found: dict[str, Any]) -> Self:
        return cls(**found | {"limits": Limits(**found["limits"])})
