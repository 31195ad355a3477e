"""Strategies of Avalanche that make no sense for a generative multimodal LLM, and why."""

_CLASS_HEAD = "it changes the rows of a classifier's last layer, and an MLLM answers in tokens"
_PROTOTYPES = (
    "it classifies by the nearest class mean in feature space, and an MLLM answers in tokens"
)

EXCLUDED: dict[str, str] = {
    "cwr_star": f"{_CLASS_HEAD}; use ewc or l2",
    "ar1": f"{_CLASS_HEAD}; use si with replay",
    "bic": "it corrects the class scores of a classifier's last layer, and an MLLM answers in "
    "tokens; use replay",
    "icarl": f"{_PROTOTYPES}; use replay with policy: herding",
    "slda": "it fits a linear classifier on frozen features, so that nothing would be adapted",
    "cope": f"{_PROTOTYPES}; use replay with policy: closest_to_centre",
    "update_ncm": _PROTOTYPES,
    "update_fecam": _PROTOTYPES,
    "scr": "it learns class means by contrast between classes, and an MLLM answers in tokens; use "
    "er_ace",
    "er_aml": "it contrasts features of samples of one class, and answers of many tokens have no "
    "one class; use er_ace",
    "generative_replay": "it trains a generator of inputs, and one of radiographs or videos would "
    "be a larger problem than the model; use self_distillation",
    "feature_replay": "it replays features of a layer below which everything is frozen, and "
    "adapters sit in every layer; use replay",
    "rar": "it perturbs pixels towards a class boundary, which an answer in tokens does not have; "
    "use mir",
    "la_maml": "it differentiates through optimizer steps, which keeps several graphs of the "
    "backbone in memory; use agem",
    "mer": "it takes one optimizer step per sample; use replay",
    "l2p": "Avalanche's version is bound to its own vision transformer and a class head; prompts "
    "would be an adapter kind of the backbone",
    "expert_gate": "Avalanche's version is bound to AlexNet features and one network per domain",
}
"""By Avalanche's name in lower case."""
