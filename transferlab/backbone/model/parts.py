"""Which of a model's layers belong to its vision tower, its projector and its language model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torch import nn
from transformers import PreTrainedModel

from transferlab.backbone.processing.families import family_of, is_contrastive
from transferlab.config.backbone import PARTS, BackboneSection, Part
from transferlab.errors import ModelError

WRAPPED = "base_model.model."
"""What peft puts before the name of every parameter."""


@dataclass(frozen=True, kw_only=True)
class PartMap:
    """Tells the part of a module or parameter by its name in the model without an adapter."""

    prefixes: tuple[tuple[str, Part], ...]
    """The first that fits decides; what fits none is the projector's."""

    @classmethod
    def of(cls, model: PreTrainedModel, *, name: str) -> PartMap:
        """
        Args:
            model: of transformers, without an adapter.
            name: of the backbone, for messages.

        Raises:
            ModelError: vision tower and language model cannot be told apart.
        """
        names = {id(module): at for at, module in model.named_modules()}
        family = family_of(model.config)
        vision = [names.get(id(tower), "") for tower in vision_towers(model)]
        language = family.language or (names.get(id(model.get_decoder()), ""),)
        if not all((*vision, *language)) or set(vision) & set(language):
            raise ModelError(
                f"backbone '{name}': its vision tower and its language model cannot be told apart, "
                "so backbone.parts cannot be set for it; remove the section"
            )
        ends = []
        if not is_contrastive(model.config):  # their embeddings are inside the text tower
            ends = [model.get_input_embeddings(), model.get_output_embeddings()]
        prefixes: list[tuple[str, Part]] = [
            (f"{at}.", "projector")
            for at in names.values()
            if at.startswith(tuple(f"{tower}." for tower in vision)) and at.endswith(family.mergers)
        ]
        hearing = names.get(id(model.get_encoder("audio")), "")
        towers = [*vision, hearing] if hearing not in ("", *vision, *language) else [*vision]
        prefixes += [(f"{tower}.", "vision") for tower in towers]
        prefixes += [(f"{reader}.", "language") for reader in language]
        prefixes += [(f"{names[id(end)]}.", "language") for end in ends if end is not None]
        return cls(prefixes=tuple(prefixes))

    def __call__(self, name: str) -> Part:
        """The part of a parameter or module, by its name, with or without peft's prefix."""
        plain = f"{name.removeprefix(WRAPPED)}."
        for prefix, part in self.prefixes:
            if plain.startswith(prefix):
                return part
        return "projector"

    def tops(self, model: nn.Module, parts: Sequence[Part]) -> list[str]:
        """The fewest modules that hold every layer of ``parts`` and no layer of another."""
        return list(self._tops(model, "", frozenset(parts)))

    def _tops(self, module: nn.Module, at: str, parts: frozenset[Part]) -> Iterator[str]:
        owners = {self(_join(at, name)) for name, _ in module.named_parameters()}
        if at and owners and owners <= parts:
            yield at
        elif owners & parts:
            for name, child in module.named_children():
                yield from self._tops(child, _join(at, name), parts)


def vision_towers(model: PreTrainedModel) -> list[nn.Module]:
    """The modules that read pixels; ``model``: without an adapter."""
    named = family_of(model.config).vision
    return [model.get_submodule(one) for one in named] or [model.get_encoder("image")]


def needs_parts(section: BackboneSection) -> bool:
    """Whether the section treats one part differently from another."""
    factors = {getattr(section.parts, part).learning_rate_factor for part in PARTS}
    return len({section.mode(part) for part in PARTS}) > 1 or factors != {1.0}


def freeze(model: nn.Module, section: BackboneSection, part_of: PartMap) -> None:
    """Without an adapter: the parts that the section freezes no longer ask for gradients."""
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(section.mode(part_of(name)) == "full")


def learning_rate_factors(
    model: nn.Module, section: BackboneSection, part_of: PartMap
) -> dict[str, float]:
    """By the name of a trainable parameter, the factor of its part."""
    return {
        name: getattr(section.parts, part_of(name)).learning_rate_factor
        for name, parameter in model.named_parameters()
        if parameter.requires_grad
    }


def _join(at: str, name: str) -> str:
    return f"{at}.{name}" if at else name
