"""train: a CNN learns to distinguish the classes of a data set."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, ValidationError, ValidatorFunctionWrapHandler, WrapValidator, model_validator

from jobyard.shared.errors import BadInput
from jobyard.shared.kinds.base import Kind, Parameters, Queue, Reference, Spec
from jobyard.shared.kinds.fields import Background, DatasetReference, ModelReference, Name
from jobyard.shared.kinds.networks import ANY_SIZE, CUSTOM, PRESETS, PRETRAINED, WITH_ARCHITECTURE

if TYPE_CHECKING:
    from jobyard.shared.kinds.findings import Findings


MAX_CLASS_WEIGHT = 1_000
MAX_CLASS_WEIGHTS = 10_000
MAX_SHOWN_CLASSES = 20


def _class_weight(value: object, check: ValidatorFunctionWrapHandler) -> Any:
    """Validates with one message, where the union would give one for each of its types."""
    try:
        return check(value)
    except ValidationError:
        raise ValueError(
            f"should be 'balanced', or weights above 0 and at most {MAX_CLASS_WEIGHT:,} by class"
        ) from None


ClassWeight = Annotated[
    Literal["balanced"]
    | Annotated[
        dict[str, Annotated[float, Field(gt=0, le=MAX_CLASS_WEIGHT)]],
        Field(min_length=1, max_length=MAX_CLASS_WEIGHTS),
    ],
    WrapValidator(_class_weight),
]


class Augment(Parameters):
    """Random changes of training pictures; validation pictures are not changed."""

    shear: float = Field(default=8, ge=0, le=45, description="Largest shear angle in degrees, as in Keras")
    zoom: float = Field(default=0.1, ge=0, lt=1, description="Zoom width and height, each by 1 ± this")
    crop: float = Field(
        default=0.4, ge=0, lt=1, description="Crop up to this share of width and height, at a random place"
    )
    flip: bool = Field(default=True, description="Mirror half of the pictures")
    rotation: float = Field(default=0, ge=0, le=180, description="Largest rotation either way, in degrees")
    brightness: float = Field(
        default=0, ge=0, le=1, description="Lighten or darken by up to this share of white"
    )
    contrast: float = Field(default=0, ge=0, le=1, description="Multiply the contrast by 1 ± this")


class TrainSpec(Spec):
    """Train a CNN on a data set of pictures. The defaults are those of `efficientnet-lite0`."""

    dataset: DatasetReference
    network: Literal["efficientnet-lite0", "compact", "classic", "custom"] = Field(
        default="efficientnet-lite0",
        description="`efficientnet-lite0`: pretrained on ImageNet, only its last layer is trained, and then "
        "the whole if `fine_tune_epochs` says so; `compact`: a small residual network; "
        "`classic`: three convolutions (32-64-128) and 512 dense units. The default with init_from "
        "is the network of that model; `custom`: the one of `architecture`",
    )
    architecture: UUID | None = Field(
        default=None,
        description="Id of an uploaded file: what `model.to_json()` of Keras 3 writes, for `custom`. With "
        "init_from, the architecture of that model by default",
    )
    head: Literal["auto", "keep"] | None = Field(
        default=None,
        description="Of `custom`; `auto`: a last layer for other classes is replaced, and features get one; "
        "`keep`: the architecture has to give the classes",
    )
    rescale: Literal["auto", "0..1", "-1..1", "none"] | None = Field(
        default=None,
        description="Of `custom`: what pixels of 0 to 255 are scaled to first; `auto`: 0..1, unless the "
        "architecture scales them itself, or is that of the model in init_from, which has all that it needs",
    )
    init_from: ModelReference | None = Field(
        default=None,
        description="Start from the weights of this model; for other classes, the last layer is replaced",
    )
    epochs: int = Field(
        default=20, ge=1, le=10_000, description="How often every training picture is learned from"
    )
    fine_tune_epochs: int = Field(
        default=0,
        ge=0,
        le=10_000,
        description="Of a pretrained network: epochs in which all of it is trained, after the others",
    )
    fine_tune_learning_rate: float = Field(
        default=0.00002, gt=0, le=1, description="Learning rate of the epochs of `fine_tune_epochs`"
    )
    views: int = Field(
        default=1,
        ge=1,
        le=1_000,
        description="Of a pretrained network: how often each training picture is in an epoch of the last "
        "layer's, once as it is, and else changed at random",
    )
    batch_size: int = Field(
        default=32, ge=1, le=4_096, description="Pictures per step, after which the weights are changed"
    )
    image_size: int | None = Field(
        default=256,
        ge=32,
        le=512,
        description="Pictures are resized to this square; `custom`: what the architecture takes, or 128 if "
        "it takes any",
    )
    background: Background = Field(
        default="white",
        description="What is transparent in pictures is laid on this colour, here and in every prediction: "
        "`white`, `black` or `#rrggbb`",
    )
    optimizer: Literal["muon", "adam"] = Field(
        default="adam", description="`muon`: Muon for convolutions, Adam for all other weights"
    )
    learning_rate: float = Field(
        default=0.003, gt=0, le=1, description="How far each step changes the weights; the highest one"
    )
    schedule: Literal["constant", "cosine"] = Field(
        default="cosine", description="`cosine`: the learning rate falls to 0 over all epochs"
    )
    warmup_epochs: float = Field(
        default=0, ge=0, le=100, description="Epochs over which the learning rate first rises from 0"
    )
    weight_decay: float = Field(
        default=0, ge=0, le=1, description="Decoupled from the gradient, as in AdamW; 0: none"
    )
    label_smoothing: float = Field(
        default=0, ge=0, le=0.5, description="Share of each label spread over all classes; not in val_loss"
    )
    class_weight: ClassWeight | None = Field(
        default=None,
        description="What the pictures of each class count in the loss: `balanced` (all classes the same in "
        "sum), or a map from class to weight, 1 for those not named; not in val_loss",
    )
    augment: Augment = Field(default=Augment())
    validation_split: float = Field(
        default=0.2,
        ge=0.01,
        le=0.9,
        description="Share held out if there is no validation/ folder",
    )
    steps_per_epoch: int | None = Field(
        default=None, ge=1, le=1_000_000, description="Batches per epoch; default: the whole data set once"
    )
    validation_steps: int | None = Field(
        default=None, ge=1, le=1_000_000, description="Batches per validation; default: all pictures once"
    )
    monitor: Literal["val_loss", "val_accuracy"] = Field(
        default="val_loss",
        description="The best epoch, whose weights the model has, is that of lowest `val_loss` or of highest "
        "`val_accuracy`; of several such epochs, that of lowest val_loss",
    )
    patience: int | None = Field(
        default=None, ge=1, description="Stop after this many epochs of which none was the best"
    )
    seed: int = Field(
        default=0,
        ge=0,
        lt=2**31,
        description="Of all that is random; equal seeds give equal weights on a CPU",
    )
    precision: Literal["auto", "float32", "mixed_bfloat16", "mixed_float16"] = Field(
        default="auto",
        description="`auto`: mixed precision where the hardware supports it, else float32",
    )
    model_name: Name | None = Field(default=None, description="Name in the registry; default: the data set's")

    @model_validator(mode="before")
    @classmethod
    def _fill_from_preset(cls, given: Any) -> Any:
        """Fill fields that are not given from the preset of the network."""
        if not isinstance(given, dict):
            return given
        if given.get("architecture") is not None and "network" not in given:
            given = {"network": CUSTOM, **given}
        preset = PRESETS.get(str(given.get("network")), {})
        filled = preset | given
        if isinstance(given.get("augment"), dict):
            filled["augment"] = preset.get("augment", {}) | given["augment"]
        return filled


def unknown_classes(weights: Mapping[str, float], classes: Sequence[str]) -> str | None:
    """What is wrong with class weights that name a class which is none of `classes`; None if none does."""
    unknown = next((name for name in weights if name not in classes), None)
    if unknown is None:
        return None
    shown = ", ".join(classes[:MAX_SHOWN_CLASSES])
    more = f" and {len(classes) - MAX_SHOWN_CLASSES} more" if len(classes) > MAX_SHOWN_CLASSES else ""
    return f"names the class {unknown[:50]!r}: the data set's classes are {shown}{more}"


def _checked(spec: TrainSpec) -> TrainSpec:
    """What one field says of another. Raises BadInput."""
    if spec.network not in PRETRAINED:
        for name, nothing in (("fine_tune_epochs", 0), ("views", 1)):
            if getattr(spec, name) != nothing:
                raise BadInput(
                    f"spec.{name}",
                    f"should be {nothing} for {spec.network!r}: it is for pretrained networks only",
                )
    if spec.network != CUSTOM:
        for name in ("architecture", "head", "rescale"):
            if getattr(spec, name) is not None:
                raise BadInput(
                    f"spec.{name}", f"is for the network {CUSTOM!r} only, but is with {spec.network!r}"
                )
        if spec.image_size is None:
            raise BadInput("spec.image_size", f"should be a number for {spec.network!r}, is null")
    elif spec.architecture is None and spec.init_from is None:
        raise BadInput(
            "spec.architecture",
            "should be the id of an uploaded file with what model.to_json() of Keras 3 writes, as network is "
            f"{CUSTOM!r}",
        )
    return spec


class Train(Kind[TrainSpec]):
    """Train a CNN."""

    name = "train"
    queue = Queue.GPU
    Spec = TrainSpec
    work = "jobyard.workers.kinds.train:work"
    label = "Training"
    action = "Train a model"
    icon = "cpu"
    # A data set of some 10 GB may take long to be fetched from the storage.
    stall_seconds = 3_600.0
    starting = "starting TensorFlow"
    has_checkpoints = True
    has_metrics = True
    presets = ("network", PRESETS)
    order = 1

    def inputs(self, spec: TrainSpec) -> Mapping[str, UUID | None]:
        return {"architecture": spec.architecture}

    def references(self, spec: TrainSpec) -> Sequence[Reference]:
        return [
            Reference("dataset", "dataset", spec.dataset),
            Reference("init_from", "model", spec.init_from),
        ]

    def resolve(self, spec: TrainSpec, found: "Findings") -> TrainSpec:
        """A training that continues from a model: of the same network, and for pictures of the same size.

        If the spec does not set these two, they are taken from the model, with the preset of its network.
        Class weights are of classes that the data set has.
        """
        dataset = found.datasets.get("dataset")
        if isinstance(spec.class_weight, dict) and dataset is not None:
            unknown = unknown_classes(spec.class_weight, dataset.class_names)
            if unknown is not None:
                raise BadInput("spec.class_weight", unknown)
        if spec.init_from is None:
            return _checked(spec)
        model = found.models["init_from"]
        network = CUSTOM if model.network in WITH_ARCHITECTURE else model.network
        if network in PRESETS:
            # The architecture of a model has its own size, which may be one that no spec can have.
            size = None if network == CUSTOM else model.image_size
            known = {"network": network, "image_size": size}
            spec = TrainSpec.model_validate(known | spec.model_dump(exclude_unset=True))
        wanted = f"as that of {model.reference} in init_from, but is"
        if network != spec.network:
            raise BadInput("spec.network", f"should be {network!r}, {wanted} {spec.network!r}")
        if spec.image_size not in (None, model.image_size) and network not in ANY_SIZE:
            raise BadInput("spec.image_size", f"should be {model.image_size}, {wanted} {spec.image_size}")
        return _checked(spec)

    def made(self, spec: TrainSpec) -> Sequence[str | None]:
        return [spec.model_name]

    def title(self, spec: Mapping[str, Any], files: Mapping[str, str]) -> str:
        return f"{spec['network']} on {spec['dataset']}"

    def links(self, spec: str) -> Sequence[str]:
        return ["metrics", "history.png"]
