"""What a foreign model may cost. Each bound is far above those of any honest classifier of pictures."""

MIB = 1 << 20

# Of a member of the zip, which Keras writes in 64 bytes.
MAX_METADATA_BYTES = 64 << 10

# Of what lies in the file of weights, without an optimizer: NASNetMobile has 2,670 objects in 771 layers,
# four names deep; each network around another adds two.
MAX_OBJECTS = 20_000
MAX_DEPTH = 32
MAX_NAME_BYTES = 255
MAX_ATTRIBUTES = 16
MAX_CHUNKS = 100_000

# Memory of the process on top of what it holds when it begins, and of what TensorFlow takes.
LIGHT_BYTES = 512 * MIB
TENSORFLOW_BYTES = 1_536 * MIB

# Of one file, beyond the unpacked weights. The kernel bounds each file, not their sum, and three have the
# weights: as they came, as Keras reads them, and the model that is kept.
FILE_SLACK_BYTES = 64 * MIB


def memory_of(weights: int, layers: int) -> int:
    """What a network may take that has so many bytes of weights, and so many layers.

    Measured beyond TensorFlow's own, in MB: 130 for MobileNet (91 layers, 13 MB), 524 for NASNetMobile
    (771, 17), 572 for ResNet50V2 (192, 94), 985 for Xception (134, 84) and 1,050 for VGG16 (23, 160).
    """
    return 1_024 * MIB + 8 * weights + 2 * MIB * layers


# The whole process, by the clock and computing. NASNetMobile's 771 layers took 105 on two cores that eighteen
# other processes had a share of, most others 20 to 60.
SECONDS = 600.0
