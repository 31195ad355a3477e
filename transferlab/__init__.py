"""Adapt a pretrained multimodal LLM to domain after domain and measure what was transferred."""

__version__ = "0.1.0"
