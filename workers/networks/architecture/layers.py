"""The layers that Jobyard builds: of each class the keys of its config, and what it makes of shapes."""

from collections.abc import Mapping

from jobyard.workers.networks.architecture import shapes, windows
from jobyard.workers.networks.architecture.declarations import (
    AXES,
    COUNT,
    FACTORS,
    FILL,
    FORMAT,
    INTERPOLATION,
    RATE,
    Class,
    Layer,
    only,
    pair,
    weighted,
)
from jobyard.workers.networks.architecture.objects import (
    AXIS,
    POSITIVE,
    REAL,
    SEED,
    activation,
    initializer,
)
from jobyard.workers.networks.architecture.values import (
    Check,
    boolean,
    choice,
    either,
    integer,
    items,
    no,
    nothing,
    number,
    optional,
)
from jobyard.workers.networks.architecture.windowed_layers import windowed_layers


def _normalisation(*more: str) -> dict[str, Check]:
    return {
        "axis": AXES,
        "epsilon": number(0, 10),
        "center": boolean,
        "scale": boolean,
        **weighted("beta", "gamma"),
        **{f"{one}_initializer": initializer for one in more},
    }


def _random(more: Mapping[str, Check], *required: str) -> Layer:
    """Layers that change pictures while they are trained on, and leave their size."""
    config = {"seed": SEED, **FORMAT, **more}
    return Layer(config, shapes.same, required=frozenset(required))


_VALUE_RANGE: Mapping[str, Check] = {"value_range": pair(REAL)}
_MOVED: Mapping[str, Check] = {
    "fill_mode": FILL,
    "fill_value": REAL,
    "interpolation": choice("nearest", "bilinear"),
}

_PLAIN: dict[str, Layer] = {
    **windowed_layers(1),
    **windowed_layers(2),
    # Dense layers and attention.
    "Dense": Layer(
        {
            "units": COUNT,
            "activation": activation,
            "use_bias": boolean,
            **weighted("kernel", "bias"),
            "quantization_config": nothing,
        },
        shapes.dense,
        required=frozenset({"units"}),
    ),
    "Embedding": Layer(
        {
            "input_dim": COUNT,
            "output_dim": COUNT,
            **weighted("embeddings"),
            "mask_zero": no,
            "quantization_config": nothing,
        },
        shapes.embedding,
        required=frozenset({"input_dim", "output_dim"}),
    ),
    "Attention": Layer(
        {"use_scale": boolean, "score_mode": choice("dot", "concat"), "dropout": RATE, "seed": SEED},
        shapes.attention,
        "many",
    ),
    "AdditiveAttention": Layer(
        {"use_scale": boolean, "dropout": RATE, "seed": SEED}, shapes.additive_attention, "many"
    ),
    "MultiHeadAttention": Layer(
        {
            "num_heads": COUNT,
            "key_dim": COUNT,
            "value_dim": optional(COUNT),
            "dropout": RATE,
            "use_bias": boolean,
            "use_gate": no,
            "output_shape": optional(either(COUNT, only(COUNT))),
            "attention_axes": optional(items(integer(1, 3), 1, 2)),
            "sliding_window": nothing,
            **weighted("kernel", "bias"),
            "seed": SEED,
        },
        shapes.multi_head_attention,
        "attention",
        required=frozenset({"num_heads", "key_dim"}),
    ),
    # Normalisation.
    "BatchNormalization": Layer(
        {
            **_normalisation("moving_mean", "moving_variance"),
            "axis": AXIS,
            "momentum": RATE,
            "synchronized": no,
            "renorm": no,
            "renorm_clipping": nothing,
            "renorm_momentum": RATE,
        },
        shapes.normalised(lambda config: 2 + shapes.scale_and_centre(config)),
    ),
    "LayerNormalization": Layer(
        {**_normalisation(), "rms_scaling": no}, shapes.normalised(shapes.scale_and_centre)
    ),
    "GroupNormalization": Layer(
        {**_normalisation(), "axis": AXIS, "groups": integer(-1, 10**6)}, shapes.groups
    ),
    "RMSNormalization": Layer({"axis": AXES, "epsilon": number(0, 10)}, shapes.normalised(lambda _: 1)),
    "UnitNormalization": Layer({"axis": AXES}, shapes.with_axis),
    # Activation.
    "Activation": Layer({"activation": activation}, shapes.same, required=frozenset({"activation"})),
    "ReLU": Layer({"max_value": optional(POSITIVE), "negative_slope": REAL, "threshold": REAL}, shapes.same),
    "LeakyReLU": Layer({"negative_slope": REAL}, shapes.same),
    "PReLU": Layer({**weighted("alpha"), "shared_axes": optional(items(integer(1, 7), 0, 7))}, shapes.prelu),
    "ELU": Layer({"alpha": REAL}, shapes.same),
    "Softmax": Layer({"axis": AXES}, shapes.with_axis),
    # Regularisation.
    "Dropout": Layer(
        {"rate": RATE, "seed": SEED, "noise_shape": optional(items(optional(integer(1, 1)), 1, 8))},
        shapes.same,
        required=frozenset({"rate"}),
    ),
    "AlphaDropout": Layer(
        {"rate": RATE, "seed": SEED, "noise_shape": nothing}, shapes.same, required=frozenset({"rate"})
    ),
    "GaussianDropout": Layer({"rate": RATE, "seed": SEED}, shapes.same, required=frozenset({"rate"})),
    "GaussianNoise": Layer({"stddev": POSITIVE, "seed": SEED}, shapes.same, required=frozenset({"stddev"})),
    "ActivityRegularization": Layer({"l1": POSITIVE, "l2": POSITIVE}, shapes.same),
    # Shape.
    "Flatten": Layer(FORMAT, shapes.flattened),
    "Reshape": Layer(
        {"target_shape": items(optional(integer(-1, 10**9)), 0, 7)},
        shapes.reshaped,
        required=frozenset({"target_shape"}),
    ),
    "Permute": Layer({"dims": items(integer(1, 7), 1, 7)}, shapes.permuted, required=frozenset({"dims"})),
    "RepeatVector": Layer({"n": COUNT}, shapes.repeated, required=frozenset({"n"})),
    "Identity": Layer({}, shapes.same),
    # Several inputs.
    **{
        one: Layer({}, shapes.merged, "many")
        for one in ("Add", "Average", "Maximum", "Minimum", "Multiply", "Subtract")
    },
    "Concatenate": Layer({"axis": AXIS}, shapes.concatenated, "many"),
    "Dot": Layer(
        {"axes": either(AXIS, pair(AXIS)), "normalize": boolean},
        shapes.dotted,
        "many",
        required=frozenset({"axes"}),
    ),
    # Pictures.
    "Rescaling": Layer(
        {"scale": either(REAL, items(REAL, 1, 4)), "offset": either(REAL, items(REAL, 1, 4))},
        shapes.same,
        required=frozenset({"scale"}),
        scales=True,
    ),
    "Normalization": Layer(
        {
            "axis": optional(AXES),
            "invert": boolean,
            "mean": optional(either(REAL, items(REAL, 1, 4096))),
            "variance": optional(either(POSITIVE, items(POSITIVE, 1, 4096))),
        },
        shapes.pixel_normalisation,
        scales=True,
    ),
    "Resizing": Layer(
        {
            "height": COUNT,
            "width": COUNT,
            "interpolation": INTERPOLATION,
            "crop_to_aspect_ratio": boolean,
            "pad_to_aspect_ratio": boolean,
            "fill_mode": choice("constant"),
            "fill_value": REAL,
            "antialias": boolean,
            **FORMAT,
        },
        windows.resized,
        required=frozenset({"height", "width"}),
    ),
    "CenterCrop": Layer(
        {"height": COUNT, "width": COUNT, **FORMAT},
        windows.resized,
        required=frozenset({"height", "width"}),
    ),
    "RandomFlip": _random({"mode": choice("horizontal", "vertical", "horizontal_and_vertical")}),
    "RandomRotation": _random({"factor": FACTORS, **_MOVED}, "factor"),
    "RandomZoom": _random(
        {"height_factor": FACTORS, "width_factor": optional(FACTORS), **_MOVED}, "height_factor"
    ),
    "RandomTranslation": _random(
        {"height_factor": FACTORS, "width_factor": FACTORS, **_MOVED}, "height_factor", "width_factor"
    ),
    "RandomContrast": _random({"factor": FACTORS, **_VALUE_RANGE}, "factor"),
    "RandomBrightness": _random({"factor": FACTORS, **_VALUE_RANGE}, "factor"),
}

# By the module and class that Keras writes. A class of an application is there where it is Keras' own code
# and holds none of the file's.
LAYERS: Mapping[Class, Layer] = {
    **{("keras.layers", one): layer for one, layer in _PLAIN.items()},
    ("keras.layers", "SpectralNormalization"): Layer(
        {"power_iterations": integer(1, 100)}, shapes.same, required=frozenset({"layer"}), wraps=True
    ),
    ("keras.src.applications.convnext", "LayerScale"): Layer(
        {"init_values": REAL, "projection_dim": COUNT},
        shapes.layer_scale,
        required=frozenset({"init_values", "projection_dim"}),
    ),
    ("keras.src.applications.inception_resnet_v2", "CustomScaleLayer"): Layer(
        {"scale": REAL}, shapes.merged, "many", required=frozenset({"scale"})
    ),
}

# Why a class is not in the table, where the reader may wonder.
REASONS: Mapping[str, str] = {
    "Lambda": "it holds code; write what it computes with layers or keras.ops",
    "TFSMLayer": "it reads a SavedModel from a path",
    "StringLookup": "it holds a vocabulary; pictures have none",
    "IntegerLookup": "it holds a vocabulary; pictures have none",
    "TextVectorization": "it holds a vocabulary; pictures have none",
    "JaxLayer": "it holds code",
    "FlaxLayer": "it holds code",
    "TorchModuleWrapper": "it holds code",
    "RandomShear": "Keras can't read what it writes of one; leave it out, training has augmentation",
    "Layer": "it computes nothing",
    "Wrapper": "it computes nothing",
}
