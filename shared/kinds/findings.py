"""What a spec refers to, looked up when its job is submitted."""

from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from jobyard.shared.errors import BadInput, WorkError
from jobyard.shared.import_roots import ImportRoots
from jobyard.shared.registry.datasets import Dataset
from jobyard.shared.registry.models import Model
from jobyard.shared.storage import File

# Stands for what is not there yet, and will be when the job is submitted: an upload, a data set.
PENDING: Final = UUID(int=0)


@dataclass
class Findings:
    """Data sets, models and uploads by the dotted path of the field that names them.

    That is what SQL knows of them: what is in an upload is for the worker to find out. What a spec names by
    PENDING is missing, where a spec is checked before its files are uploaded.
    """

    import_roots: ImportRoots
    datasets: dict[str, Dataset] = field(default_factory=dict)
    models: dict[str, Model] = field(default_factory=dict)
    files: dict[str, File] = field(default_factory=dict)

    def check_path(self, name: str, path: str) -> None:
        """Check that workers may read a folder, where this machine knows which they may: they check it again.

        Raises BadInput.
        """
        if not self.import_roots.folders:
            return
        try:
            self.import_roots.check(path)
        except WorkError as error:
            raise BadInput(f"spec.{name}", error.message) from None
