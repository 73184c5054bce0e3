"""Run with an older Keras, by its folder: whether it loads models, and gives the answers that ours gave.

FOLDER has `pictures.npy`, and beside each NAME.keras the answers as NAME.npy.
"""

import sys
from pathlib import Path


def main(keras_folder: str, version: str, folder: Path, names: list[str]) -> None:
    sys.path.insert(0, keras_folder)
    import keras
    import numpy as np

    assert keras.__version__ == version, keras.__version__
    pictures = np.load(folder / "pictures.npy")
    for name in names:
        model = keras.saving.load_model(folder / f"{name}.keras", compile=False)
        answers = np.asarray(model(pictures, training=False))
        np.testing.assert_array_equal(answers, np.load(folder / f"{name}.npy"), err_msg=name)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), sys.argv[4:])
