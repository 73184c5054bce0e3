"""What a foreign model may cost. Each bound is far above those of any honest classifier of pictures."""

MIB = 1 << 20

# Of a member of the zip, which Keras writes in 64 bytes.
MAX_METADATA_BYTES = 64 << 10

# Of what lies in the file of weights: some six objects for each layer. The largest of keras.applications has
# 8,000, without an optimizer, and is six names deep where networks are nested once.
MAX_OBJECTS = 20_000
MAX_DEPTH = 32
MAX_NAME_BYTES = 255
MAX_ATTRIBUTES = 16
MAX_CHUNKS = 100_000

# Memory of the process on top of what it holds when it begins, and of what TensorFlow takes.
LIGHT_BYTES = 512 * MIB
TENSORFLOW_BYTES = 1_536 * MIB

# Beside the unpacked weights, the process writes as much once more, with what lies around it.
FILE_SLACK_BYTES = 64 * MIB


def memory_of(weights: int) -> int:
    """What a network may take that has so many bytes of weights.

    ResNet50V2 took 70 MB and 1.9 times its weights.
    """
    return 768 * MIB + 4 * weights


# The whole process, by the clock and computing; the largest of keras.applications takes a tenth of that.
SECONDS = 600.0
