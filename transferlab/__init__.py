"""Adapt a pretrained multimodal LLM to one domain after another and measure what was transferred."""

__version__ = "0.1.0"
