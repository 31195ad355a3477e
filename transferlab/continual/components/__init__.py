"""What strategies share: buffer, teacher, penalty, Fisher, per-sample gradients, LoRA."""
