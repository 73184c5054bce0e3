"""Whether this worker takes messages of its queue: shared by the threads of a pool's parent."""

import threading
from typing import Final

# Set while the worker is draining. What it would take would wake nobody, and be missed by other workers.
draining: Final = threading.Event()
