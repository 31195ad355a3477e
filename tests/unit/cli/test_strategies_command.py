"""``transferlab strategies``."""

import json

from transferlab.continual.options.registry import OPTIONS


def test_every_strategy_is_listed(command):
    done = command("strategies", "list", "--json")
    assert (done.code, done.err) == (0, "")
    assert [one["name"] for one in json.loads(done.out)] == list(OPTIONS)
    table = command("strategies", "list")
    assert table.code == 0
    assert [name for name in OPTIONS if name not in table.out] == []


def test_one_strategy_is_shown_with_its_options_and_paper(command):
    done = command("strategies", "show", "ewc")
    assert done.code == 0
    assert [w for w in ("arXiv:1612.00796", "fisher_samples", "online") if w not in done.out] == []
    described = json.loads(command("strategies", "show", "ewc", "--json").out)
    assert described["options"]["strength"]["default"] == OPTIONS["ewc"]().strength


def test_an_unknown_strategy_is_an_input_error_with_the_nearest_name(command):
    done = command("strategies", "show", "ewcc")
    assert done.code == 2
    assert "there is no strategy 'ewcc'. Did you mean 'ewc'?" in done.err
    assert "nearest class mean" in command("strategies", "show", "icarl").err
