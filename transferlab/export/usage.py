"""The code on a model card that asks the model one of its domain's questions."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

EMBEDDED = "transferlab/tiny"
_MARK = re.compile(r"<([A-Za-z_]\w*)>")
"""A medium in a prompt's template."""
COLUMN = re.compile(r"\{([^{}]+)\}")
MAX_NEW_TOKENS = 48
_ASK_FREELY = """\
inputs = processor.apply_chat_template(
    turns, add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt"
)
with torch.no_grad():
    written = model.generate(**inputs, max_new_tokens={tokens}, do_sample=False)
print(processor.decode(written[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True))
"""
_ASK_CLOSED = """\
how = {"tokenize": True, "return_dict": True, "return_tensors": "pt"}
inputs = processor.apply_chat_template(turns, add_generation_prompt=True, **how)
start, end = inputs["input_ids"].shape[1], model.generation_config.eos_token_id
ends = end if isinstance(end, list) else [end]


def log_likelihood(choice):
    answer = {"role": "assistant", "content": [{"type": "text", "text": choice}]}
    whole = processor.apply_chat_template([*turns, answer], **how)
    with torch.no_grad():
        scores = model(**whole).logits[0, start - 1 :].float().log_softmax(-1)
    total = 0.0
    for position, token in enumerate(whole["input_ids"][0, start:].tolist()):
        total += scores[position, token].item()
        if token in ends:
            break
    return total


print(max(question["choices"], key=log_likelihood))
"""


def usage(backbone: Mapping[str, Any], *, kind: str, prompts: Mapping[str, Any]) -> str:
    """The section of a card: code that loads the model and asks it a question about a picture.

    Args:
        backbone: the section of the pipeline.
        kind: the format: "adapter", "mlflow", or another of whole models.
        prompts: by domain and task, how it was asked; the first task that shows one medium is
            taken. Where there is none, the code ends with the model.
    """
    found = next(_questions(prompts), None)
    if kind == "mlflow":
        return _with_mlflow(found)
    code = _loading(backbone, adapter=kind == "adapter")
    proof = _proof(backbone.get("quantization") if kind == "adapter" else None)
    if found is None:
        return f"## How to load it\n\n```python\n{code}```\n\n{proof}"
    domain, task, question = found
    code = "import json\n\nimport torch\nfrom PIL import Image\n" + code
    code += _asking(domain, task, question)
    return (
        f"## How to ask it\n\n```python\n{code}```\n\n"
        "How the model was asked, by domain and task, stands in `prompts.json`: the template of "
        "the prompt, and the choices among which it answered. DICOM files and films: "
        "`transferlab predict`, which reads them as training did.\n\n" + proof
    )


def _proof(quantization: Mapping[str, Any] | None) -> str:
    """How the export was compared; the code loads whole weights, which are not always the same."""
    if quantization is None:
        return (
            "Before it was exported, it was loaded in this way, and its logits were compared with "
            "the trained model's."
        )
    return (
        f"**The adapter was trained beside weights in {quantization['bits']} bits "
        f"({quantization['library']}), and its logits were compared beside such weights before it "
        "was exported.** The code above loads whole ones, beside which it may answer otherwise: "
        "`transferlab predict` loads the backbone as it was trained."
    )


def _with_mlflow(found: tuple[str, str, Mapping[str, Any]] | None) -> str:
    row: dict[str, str] = {"path": "picture.png", "prompt": "What does it show?"}
    if found is not None:
        domain, task, question = found
        row = {"path": "picture.png", "domain": domain, "task": task}
        row |= dict.fromkeys(COLUMN.findall(question["prompt"]), "...")
    return (
        "## How to ask it\n\n```python\nimport mlflow\nimport pandas\n\n"
        'model = mlflow.pyfunc.load_model("path/to/this/folder")\n'
        f"row = {json.dumps(row, ensure_ascii=False)}\n"
        'print(model.predict(pandas.DataFrame([row]))[0]["answer"])\n```\n\n'
        "A row has `path`, or `medium`: the bytes of a picture, DICOM file or film, the same in "
        "base64, or an array; and `task`, or `prompt` with `choices` if one is to be chosen. "
        "`mlflow models serve` answers such rows too. Before it was exported, another process "
        "loaded it in this way, and the logits of the model inside were compared with the trained "
        "model's."
    )


def base_name(model: str) -> str:
    """A Hugging Face id as it is; of a local path the last part only."""
    return model.rstrip("/").rpartition("/")[2] if model.startswith(("/", "~", ".")) else model


def _loading(backbone: Mapping[str, Any], *, adapter: bool) -> str:
    dtype = backbone.get("dtype") or "float32"
    options = "" if dtype == "float32" else f', dtype="{dtype}"'
    imports = "from transformers import AutoModelForImageTextToText, AutoProcessor\n"
    head = 'folder = "path/to/this/folder"\nprocessor = AutoProcessor.from_pretrained(folder)\n'
    if not adapter:
        return (
            f"{imports}\n{head}"
            f"model = AutoModelForImageTextToText.from_pretrained(folder{options}).eval()\n"
        )
    if backbone["model"] == EMBEDDED:
        imports += "\nfrom transferlab.tiny import assets  # the base ships with transferlab\n"
        base = "str(assets())"
    else:
        base = json.dumps(base_name(backbone["model"]))
        if backbone.get("revision"):
            options += f", revision={json.dumps(backbone['revision'])}"
    return (
        f"from peft import PeftModel\n{imports}\n{head}base = {base}\n"
        f"model = AutoModelForImageTextToText.from_pretrained(base{options})\n"
        "model = PeftModel.from_pretrained(model, folder).eval()\n"
    )


def _questions(prompts: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Domain, task and question of those that show one medium and can be put in one picture, with
    choices that are not each sample's own."""
    for domain, tasks in prompts.items():
        for task, question in tasks.items():
            shows_one = len(_MARK.findall(question.get("prompt") or "")) == 1
            closed = question["kind"] != "classify" or question.get("choices")
            if shows_one and closed and question["kind"] != "retrieve":
                yield domain, task, question


def _asking(domain: str, task: str, question: Mapping[str, Any]) -> str:
    (mark,) = _MARK.findall(question["prompt"])
    columns = list(dict.fromkeys(COLUMN.findall(question["prompt"])))
    lines = [
        f'\nquestion = json.load(open(f"{{folder}}/prompts.json", encoding="utf-8"))'
        f"[{json.dumps(domain)}][{json.dumps(task)}]",
        'prompt = question["prompt"]',
        *(
            # The name is a stranger's: as JSON it is a literal of Python, and nothing else.
            f'prompt = prompt.replace({json.dumps(f"{{{column}}}")}, "...")  # of your case'
            for column in columns
        ),
        f'before, after = prompt.split("<{mark}>")',
        'picture = Image.open("picture.png").convert("RGB")',
        'content = [{"type": "text", "text": before}] if before else []',
        'content += [{"type": "image", "image": picture}, {"type": "text", "text": after}]',
        'turns = [{"role": "user", "content": content}]',
    ]
    ask = (
        _ASK_CLOSED
        if question.get("choices")
        else _ASK_FREELY.replace("{tokens}", str(MAX_NEW_TOKENS))
    )
    return "\n".join(lines) + "\n" + ask
