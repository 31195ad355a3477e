"""Generated worlds; each writes a folder of media and a metadata.csv, deterministic from a seed."""

from transferlab.core.registry import Registry

GENERATORS = Registry(
    "generator",
    {
        "lectures": "transferlab.domain.synthetic.lectures:write",
        "radiographs": "transferlab.domain.synthetic.radiographs:write",
        "scenes": "transferlab.domain.synthetic.scenes:write",
    },
)
"""Functions ``write(folder, *, seed, samples)`` by name."""
