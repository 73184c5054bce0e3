"""What a spec refers to, looked up when its job is submitted."""

from dataclasses import dataclass, field

from jobyard.shared.errors import BadInput, WorkError
from jobyard.shared.import_roots import ImportRoots
from jobyard.shared.registry.datasets import Dataset
from jobyard.shared.registry.models import Model
from jobyard.shared.storage import File


@dataclass
class Findings:
    """Data sets, models and uploads by the dotted path of the field that names them.

    That is what SQL knows of them: what is in an upload is for the worker to find out.
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
