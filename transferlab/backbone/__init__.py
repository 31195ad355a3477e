"""Any MLLM of transformers, and the embedded ones, as the one backbone that the rest sees."""

from transferlab.backbone.tiny import fusion as fusion  # transformers knows them from here on
