"""Architectures that others wrote: what `model.to_json()` of Keras 3 writes, checked before Keras sees it.

Importing this package does not import TensorFlow or Keras: the check is arithmetic over JSON.
"""

from jobyard.workers.networks.architecture.checking import Architecture, check
from jobyard.workers.networks.architecture.document import parse
from jobyard.workers.networks.architecture.inference import Limits
from jobyard.workers.networks.architecture.values import Refusal

__all__ = ["Architecture", "Limits", "Refusal", "check", "parse"]
