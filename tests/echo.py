"""A kind of job as another package would declare it, for tests of what is derived from kinds."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from jobyard.shared.kinds.base import Kind, Queue, Reference, Spec


class EchoSpec(Spec):
    """Say it again."""

    text: str


class Echo(Kind[EchoSpec]):
    """Echo."""

    name = "echo"
    queue = Queue.CPU
    Spec = EchoSpec
    work = "echo:work"
    label = "Echo"
    action = "Echo a text"

    def inputs(self, spec: EchoSpec) -> Mapping[str, UUID | None]:
        return {}

    def references(self, spec: EchoSpec) -> Sequence[Reference]:
        return []
