"""What strategies for LoRA's two matrices share."""
