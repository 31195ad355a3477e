"""The command line: what a user types, sees and gets back."""

from transferlab.cli.boundary import main

__all__ = ["main"]
