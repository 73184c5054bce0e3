"""Models in the format `.keras`, made without Keras: a small one that is right, and many made to do harm.

Each of the latter is one known hole of the format, or one trick of zip or HDF5.
"""

from tests.foreign.attack import Attack
from tests.foreign.formats import OTHER_FORMATS
from tests.foreign.in_config import IN_CONFIG
from tests.foreign.in_hdf5 import AT_READING, IN_HDF5
from tests.foreign.in_zip import IN_ZIP
from tests.foreign.model import BIAS, KERNEL, dense, keras_file, layer, network, plain_arrays, weights

__all__ = [
    "AT_READING",
    "BIAS",
    "IN_CONFIG",
    "IN_HDF5",
    "IN_ZIP",
    "KERNEL",
    "OTHER_FORMATS",
    "Attack",
    "dense",
    "keras_file",
    "layer",
    "network",
    "plain_arrays",
    "weights",
]
