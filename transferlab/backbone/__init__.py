"""Any MLLM of transformers, and the embedded ones, as the one backbone that the rest sees."""
