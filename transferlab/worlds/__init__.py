"""Generated worlds; each writes a folder of media and a metadata.csv, deterministic from a seed."""

from transferlab.core.registry import Registry

GENERATORS = Registry(
    "generator",
    {
        "learners": "transferlab.worlds.learners.world:write",
        "lectures": "transferlab.worlds.lectures.world:write",
        "radiographs": "transferlab.worlds.radiographs.world:write",
        "scenes": "transferlab.worlds.scenes.world:write",
    },
)
"""Functions ``write(folder, *, seed, samples)`` by name."""
