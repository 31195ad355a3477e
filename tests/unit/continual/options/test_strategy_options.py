"""The ``strategy:`` list of a pipeline."""

import subprocess
import sys

import pytest

from transferlab.config.pipeline import PipelineConfig, StrategySpec
from transferlab.continual.options.compatibility import check_strategies, read_options
from transferlab.continual.options.registry import OPTIONS, STRATEGIES
from transferlab.continual.options.unsupported import EXCLUDED
from transferlab.errors import InputError


def spec(name, **options):
    return StrategySpec(name=name, options=options)


def test_sound_lists_have_no_problems():
    assert check_strategies([spec("naive")]) == []
    assert check_strategies([spec("ewc", strength=10), spec("replay", memory_samples=5)]) == []


@pytest.mark.parametrize(
    ("specs", "words"),
    [
        ([spec("ewc", strenght=1)], ["strategy.ewc.strenght", "unknown key", "'strength'"]),
        ([spec("ewc", strength=0)], ["strategy.ewc.strength", "greater than 0"]),
        ([spec("ewc", strength="high")], ["strategy.ewc.strength", "a number"]),
        ([spec("ewc", mode="seperate")], ["strategy.ewc.mode", "'separate'"]),
        ([spec("ewc", mode="separate", decay=0.9)], ["strategy.ewc.decay", "online"]),
        ([spec("ewc", fisher="batch", labels="model")], ["strategy.ewc.labels", "exact"]),
        (
            [spec("replay", memory_samples=9, memory_fraction=0.1)],
            ["strategy.replay.memory_fraction", "memory_samples says already"],
        ),
        (
            [spec("replay", policy="random", group_by="attribute")],
            ["strategy.replay.attribute", "set both"],
        ),
        ([spec("replay", attribute="sex")], ["strategy.replay.attribute", "set both"]),
        ([spec("replay", memory_samples=0)], ["strategy.replay.memory_samples", "at least 1"]),
        ([spec("naive", strength=1)], ["strategy.naive.strength", "unknown key"]),
        ([spec("ewcc")], ["'ewcc'", "'ewc'", "replay"]),
        ([spec("naive"), spec("ewc")], ["'naive'", "ewc", "cannot be combined"]),
        ([spec("ewc"), spec("ewc")], ["'ewc'", "2 times"]),
        ([], ["strategy", "empty", "'naive'"]),
        ([spec("ewc", strength=3, units=2)], ["strategy.ewc.units", "the number 3", "auto"]),
        ([spec("si", variant="avalanche")], ["strategy.si.strength", "below zero"]),
        ([spec("replay", group_by="class")], ["strategy.replay.group_by", "herding"]),
        (
            [spec("mir", memory_batch_samples=60)],
            ["strategy.mir.memory_batch_samples", "candidate_samples 50"],
        ),
        ([spec("merge", method="linear", density=0.2)], ["strategy.merge.density", "remove"]),
        ([spec("pseudo_replay", questions=["<image> What?"])], ["questions", "without <image>"]),
        ([spec("pseudo_replay", questions=[])], ["strategy.pseudo_replay.questions", "at least 1"]),
        ([spec("per_domain"), spec("ewc")], ["'per_domain'", "'ewc'", "no longer there"]),
        ([spec("plugin", path="EWCPlugin")], ["strategy.plugin.path"]),
        ([spec("plugin")], ["strategy.plugin.path", "missing"]),
        ([spec("replay"), spec("gss")], ["'replay' and 'gss'", "which samples a step has"]),
        ([spec("agem"), spec("gem")], ["'agem' and 'gem'", "project"]),
        ([spec("agem"), spec("ewc")], ["list 'ewc' before 'agem'"]),
        ([spec("gdumb"), spec("ewc")], ["'gdumb'", "'ewc'", "first values"]),
        ([spec("lwf"), spec("from_scratch")], ["'from_scratch'", "'lwf'", "first values"]),
        ([spec("ewc"), spec("ema")], ["list 'ema' before 'ewc'"]),
        ([spec("merge"), spec("from_scratch")], ["'merge' and 'from_scratch'", "keep one"]),
        ([spec("ewc"), spec("osf")], ["'osf'", "into another basis", "'ewc' would hold"]),
        ([spec("ewc"), spec("inflora", rank_per_domain=2)], ["'inflora'", "'ewc' would hold"]),
        ([spec("moe_lora"), spec("ewc")], ["list 'ewc' before 'moe_lora'"]),
        ([spec("merge"), spec("ema")], ["'merge' and 'ema'", "keep one"]),
    ],
)
def test_each_mistake_is_one_sentence_with_its_path(specs, words):
    problems = check_strategies(specs)
    assert len(problems) == 1
    assert [word for word in words if word not in problems[0]] == []


@pytest.mark.parametrize(
    "specs",
    [
        [spec("ewc", strength="auto", units=3), spec("replay"), spec("agem")],
        [spec("ema"), spec("ewc")],
        [spec("cumulative"), spec("from_scratch")],
        [spec("er_ace"), spec("der"), spec("lwf")],
    ],
)
def test_combinations_that_work_are_let_through(specs):
    assert check_strategies(specs) == []


def pipeline(**changes):
    return PipelineConfig(**{"name": "p", "stream": ["xray", "lectures"], **changes})


@pytest.mark.parametrize(
    ("one", "changes", "words"),
    [
        (spec("o_lora", rank_per_domain=9), {}, ["rank_per_domain", "rank 18", "is 16"]),
        (
            spec("o_lora", rank_per_domain=2),
            {"backbone": {"adapter": None}},
            ["strategy.o_lora", "LoRA adapter"],
        ),
        (
            spec("o_lora", rank_per_domain=2),
            {"backbone": {"adapter": {"train_embeddings": True}}},
            ["strategy.o_lora", "train_embeddings: false"],
        ),
        (
            spec("o_lora", rank_per_domain=2),
            {"backbone": {"adapter": {"experts": 4}}},
            ["strategy.o_lora", "experts: null"],
        ),
        (
            spec("inflora", rank_per_domain=2),
            {"backbone": {"adapter": {"kind": "dora"}}},
            ["strategy.inflora", "'dora'", "set kind: lora"],
        ),
        (
            spec("inflora", rank_per_domain=2),
            {"backbone": {"parts": {"vision": {"mode": "full"}}}},
            ["strategy.inflora", "backbone.parts.vision.mode to adapter"],
        ),
        (
            spec("keeplora", rank_per_domain=2),
            {"backbone": {"quantization": {"bits": 4}}},
            ["strategy.keeplora", "quantized ones do not allow"],
        ),
        (spec("moe_lora"), {}, ["strategy.moe_lora", "experts: 4"]),
        (spec("moe_lora"), {"backbone": {"adapter": None}}, ["strategy.moe_lora", "experts: 4"]),
        (
            spec("moe_lora", experts_per_domain=3),
            {"backbone": {"adapter": {"experts": 4}}},
            ["strategy.moe_lora.experts_per_domain", "experts 6", "it is 4"],
        ),
        (spec("cl_moe"), {}, ["strategy.cl_moe", "experts: 4"]),
        (
            spec("cl_moe", chosen_experts=4),
            {"backbone": {"adapter": {"experts": 4}}},
            ["strategy.cl_moe.chosen_experts", "4 of 4 experts"],
        ),
        (
            spec("hide", rank_per_domain=2),
            {"export": ["adapter"]},
            ["strategy.hide", "export: []"],
        ),
        (
            spec("mr_lora", descriptions={"xrays": "radiographs"}),
            {},
            ["strategy.mr_lora.descriptions", "'xrays' is neither"],
        ),
        (
            spec("mr_lora"),
            {"stream": [f"domain-{number}" for number in range(26)]},
            ["strategy.mr_lora", "letters A to Z", "use per_domain"],
        ),
        (spec("per_domain"), {"export": ["adapter"]}, ["strategy.per_domain", "export: []"]),
        (spec("der", never_keep=["xrays"]), {}, ["strategy.der.never_keep", "'xrays'"]),
        (spec("agem", never_keep=["xrays"]), {}, ["strategy.agem.never_keep", "'xrays'"]),
    ],
)
def test_a_strategy_that_does_not_fit_the_pipeline_is_refused(one, changes, words):
    (problem,) = check_strategies([one], pipeline(**changes))
    assert [word for word in words if word not in problem] == []
    assert check_strategies([spec("o_lora", rank_per_domain=8)], pipeline()) == []


def test_all_problems_are_reported_at_once():
    problems = check_strategies([spec("ewc", strenght=1, decay=2), spec("replay", policy="fifo")])
    assert len(problems) == 3


def test_reading_unsound_options_is_an_input_error():
    with pytest.raises(InputError, match=r"strategy\.ewc\.strenght"):
        read_options(spec("ewc", strenght=1))
    assert read_options(spec("replay", memory_samples=7)).memory_samples == 7


@pytest.mark.parametrize("name", list(OPTIONS))
def test_every_strategy_says_when_to_use_it_and_where_it_comes_from(name):
    options = OPTIONS[name]
    assert options.__doc__
    assert options.use
    assert options.paper
    assert options.use.endswith(".")
    missing = [
        key for key, value in options.model_fields.items() if not (value.description or "").strip()
    ]
    assert missing == []


def test_a_strategy_that_is_not_offered_is_refused_with_the_reason():
    (problem,) = check_strategies([spec("icarl")])
    assert problem == f"strategy: 'icarl' is not offered: {EXCLUDED['icarl']}"
    assert not EXCLUDED.keys() & OPTIONS.keys()


def test_every_plugin_is_where_the_registry_says():
    for name in STRATEGIES.names():
        assert callable(STRATEGIES.get(name))


def test_checking_needs_neither_torch_nor_avalanche():
    code = (
        "import sys\n"
        "from transferlab.config.pipeline import StrategySpec\n"
        "from transferlab.continual.options.compatibility import check_strategies\n"
        "import transferlab.continual.options.registry\n"
        "assert check_strategies([StrategySpec(name='ewc')]) == []\n"
        "print(sorted({'torch', 'avalanche'} & sys.modules.keys()))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
