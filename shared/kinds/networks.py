"""The networks that a training may have, and their presets."""

from typing import Any

from jobyard.shared.kinds.register import IMPORTED

# The networks that begin with weights that others trained.
PRETRAINED = frozenset({"efficientnet-lite0"})

# The network that a spec brings along, and those of models that have theirs in their files.
CUSTOM = "custom"
WITH_ARCHITECTURE = frozenset({CUSTOM, IMPORTED})

# The networks whose weights fit pictures of any size, so that `init_from` may change it.
ANY_SIZE = PRETRAINED | {"compact"}

# What a network is trained with unless the spec says otherwise; by the fields' defaults, if this is empty.
PRESETS: dict[str, dict[str, Any]] = {
    "efficientnet-lite0": {},
    "compact": {
        "epochs": 36,
        "batch_size": 64,
        "image_size": 96,
        "optimizer": "muon",
        "learning_rate": 0.008,
        "schedule": "cosine",
        "warmup_epochs": 2,
        "weight_decay": 0.05,
        "label_smoothing": 0.1,
        "augment": {"shear": 8, "zoom": 0.1, "crop": 0.4},
    },
    "classic": {
        "epochs": 10,
        "batch_size": 32,
        "image_size": 150,
        "optimizer": "adam",
        "learning_rate": 0.001,
        "schedule": "constant",
        "warmup_epochs": 0,
        "weight_decay": 0,
        "label_smoothing": 0,
        "augment": {"shear": 0.2, "zoom": 0.2, "crop": 0},
    },
    CUSTOM: {
        "epochs": 30,
        "batch_size": 32,
        "image_size": None,
        "optimizer": "adam",
        "learning_rate": 0.001,
        "schedule": "cosine",
        "warmup_epochs": 1,
        "weight_decay": 0,
        "label_smoothing": 0.1,
        "augment": {"shear": 4, "zoom": 0.1, "crop": 0.2},
        "head": "auto",
        "rescale": "auto",
    },
}
