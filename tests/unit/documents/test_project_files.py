"""Files for people and programs outside the package: citation, container, forms of issues."""

import os
import re
import subprocess
import tomllib

import pytest
from pages import ROOT

from transferlab import __version__
from transferlab.config.yaml_text import parse_yaml

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")


def read_yaml(path):
    parsed = parse_yaml(path.read_text("utf-8"))
    assert not parsed.problems
    return parsed.value


def instructions(kind: str) -> list[str]:
    """What follows a word such as RUN, its lines joined as docker joins them."""
    lines = [line for line in DOCKERFILE.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n", " ", "\n".join(lines))
    return [
        line.removeprefix(kind).strip() for line in joined.splitlines() if line.startswith(kind)
    ]


def test_the_citation_is_of_this_version():
    citation = read_yaml(ROOT / "CITATION.cff")
    assert citation["version"] == __version__
    assert citation["license"] == PROJECT["project"]["license"]
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()
    assert citation["authors"] == PROJECT["project"]["authors"]


def test_the_image_gets_all_that_the_wheel_is_built_of():
    copied = {word for line in instructions("COPY") for word in line.split()[:-1]}
    assert [one for one in copied if not (ROOT / one).exists()] == []
    wheel = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = {*wheel["packages"], *wheel["force-include"], PROJECT["project"]["readme"]}
    assert needed | {"pyproject.toml", *PROJECT["project"]["license-files"]} <= copied
    kept = {
        line.removeprefix("!")
        for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines()
        if line.startswith("!")
    }
    assert copied <= kept, "docker's context leaves out what the Dockerfile copies"


def test_the_image_runs_without_rights():
    order = [line.split()[0] for line in DOCKERFILE.splitlines() if re.match(r"[A-Z]+ ", line)]
    (user,) = instructions("USER")
    assert user not in ("root", "0")
    assert any(f"useradd --create-home --uid 1000 {user}" in one for one in instructions("RUN"))
    assert order.index("USER") > max(at for at, word in enumerate(order) if word == "RUN")
    assert instructions("ENTRYPOINT") == ['["transferlab"]'], "as a list: signals reach the process"


@pytest.fixture
def install(tmp_path):
    """``install(DEVICE="cpu")``: the install steps, with a pip that only says its arguments."""
    (tmp_path / "pip").write_text('#!/bin/sh\necho "$@"\n')
    (tmp_path / "pip").chmod(0o755)
    (tmp_path / "constraints.txt").write_text((ROOT / "constraints.txt").read_text("utf-8"))
    steps = [re.sub(r"&& rm -rf /src/\*", "", one) for one in instructions("RUN") if "pip" in one]

    def run(**arguments):
        done = subprocess.run(
            ["sh", "-ec", "\n".join(steps)],
            cwd=tmp_path,
            env={"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}", **arguments},
            capture_output=True,
            text=True,
        )
        return done.returncode, done.stdout.splitlines(), done.stderr

    return run


@pytest.mark.parametrize(("device", "cpu_only"), [("cpu", True), ("cuda", False)])
def test_torch_is_that_of_the_constraints_for_the_device(install, device, cpu_only):
    code, (torch, package), error = install(DEVICE=device, EXTRAS="privacy,timm")
    assert (code, error) == (0, "")
    pinned = re.findall(r"^torch(?:vision)?==.*$", (ROOT / "constraints.txt").read_text(), re.M)
    assert len(pinned) == 2
    assert torch.split()[-2:] == pinned
    assert ("/whl/cpu" in torch) == cpu_only
    assert package == "install -c constraints.txt .[privacy,timm]"


def test_a_wrong_device_stops_the_build(install):
    code, said, error = install(DEVICE="tpu", EXTRAS="")
    assert (code, said, error.strip()) == (2, [], "DEVICE is cpu or cuda, not tpu")


def test_without_extras_the_package_alone_is_installed(install):
    _, said, _ = install(DEVICE="cpu", EXTRAS="")
    assert said[-1] == "install -c constraints.txt ."


FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))


def test_there_are_forms():
    assert [form.name for form in FORMS] == ["bug.yml", "config.yml", "feature.yml"]


@pytest.mark.parametrize("form", [one for one in FORMS if one.name != "config.yml"], ids=str)
def test_a_form_is_one(form):
    content = read_yaml(form)
    assert {"name", "description", "body"} <= content.keys()
    fields = [one for one in content["body"] if one["type"] != "markdown"]
    assert {one["type"] for one in fields} <= {"textarea", "input", "dropdown", "checkboxes"}
    ids = [one["id"] for one in fields]
    assert len(set(ids)) == len(ids) > 1
    assert all(one["attributes"]["label"] for one in fields)
