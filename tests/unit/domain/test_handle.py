"""A domain is opened once: what belongs to it is resolved once, however many rows it has."""

from string import Formatter

from domain_cases import toy_rows, write_domain

from transferlab.domain import handle
from transferlab.domain.base import template
from transferlab.domain.loader import load_domain
from transferlab.domain.validation.domain_check import check_domain


def test_templates_are_parsed_root_guard_and_media_made_once(tmp_path, monkeypatch):
    entry = write_domain(tmp_path / "toy", rows=toy_rows(patients=40))
    counts = {"parsed": 0, "guard": 0, "resolver": 0}

    class Counting(Formatter):
        def parse(self, text):
            counts["parsed"] += 1
            return super().parse(text)

    def counted(name, function):
        def call(*args, **kwargs):
            counts[name] += 1
            return function(*args, **kwargs)

        return call

    monkeypatch.setattr(template, "Formatter", Counting)
    monkeypatch.setattr(handle, "guard_of", counted("guard", handle.guard_of))
    monkeypatch.setattr(handle, "MediaResolver", counted("resolver", handle.MediaResolver))
    template._compiled.cache_clear()
    load_domain(entry)
    once = dict(counts)
    assert (once["guard"], once["resolver"]) == (1, 1)
    check_domain(entry)
    assert (counts["guard"], counts["resolver"]) == (2, 2)
    # Only the columns that domain.yaml names are looked at again, and that is no matter of rows.
    assert counts["parsed"] - once["parsed"] < 40  # of 80 rows
