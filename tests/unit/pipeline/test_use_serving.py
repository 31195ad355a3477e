"""A whole model behind transformers' own server."""

import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from transferlab.config.backbone import BackboneSection
from transferlab.errors import EnvironmentProblem, InputError, MissingExtra
from transferlab.pipeline.use import serving
from transferlab.pipeline.use.opening import NamedModel


@pytest.fixture
def whole(tmp_path):
    section = BackboneSection(model=str(tmp_path), adapter=None, device="cpu", dtype="bfloat16")
    return NamedModel(section=section, adapter=None)


@pytest.fixture
def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def installed(monkeypatch):
    monkeypatch.setattr(serving, "find_spec", lambda name: object())


def test_only_this_machine_is_served_and_in_the_models_precision(whole, tmp_path):
    command = serving.command(whole, 8001)
    assert command[:3] == [
        str(Path(sys.executable).with_name("transformers")), "serve", str(tmp_path.resolve()),
    ]  # fmt: skip
    assert command[command.index("--host") + 1] == "127.0.0.1"
    assert command[command.index("--port") + 1] == "8001"
    assert command[command.index("--dtype") + 1] == "bfloat16"
    assert "--trust-remote-code" not in command


def test_an_adapter_is_refused(whole, tmp_path, free_port):
    named = NamedModel(section=whole.section, adapter=tmp_path)
    with pytest.raises(InputError, match="is an adapter"):
        serving.serve(named, free_port, tell=print)


def test_what_is_missing_is_named(whole, free_port, monkeypatch):
    monkeypatch.setattr(serving, "find_spec", lambda name: None if name == "openai" else object())
    with pytest.raises(MissingExtra, match=r"needs openai: pip install 'transferlab\[serving\]'"):
        serving.serve(whole, free_port, tell=print)


def test_a_taken_port_is_one_sentence(whole, installed):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(EnvironmentProblem, match="choose another --port"):
            serving.serve(whole, taken.getsockname()[1], tell=print)


def test_a_command_that_is_not_there_is_one_sentence(whole, installed, free_port, monkeypatch):
    monkeypatch.setattr(serving, "command", lambda *_: ["/nowhere/transformers", "serve", "m"])
    with pytest.raises(EnvironmentProblem, match="is not there"):
        serving.serve(whole, free_port, tell=print)


def test_ctrl_c_stops_the_server_and_is_no_error(whole, installed, free_port, monkeypatch, capsys):
    started, start = [], subprocess.Popen

    def popen(command, **options):
        started.append(start(command, **options))
        return started[0]

    sleeper = [sys.executable, "-c", "import time; time.sleep(600)"]
    monkeypatch.setattr(serving, "command", lambda *_: sleeper)
    monkeypatch.setattr(serving.subprocess, "Popen", popen)

    def stop():
        while not started:
            time.sleep(0.01)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    threading.Thread(target=stop).start()
    assert serving.serve(whole, free_port, tell=print) == 0
    assert started[0].poll() is not None
    assert f"http://127.0.0.1:{free_port}/v1" in capsys.readouterr().out
