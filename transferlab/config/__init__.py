"""The schemas of pipeline.yaml and domain.yaml, and how a file becomes one."""
