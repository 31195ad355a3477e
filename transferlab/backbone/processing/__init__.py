"""Samples to batches: chat template, media and audio inputs, masks."""
