"""``transferlab domains register``: propose, show, write, check."""

from __future__ import annotations

from pathlib import Path

from transferlab.cli.domains.checks import show_report
from transferlab.cli.output.terminal import output, say, say_json
from transferlab.config.yaml_text import dump_yaml
from transferlab.domain.onboarding.proposal import Proposal
from transferlab.domain.onboarding.user_domains import write_domain
from transferlab.domain.validation.domain_check import check_domain
from transferlab.errors import DataError


def register(proposal: Proposal, *, to: Path | None, dry_run: bool, as_json: bool) -> None:
    """Show a proposal and, unless this is a dry run, write and check it.

    Raises:
        DataError: it was written, and its data are not fit to be trained on.
    """
    text = dump_yaml(proposal.settings)
    if not as_json:
        say(text)
        for note in proposal.notes:
            say(f"look at {note}")
    record = {"settings": proposal.settings, "notes": proposal.notes}
    if dry_run:
        if as_json:
            say_json(record)
        return
    entry = write_domain(proposal.settings, to=to)
    if not as_json:
        say(f"\nwritten: {entry.file}\n")
    report = check_domain(entry)
    if as_json:
        record |= {"file": str(entry.file), "check": report.to_record()}
        say_json(record)
    else:
        show_report(output(), report)
    if not report.sound:
        raise DataError(
            f"domain '{entry.name}' is registered, and not fit to be trained on yet: "
            f"{len(report.errors)} problem(s); correct {entry.file} or the data, then `transferlab "
            f"domains check {entry.name}`"
        )
    if not as_json:
        say(_next_steps(entry.name))


def _next_steps(name: str) -> str:
    """What a newcomer does with a sound domain."""
    return (
        f"\nnext: look at it with `transferlab domains preview {name}`; to train on it, write "
        f"these two lines into {name}.yaml and start `transferlab run {name}.yaml`:\n\n"
        f"name: {name}\nstream: [{name}]"
    )
