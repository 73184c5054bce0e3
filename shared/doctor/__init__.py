"""What is wrong with an installation: its settings, and what they name, looked at from this machine.

Nothing is changed but for what is taken back at once: a message, a small object in the storage.
"""

from jobyard.shared.doctor.examination import examine
from jobyard.shared.doctor.findings import Finding, Level

__all__ = ["Finding", "Level", "examine"]
