"""``transferlab serve``: a whole model behind transformers' own server."""

from __future__ import annotations

from typing import Annotated

import typer

from transferlab.cli.options import Debug, Device
from transferlab.cli.output.terminal import say


def serve(
    model: Annotated[str, typer.Argument(help="Folder of an exported whole model, or a Hub id.")],
    port: Annotated[int, typer.Option(min=1, max=65535, help="On 127.0.0.1.")] = 8000,
    device: Device = "auto",
    debug: Debug = False,
) -> None:
    """Serve a model on this machine: an OpenAI-compatible endpoint, by transformers' own server.

    Example: transferlab serve exports/merged --port 8000
    """
    from transferlab.pipeline.use.opening import find_model
    from transferlab.pipeline.use.serving import serve as run

    raise typer.Exit(run(find_model(model, device=device), port, tell=say))
