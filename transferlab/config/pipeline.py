"""The schema of pipeline.yaml: one file is one experiment."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from transferlab.config.backbone import (
    EMBEDDED,
    PARTS,
    BackboneSection,
    Fraction,
    PositiveFloat,
    PositiveInt,
)
from transferlab.config.section import MAX_SEED, Name, Section

Arm = Literal["zero_shot", "scratch", "single", "joint"]
LikelihoodRule = Literal["sum", "mean", "no_media", "content_free", "standardised"]
"""How the log-likelihoods of choices become an answer; see ``evaluation.likelihood``."""
SMALL_ARMS: tuple[Arm, ...] = ("zero_shot", "scratch", "single", "joint")
"""The default for the embedded backbone."""


class TrainOverride(Section):
    """Settings of one domain that differ from the others'."""

    epochs: PositiveInt | None = None
    learning_rate: PositiveFloat | None = None
    max_steps: PositiveInt | None = None


class TrainSection(Section):
    """How each step of the stream, and each arm, is trained."""

    epochs: PositiveInt = 3
    max_steps: PositiveInt | None = None
    """Stops a domain's training early; None trains all epochs."""
    batch_samples: PositiveInt = 16
    """Samples per optimizer step; ``accumulation_steps`` splits them."""
    accumulation_steps: PositiveInt = 1
    checkpoint_steps: PositiveInt | None = 100
    """How often the domain at hand is written down, in optimizer steps, so that a killed run goes
    on from there; None goes on from the last finished domain."""
    grace_seconds: PositiveFloat = 20.0
    """After a scheduler's SIGTERM, how long the step at hand may take to end and be written down
    before the run leaves without it; Slurm and Kubernetes kill 30 seconds after it."""
    max_nonfinite_steps: PositiveInt = 3
    """A step whose loss or gradient is not a finite number is left out; after so many in a row
    training ends and names the samples. 1 ends it at the first."""
    learning_rate: PositiveFloat = 1e-4
    """What LLaMA-Factory's examples take for LoRA on Qwen-VL; LLaVA-1.5's script takes 2e-4. A
    backbone of a few million parameters wants twenty times as much."""
    scratch_learning_rate: PositiveFloat = 1e-3
    """The scratch arm trains every parameter and needs a rate of its own."""
    optimizer: Literal["adamw", "sgd"] = "adamw"
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    warmup_fraction: Fraction = 0.05
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    max_grad_norm: PositiveFloat | None = 1.0
    mixed_precision: Literal["auto", "none", "bfloat16", "float16"] = "auto"
    """The precision of forward passes; "auto" takes bfloat16 on a GPU that has it, as those
    examples do, and that of the weights elsewhere."""
    per_domain: dict[str, TrainOverride] = {}

    @model_validator(mode="after")
    def _splits_evenly(self) -> "TrainSection":
        if self.batch_samples % self.accumulation_steps:
            raise ValueError(
                f"batch_samples {self.batch_samples} is not a multiple of "
                f"accumulation_steps {self.accumulation_steps}"
            )
        return self


class StrategySpec(Section):
    """One entry of ``strategy:``; ``ewc: {strength: 100}`` in YAML, or just ``naive``."""

    name: str
    options: dict[str, Any] = {}
    """Those of the strategy (docs/strategies.md); checked when the pipeline is validated."""

    @model_validator(mode="before")
    @classmethod
    def _from_yaml(cls, given: Any) -> Any:
        if isinstance(given, str):
            return {"name": given}
        if isinstance(given, dict) and len(given) == 1 and "name" not in given:
            ((name, options),) = given.items()
            if not isinstance(options, dict | None):
                raise ValueError(f"the options of '{name}' must be keys and values, in braces")
            return {"name": name, "options": options or {}}
        if isinstance(given, dict) and "name" not in given:
            raise ValueError("needs one strategy per list item, such as '- ewc: {strength: 100}'")
        return given


class EvaluationSection(Section):
    """How domains are scored after every step."""

    split: Literal["test", "validation"] = "test"
    """"validation" for choosing settings, so that the test split is never seen while choosing."""
    max_test_samples: PositiveInt | None = None
    """Per task, chosen by a hash of groups and ids, the same for every seed; None scores all."""
    batch_samples: PositiveInt = 8
    """At once; it changes memory and time, not what is scored."""
    max_new_tokens: PositiveInt | None = None
    """Of an answer that is written; None takes the longest reference of the domain's training
    split. References that are longer are said before anything runs."""
    likelihood: Literal["auto"] | LikelihoodRule = "auto"
    """The rule by which choices are answered: their summed log-likelihood; its mean per token; the
    sum less that after the same question without its media, or after a question that says nothing;
    or standardised by the choice's mean and spread over the validation split. "auto" takes the sum
    for a model that was trained on the task, and for one that was not the rule that predicts the
    validation split best. Results show them all before
    training, and after it those that need no further passes (sum and mean)."""
    controls: bool = True
    """Score majority class, no image and raw pixels beside every closed task, chance and no image
    beside every one that retrieves, frequent and copied answers beside free text."""
    interference_samples: Annotated[int, Field(ge=0)] = 16
    """Training samples of each domain whose gradients are compared before every step; 0 leaves
    that out."""
    bootstrap_samples: PositiveInt = 1000
    """Random halvings of the test groups by which the corrected forgetting is cross-fitted. The
    intervals need no draws."""
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.95


class SimilaritySection(Section):
    """Source-target similarity on backbone features."""

    max_samples: PositiveInt = 200
    """Per domain, from its training split."""
    permutations: PositiveInt = 199
    """Random splits of the pooled features that say what 'no difference' looks like; no p-value is
    below 1 / (1 + this)."""
    measures: list[str] | None = None
    """Which; None takes all that are registered. A third party's is named by its entry point (group
    ``transferlab.similarities``) or its dotted path."""
    adapted: bool = True
    """Whether the domains are compared again on the backbone after the last step, as a series of
    its own."""


class DataSection(Section):
    """What of each domain is used."""

    tasks: dict[str, Annotated[list[str], Field(min_length=1)]] = {}
    """By domain, the source among them: the tasks that are trained and scored. A domain that is
    not named keeps all of its tasks."""
    max_train_samples: PositiveInt | None = None
    """Per task of each stream domain; None uses all."""
    max_source_samples: PositiveInt = 400
    """Training samples of the source that similarity, anchors and replay may use."""
    max_generated_samples: PositiveInt | None = None
    """Generated domains make at most so many samples; None makes what domain.yaml asks."""
    on_bad_sample: Literal["stop", "quarantine"] = "stop"
    cache_media: bool = True
    """Keep decoded and processed media on disk, in $TRANSFERLAB_CACHE/media or
    ~/.cache/transferlab/media, for later epochs and runs; false decodes them again."""
    cache_gigabytes: PositiveFloat = 10.0
    """Largest size of that folder; what was unused for longest makes room."""


class TrackingSection(Section):
    """Where MLflow keeps the runs."""

    uri: str = "sqlite:///mlruns/mlflow.db"
    artifacts: str | None = None
    """Artifact root of a new experiment; None means ``mlruns/artifacts`` for a local store."""
    experiment: str | None = None
    """None takes the pipeline's name."""
    system_metrics: bool = True


class PipelineConfig(Section):
    """One experiment."""

    name: Name
    seed: Annotated[int, Field(ge=0, le=MAX_SEED)] = 0
    backbone: BackboneSection = BackboneSection()
    source: str | None = None
    """What the backbone was pretrained on: similarity starts here, forgetting is watched here."""
    stream: Annotated[list[str], Field(min_length=1)]
    strategy: list[StrategySpec] = [StrategySpec(name="naive")]
    protect_source: bool = True
    """Let the strategy anchor or remember the source domain before the first step."""
    arms: list[Arm] = ["zero_shot", "single", "joint"]
    """Beside the stream. The embedded backbone is small enough for ``scratch``, which is added to
    its default."""
    train: TrainSection = TrainSection()
    data: DataSection = DataSection()
    data_root: Path | None = None
    """Where real data packs are; None means $TRANSFERLAB_DATA."""
    evaluation: EvaluationSection = EvaluationSection()
    similarity: SimilaritySection = SimilaritySection()
    tracking: TrackingSection = TrackingSection()
    export: list[str] = []
    """Formats in which the model leaves after the last step: adapter. A third party's is named by
    its entry point (group ``transferlab.exporters``) or its dotted path."""

    @model_validator(mode="before")
    @classmethod
    def _small_backbones_train_from_scratch(cls, given: Any) -> Any:
        if not isinstance(given, dict) or "arms" in given:
            return given
        backbone = given.get("backbone", {})
        model: str | None
        if isinstance(backbone, BackboneSection):
            model = backbone.model
        else:
            model = backbone.get("model", EMBEDDED) if isinstance(backbone, dict) else None
        return {**given, "arms": list(SMALL_ARMS)} if model == EMBEDDED else given

    @model_validator(mode="after")
    def _domains_are_distinct(self) -> "PipelineConfig":
        if len(set(self.stream)) != len(self.stream):
            raise ValueError("stream: a domain may appear only once")
        if self.source in self.stream:
            raise ValueError(f"stream: the source domain '{self.source}' cannot be in the stream")
        unknown = set(self.train.per_domain) - set(self.stream)
        if unknown:
            raise ValueError(f"train.per_domain: not in the stream: {', '.join(sorted(unknown))}")
        return self

    @model_validator(mode="after")
    def _precisions_fit(self) -> "PipelineConfig":
        weights, precision = self.backbone.dtype, self.train.mixed_precision
        if weights != "float32" and precision not in ("auto", "none", weights):
            raise ValueError(
                f"train.mixed_precision: {precision} does not go with backbone.dtype: {weights}, "
                f"because layers would meet numbers of both kinds; set it to {weights} or none, or "
                "backbone.dtype: float32"
            )
        adapter, may_have_gpu = self.backbone.adapter, self.backbone.device != "cpu"
        if weights == "float16" and precision == "auto" and may_have_gpu and adapter is not None:
            named = "train_embeddings" if adapter.train_embeddings else f"kind: {adapter.kind}"
            if adapter.train_embeddings or adapter.kind == "vera":
                raise ValueError(
                    "train.mixed_precision: auto is bfloat16 on a GPU, which does not go with "
                    f"backbone.dtype: float16 and an adapter with {named}; set it to float16 or "
                    "none"
                )
        if weights == precision == "float16":
            self._refuse_float16_that_is_trained()
        return self

    def _refuse_float16_that_is_trained(self) -> None:
        """Torch scales the loss of float16 passes, and takes back no scale from float16 weights."""
        full = [part for part in PARTS if self.backbone.mode(part) == "full"]
        if not full and "scratch" not in self.arms:
            return
        trained = f"parts.{full[0]} is trained itself" if full else "the arm 'scratch' trains all"
        raise ValueError(
            f"train.mixed_precision: float16 scales the loss, which does not work where weights "
            f"of backbone.dtype: float16 are trained ({trained}); set backbone.dtype: float32, or "
            "bfloat16 for both"
        )
