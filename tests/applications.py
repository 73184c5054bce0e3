"""The architectures of keras.applications that are tried, and those that ARCHITECTURES chooses."""

import os

# The sides of pictures: about the smallest that Keras makes each for.
SIZES = {
    "MobileNet": 32,
    "MobileNetV2": 32,
    "MobileNetV3Small": 32,
    "MobileNetV3Large": 32,
    "EfficientNetV2B0": 32,
    "ResNet50V2": 32,
    "DenseNet121": 32,
    "NASNetMobile": 32,
    "ConvNeXtTiny": 32,
    "Xception": 71,
    "VGG16": 32,
    "InceptionV3": 75,
    "InceptionResNetV2": 75,
}
# They take pixels of 0 to 255.
SCALES_ITSELF = {"MobileNetV3Small", "MobileNetV3Large", "EfficientNetV2B0", "ConvNeXtTiny"}


def chosen(*otherwise: str) -> list[str]:
    """Those that ARCHITECTURES names, where `all` is each of them; without ARCHITECTURES others."""
    names = os.environ.get("ARCHITECTURES", "").split() or otherwise
    return [name for one in names for name in (SIZES if one == "all" else [one])]
