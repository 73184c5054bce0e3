"""Run with an older Keras, by its folder: whether it loads models, and gives the answers that ours gave.

FOLDER has `pictures.npy`, and beside each NAME.keras the answers as NAME.npy.
"""

import sys
from pathlib import Path


def main(keras_folder: str, version: str, folder: Path) -> None:
    sys.path.insert(0, keras_folder)
    import keras
    import numpy as np

    assert keras.__version__ == version, keras.__version__
    pictures = np.load(folder / "pictures.npy")
    for path in sorted(folder.glob("*.keras")):
        model = keras.saving.load_model(path, compile=False)
        answers = np.asarray(model(pictures, training=False))
        np.testing.assert_array_equal(answers, np.load(path.with_suffix(".npy")), err_msg=path.name)
        print(path.stem)  # noqa: T201 - for the test that runs this


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
