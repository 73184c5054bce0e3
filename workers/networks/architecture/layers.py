"""The layers that Jobyard builds: of each class the keys of its config, and what it makes of shapes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from jobyard.workers.networks.architecture import shapes
from jobyard.workers.networks.architecture.objects import (
    AXIS,
    POSITIVE,
    REAL,
    SEED,
    activation,
    constraint,
    initializer,
    policy,
    regularizer,
)
from jobyard.workers.networks.architecture.shapes import Infer
from jobyard.workers.networks.architecture.values import (
    Check,
    Place,
    boolean,
    choice,
    either,
    integer,
    items,
    name,
    no,
    nothing,
    number,
    optional,
    tuple_of,
)

Class = tuple[str, str]  # module and class_name


@dataclass(frozen=True)
class Layer:
    """One class: the checks of its config's keys, those it can't do without, how it is called.

    `inputs`: "one" tensor, "many" as a list, or "attention": query, value and perhaps key.
    """

    config: Mapping[str, Check]
    infer: Infer
    inputs: Literal["one", "many", "attention"] = "one"
    required: frozenset[str] = field(default_factory=frozenset)
    # Whether Grad-CAM can use its output, and whether it is there to scale pixels.
    convolves: bool = False
    scales: bool = False
    # Whether its config has a layer that it applies.
    wraps: bool = False


# Bounds of single numbers; what they make together is counted (see Limits).
COUNT = integer(1, 10**6)
WINDOW = integer(1, 4096)
MARGIN = integer(0, 4096)
RATE = number(0, 1)
FACTOR = number(-10, 10)

COMMON: Mapping[str, Check] = {
    "name": name,
    "trainable": boolean,
    "dtype": policy,
    "activity_regularizer": regularizer,
}
_FORMAT: Mapping[str, Check] = {"data_format": choice("channels_last")}
_INTERPOLATION = choice("nearest", "bilinear", "bicubic", "lanczos3", "lanczos5", "area")
_FILL = choice("constant", "nearest", "wrap", "mirror", "reflect")
_FACTORS = either(FACTOR, items(FACTOR, 2, 2))
_AXES = either(AXIS, items(AXIS, 1, 4))


def _weighted(*weights: str) -> dict[str, Check]:
    checks: dict[str, Check] = {}
    for one in weights:
        checks |= {f"{one}_initializer": initializer, f"{one}_regularizer": regularizer}
        checks |= {f"{one}_constraint": constraint}
    return checks


def _pair(check: Check) -> Check:
    return items(check, 2, 2)


def _only(check: Check) -> Check:
    """The one value of a list."""
    return lambda value, place: items(check, 1, 1)(value, place)[0]


def _margins_of(rank: int) -> Check:
    """One number, one for each dimension, or a pair for each; returns the pairs."""
    pair = either(lambda one, place: [MARGIN(one, place)] * 2, _pair(MARGIN))

    def check(value: Any, place: Place) -> Any:
        if rank == 1:
            return pair(value, place)
        return items(pair, rank, rank)(value if isinstance(value, list) else [value] * rank, place)

    return check


def _windowed(rank: int, kernel: str) -> dict[str, Check]:
    return {
        kernel: tuple_of(WINDOW, rank),
        "strides": optional(tuple_of(WINDOW, rank)),
        "padding": choice("valid", "same", "causal") if rank == 1 else choice("valid", "same"),
        **_FORMAT,
    }


def _convolutional(rank: int, *weights: str) -> dict[str, Check]:
    return {
        **_windowed(rank, "kernel_size"),
        **_weighted(*weights, "bias"),
        "dilation_rate": tuple_of(WINDOW, rank),
        "activation": activation,
        "use_bias": boolean,
    }


_FILTERS = frozenset({"filters", "kernel_size"})


def _of_rank(rank: int) -> dict[str, Layer]:
    """The classes that there are for one and for two dimensions."""
    filters: dict[str, Check] = {"filters": COUNT}
    multiplier: dict[str, Check] = {"depth_multiplier": COUNT}
    keep: dict[str, Check] = {**_FORMAT, "keepdims": boolean}
    found = {
        "Conv#": Layer(
            {**_convolutional(rank, "kernel"), **filters, "groups": COUNT},
            shapes.convolution(rank),
            required=_FILTERS,
            convolves=True,
        ),
        "Conv#Transpose": Layer(
            {
                **_convolutional(rank, "kernel"),
                **filters,
                "output_padding": optional(tuple_of(MARGIN, rank)),
            },
            shapes.transposed(rank),
            required=_FILTERS,
            convolves=True,
        ),
        "DepthwiseConv#": Layer(
            {**_convolutional(rank, "depthwise"), **multiplier},
            shapes.depthwise(rank),
            required=frozenset({"kernel_size"}),
            convolves=True,
        ),
        "SeparableConv#": Layer(
            {**_convolutional(rank, "depthwise", "pointwise"), **filters, **multiplier},
            shapes.separable(rank),
            required=_FILTERS,
            convolves=True,
        ),
        "UpSampling#": Layer(
            {
                "size": tuple_of(WINDOW, rank) if rank == 2 else WINDOW,
                **({**_FORMAT, "interpolation": _INTERPOLATION} if rank == 2 else {}),
            },
            shapes.upsampling(rank),
        ),
        "ZeroPadding#": Layer(
            {"padding": _margins_of(rank), **_FORMAT},
            shapes.margins(rank, "padding", 1),
            required=frozenset({"padding"}),
        ),
        "Cropping#": Layer(
            {"cropping": _margins_of(rank), **(_FORMAT if rank == 2 else {})},
            shapes.margins(rank, "cropping", -1),
            required=frozenset({"cropping"}),
        ),
        "SpatialDropout#": Layer(
            {"rate": RATE, "seed": SEED, "noise_shape": nothing, **(_FORMAT if rank == 2 else {})},
            shapes.same,
            required=frozenset({"rate"}),
        ),
    }
    for kind in ("Average", "Max"):
        found[f"{kind}Pooling#"] = Layer(
            _windowed(rank, "pool_size"), shapes.pooling(rank), required=frozenset({"pool_size"})
        )
        found[f"Global{kind}Pooling#"] = Layer(keep, shapes.global_pooling(rank))
        found[f"Adaptive{kind}Pooling#"] = Layer(
            {"output_size": tuple_of(WINDOW, rank), **_FORMAT},
            shapes.adaptive_pooling(rank),
            required=frozenset({"output_size"}),
        )
    return {one.replace("#", f"{rank}D"): layer for one, layer in found.items()}


def _normalisation(*more: str) -> dict[str, Check]:
    return {
        "axis": _AXES,
        "epsilon": number(0, 10),
        "center": boolean,
        "scale": boolean,
        **_weighted("beta", "gamma"),
        **{f"{one}_initializer": initializer for one in more},
    }


def _random(more: Mapping[str, Check], *required: str) -> Layer:
    """Layers that change pictures while they are trained on, and leave their size."""
    config = {"seed": SEED, **_FORMAT, **more}
    return Layer(config, shapes.same, required=frozenset(required))


_VALUE_RANGE: Mapping[str, Check] = {"value_range": _pair(REAL)}
_MOVED: Mapping[str, Check] = {
    "fill_mode": _FILL,
    "fill_value": REAL,
    "interpolation": choice("nearest", "bilinear"),
}

_PLAIN: dict[str, Layer] = {
    **_of_rank(1),
    **_of_rank(2),
    # Dense layers and attention.
    "Dense": Layer(
        {
            "units": COUNT,
            "activation": activation,
            "use_bias": boolean,
            **_weighted("kernel", "bias"),
            "quantization_config": nothing,
        },
        shapes.dense,
        required=frozenset({"units"}),
    ),
    "Embedding": Layer(
        {
            "input_dim": COUNT,
            "output_dim": COUNT,
            **_weighted("embeddings"),
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
            "output_shape": optional(either(COUNT, _only(COUNT))),
            "attention_axes": optional(items(integer(1, 3), 1, 2)),
            "sliding_window": nothing,
            **_weighted("kernel", "bias"),
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
    "RMSNormalization": Layer({"axis": _AXES, "epsilon": number(0, 10)}, shapes.normalised(lambda _: 1)),
    "UnitNormalization": Layer({"axis": _AXES}, shapes.with_axis),
    # Activation.
    "Activation": Layer({"activation": activation}, shapes.same, required=frozenset({"activation"})),
    "ReLU": Layer({"max_value": optional(POSITIVE), "negative_slope": REAL, "threshold": REAL}, shapes.same),
    "LeakyReLU": Layer({"negative_slope": REAL}, shapes.same),
    "PReLU": Layer({**_weighted("alpha"), "shared_axes": optional(items(integer(1, 7), 0, 7))}, shapes.prelu),
    "ELU": Layer({"alpha": REAL}, shapes.same),
    "Softmax": Layer({"axis": _AXES}, shapes.with_axis),
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
    "Flatten": Layer(_FORMAT, shapes.flattened),
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
        {"axes": either(AXIS, _pair(AXIS)), "normalize": boolean},
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
            "axis": optional(_AXES),
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
            "interpolation": _INTERPOLATION,
            "crop_to_aspect_ratio": boolean,
            "pad_to_aspect_ratio": boolean,
            "fill_mode": choice("constant"),
            "fill_value": REAL,
            "antialias": boolean,
            **_FORMAT,
        },
        shapes.resized,
        required=frozenset({"height", "width"}),
    ),
    "CenterCrop": Layer(
        {"height": COUNT, "width": COUNT, **_FORMAT},
        shapes.resized,
        required=frozenset({"height", "width"}),
    ),
    "RandomFlip": _random({"mode": choice("horizontal", "vertical", "horizontal_and_vertical")}),
    "RandomRotation": _random({"factor": _FACTORS, **_MOVED}, "factor"),
    "RandomZoom": _random(
        {"height_factor": _FACTORS, "width_factor": optional(_FACTORS), **_MOVED}, "height_factor"
    ),
    "RandomTranslation": _random(
        {"height_factor": _FACTORS, "width_factor": _FACTORS, **_MOVED}, "height_factor", "width_factor"
    ),
    "RandomContrast": _random({"factor": _FACTORS, **_VALUE_RANGE}, "factor"),
    "RandomBrightness": _random({"factor": _FACTORS, **_VALUE_RANGE}, "factor"),
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
    "Lambda": "it holds code: write what it computes with layers or keras.ops",
    "TFSMLayer": "it reads a SavedModel from a path",
    "StringLookup": "it holds a vocabulary: pictures have none",
    "IntegerLookup": "it holds a vocabulary: pictures have none",
    "TextVectorization": "it holds a vocabulary: pictures have none",
    "JaxLayer": "it holds code",
    "FlaxLayer": "it holds code",
    "TorchModuleWrapper": "it holds code",
    "RandomShear": "Keras can't read what it writes of one: leave it out, training has augmentation",
    "Layer": "it computes nothing",
    "Wrapper": "it computes nothing",
}
