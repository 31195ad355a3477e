"""The ``backbone:`` section of pipeline.yaml: which model, what of it is trained, and how."""

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from transferlab.config.section import Section

EMBEDDED = "transferlab/tiny"
"""The backbone that comes with the package."""

PositiveInt = Annotated[int, Field(ge=1)]
PositiveFloat = Annotated[float, Field(gt=0)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
OpenFraction = Annotated[float, Field(gt=0, lt=1)]

Kind = Literal["lora", "dora", "rslora", "pissa", "ia3", "vera", "oft", "osf", "full"]
Mode = Literal["frozen", "adapter", "full"]
Part = Literal["vision", "projector", "language"]
PARTS: tuple[Part, ...] = ("vision", "projector", "language")

LORA_KINDS = frozenset({"lora", "dora", "rslora", "pissa"})
_LORA_OPTIONS = frozenset({"rank", "alpha", "dropout", "train_embeddings", "targets"})
_OPTIONS: dict[str, frozenset[str]] = {
    **dict.fromkeys(LORA_KINDS, _LORA_OPTIONS),
    **dict.fromkeys(("lora", "rslora"), _LORA_OPTIONS | {"experts"}),
    "ia3": frozenset({"targets"}),
    "vera": frozenset({"rank", "dropout", "targets"}),
    "oft": frozenset({"block_size", "dropout", "targets"}),
    "osf": frozenset({"preserved_fraction", "targets"}),
    "full": frozenset(),
}
"""By kind, the options that change anything; every other one is refused."""
_EXACT_ONLY = frozenset({"pissa", "osf"})
"""Kinds that take a weight apart, which a quantized one does not allow."""
DEFAULT_RANK, VERA_RANK = 16, 256
DEFAULT_FRACTION = 0.5


class AdapterSection(Section):
    """The PEFT parameters that are trained. An option that its kind has no use for is an error."""

    kind: Kind = "lora"
    """What is put on a layer (docs/backbones.md); "full" trains the model's own parameters, as
    ``adapter: null`` does."""
    rank: PositiveInt | None = None
    """Of lora, dora, rslora, pissa and vera; None means 16, and 256 for vera."""
    alpha: PositiveFloat | None = None
    """Of lora, dora, rslora and pissa: the update is scaled by alpha / rank (rslora: by
    alpha / sqrt(rank)); None means 2 * rank, for pissa rank, and for rslora 8."""
    dropout: Fraction = 0.0
    """Not of ia3 and osf."""
    block_size: PositiveInt | None = None
    """Of oft: rows of a rotation; it must divide the inputs of every layer. None means the largest
    power of two that does, at most 32."""
    preserved_fraction: OpenFraction | None = None
    """Of osf: the share of singular directions, the largest ones, that stay as they are; None
    means 0.5."""
    experts: Annotated[int, Field(ge=2)] | None = None
    """Of lora and rslora: share the ranks out into so many experts, with a trained gate in each
    layer that weighs them token by token (a mixture of LoRA experts; docs/backbones.md). It must
    divide the rank. Such an adapter cannot be exported."""
    targets: str | Annotated[list[str], Field(min_length=1)] = "all-linear"
    """Module name endings, or "all-linear": every linear layer but the output layer."""
    train_embeddings: bool = False
    """Of lora, dora, rslora and pissa: train the token embeddings too (peft's trainable tokens). A
    small backbone that has never answered with a domain's words needs it; a large one pays
    vocabulary x width parameters."""

    @model_validator(mode="after")
    def _options_matter(self) -> "AdapterSection":
        for name, field in type(self).model_fields.items():
            given = getattr(self, name)
            if name != "kind" and given != field.default and name not in _OPTIONS[self.kind]:
                raise ValueError(f"{name}: does nothing with kind '{self.kind}'; remove it")
        if self.experts is not None and self.effective_rank % self.experts:
            raise ValueError(
                f"experts: {self.experts} experts cannot share rank {self.effective_rank} out "
                "evenly; make rank a multiple of experts"
            )
        return self

    @property
    def effective_rank(self) -> int:
        """The rank that is used where ``rank`` is left to its default."""
        return self.rank or (VERA_RANK if self.kind == "vera" else DEFAULT_RANK)

    @property
    def effective_fraction(self) -> float:
        """The share that osf preserves where ``preserved_fraction`` is left to its default."""
        return self.preserved_fraction or DEFAULT_FRACTION


class PartSection(Section):
    """How one part of the backbone is trained."""

    mode: Mode | None = None
    """"frozen", "adapter" (it carries the adapter), or "full" (its own parameters are trained).
    None means adapter where ``backbone.adapter`` is set, and full where it is not."""
    learning_rate_factor: PositiveFloat = 1.0
    """``train.learning_rate`` of whatever domain is multiplied by it for this part."""

    @model_validator(mode="after")
    def _factor_matters(self) -> "PartSection":
        if self.mode == "frozen" and self.learning_rate_factor != 1.0:
            raise ValueError("learning_rate_factor: does nothing with mode: frozen; remove it")
        return self


class PartsSection(Section):
    """The three parts of a backbone. The scratch arm trains all of them at one rate."""

    vision: PartSection = PartSection()
    """The vision tower, and the audio tower where there is one."""
    projector: PartSection = PartSection()
    """All that stands between vision tower and language model."""
    language: PartSection = PartSection()
    """The language model, its token embeddings and output layer."""


class QuantizationSection(Section):
    """The frozen base in 4 or 8 bits; needs a GPU and an adapter."""

    bits: Literal[4, 8]
    library: Literal["bitsandbytes", "torchao"] = "bitsandbytes"


class BackboneSection(Section):
    """The pretrained model that is adapted."""

    model: str = EMBEDDED
    """The embedded backbone, a Hugging Face id or a local path."""
    revision: str | None = None
    adapter: AdapterSection | None = AdapterSection()
    """None trains every parameter."""
    parts: PartsSection = PartsSection()
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    quantization: QuantizationSection | None = None
    attention: Literal["auto", "eager", "sdpa", "flash_attention_2"] = "auto"
    """How attention is computed; "auto" leaves it to transformers."""
    gradient_checkpointing: bool = False
    """Compute activations again in the backward pass instead of keeping them: less memory, about
    a third more time."""
    device: str = "auto"
    """"auto" takes the GPU where there is one."""
    trust_remote_code: bool = False
    caption: str | None = None
    """Backbones that compare pictures with texts, CLIP and SigLIP: how a choice or an answer is
    written, with ``{answer}`` and, where the words of the prompt are read too, ``{prompt}``. None
    takes the answer alone."""
    max_length_tokens: PositiveInt = 2048
    """A sample with its media tokens and answer must fit; one that does not is an error."""

    @field_validator("caption")
    @classmethod
    def _caption_holds_the_answer(cls, given: str | None) -> str | None:
        if given is not None and "{answer}" not in given:
            raise ValueError("must hold {answer}, as in 'an X-ray that shows {answer}'")
        return given

    @field_validator("adapter")
    @classmethod
    def _full_is_no_adapter(cls, given: AdapterSection | None) -> AdapterSection | None:
        return None if given is not None and given.kind == "full" else given

    @model_validator(mode="after")
    def _parts_fit(self) -> "BackboneSection":
        modes = {part: self.mode(part) for part in PARTS}
        carrying = [part for part, mode in modes.items() if mode == "adapter"]
        if self.adapter is None and carrying:
            raise ValueError(
                f"parts.{carrying[0]}.mode: there is no adapter to carry; set backbone.adapter"
            )
        if self.adapter is not None and not carrying:
            raise ValueError("adapter: no part carries it; set adapter: null, or a part's mode")
        if set(modes.values()) == {"frozen"}:
            raise ValueError("parts: all three are frozen, so there is nothing to train")
        if self.adapter is not None and modes["language"] == "full":
            raise ValueError(
                "parts.language.mode: 'full' beside an adapter would tear tied embeddings apart; "
                "use adapter, or set backbone.adapter: null and freeze the other parts"
            )
        if self.adapter is not None and self.adapter.kind == "osf" and "full" in modes.values():
            raise ValueError("adapter.kind: an adapter of kind osf cannot hold parts that are full")
        return self

    @model_validator(mode="after")
    def _quantized_base_is_frozen(self) -> "BackboneSection":
        if self.quantization is None:
            return self
        if self.adapter is None or "full" in map(self.mode, PARTS):
            raise ValueError(
                "quantization: a quantized base cannot be trained; use an adapter on every part "
                "that is trained"
            )
        if self.adapter.kind in _EXACT_ONLY:
            raise ValueError(
                f"quantization: kind '{self.adapter.kind}' takes the weights apart, which "
                "quantized ones do not allow; use kind: lora"
            )
        return self

    def mode(self, part: Part) -> Mode:
        """How a part is trained, defaults filled in."""
        return getattr(self.parts, part).mode or ("full" if self.adapter is None else "adapter")
