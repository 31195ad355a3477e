"""Identifiers planted in elements, notes, file names and pixels' flags; nothing left of them.

Register, check, preview, run and export a small hospital as a user would, start the interface, then
search every byte that these left behind, and every address that they looked for.
"""

import csv
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import numpy as np
import pytest
import yaml

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests" / "unit" / "domain"))

from domain_cases import write_dicom  # noqa: E402

from transferlab.core.telemetry import SWITCHES  # noqa: E402

pytestmark = pytest.mark.integration

KEY = "a-key-that-is-itself-not-to-be-found-anywhere"
SURNAMES = ["Featherstonehaugh", "Zbigniewska", "Oyelaran", "Lindqvist"]
STREETS = ["12 Quagmire Lane, Oxford, OX1 4AH"]
PHONE = "(555) 212-4411"
DOCTOR = "Ravensworth"
HOSPITAL = "Hildegard Infirmary"
PATIENTS = 24
WATCH = """
import ipaddress, sys

def is_near(host):
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host in (None, "", "localhost")
    return address.is_loopback or address.is_unspecified

def watch(event, arguments):
    if event in ("socket.getaddrinfo", "socket.gethostbyname"):
        host = arguments[0]
    elif event in ("socket.connect", "socket.sendto") and isinstance(arguments[-1], tuple):
        host = arguments[-1][0]
    else:
        return
    host = host.decode() if isinstance(host, bytes) else host
    if not is_near(host):
        with open(LOG, "a") as file:
            print(event, host, *sys.argv, file=file)

sys.addaudithook(watch)
"""
"""What every process does when it starts: note each host outside that is looked for."""


def write_watch(folder, log):
    """A folder for PYTHONPATH by which Python's processes note in ``log`` whom they look for."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(f"LOG = {str(log)!r}\n{WATCH}")
    return folder


def patient(number):
    surname = SURNAMES[number % len(SURNAMES)]
    return {
        "PatientName": f"{surname}^Ottoline",
        "PatientID": f"MRN77345{number:02d}",
        "PatientBirthDate": "19610304",
        "AccessionNumber": f"ACC99812{number:02d}",
        "StudyDate": "20240229",
        "StudyInstanceUID": f"1.2.826.0.1.99887766.{number}",
        "ReferringPhysicianName": f"{DOCTOR}^Kasimir",
        "InstitutionName": HOSPITAL,
        "StudyDescription": f"Call {DOCTOR}",
        "PatientComments": f"lives at {STREETS[0]}",
    }


def planted():
    found = {*SURNAMES, "Ottoline", "Kasimir", DOCTOR, HOSPITAL, "Hildegard", "Quagmire", KEY}
    found |= {"212-4411", "19610304", "20240229", "02/29/2024", "99887766", "MRN77345", "ACC99812"}
    return found


def write_data(folder):
    rows = []
    for number in range(PATIENTS):
        own = patient(number)
        surname = own["PatientName"].partition("^")[0]
        path = folder / "pacs" / f"{surname} Ottoline" / own["PatientID"]
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 256, (32, 32), np.uint8)
        flag = {"BurnedInAnnotation": "YES" if number == 5 else "NO"}
        write_dicom(path, pixels, **own, **flag)
        if number == 6:
            path.write_bytes(path.read_bytes()[:-200])
        rows.append(
            {
                "accession": own["AccessionNumber"],
                "finding": ["normal", "nodule"][number // 2 % 2],
                "report": f"{surname.upper()}, Ottoline (MRN {own['PatientID']}), seen by Dr. "
                f"{DOCTOR} on 02/29/2024, lives at {STREETS[0]}. Heart size is normal, finding "
                f"number {number}. Call {PHONE} with questions.",
            }
        )
    with (folder / "reports.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture(scope="module")
def left(tmp_path_factory):
    """The folder in which everything was left, and what each command returned."""
    pytest.importorskip("presidio_analyzer", reason="the extra 'privacy' is not installed")
    pytest.importorskip("rapidocr", reason="the extra 'privacy' is not installed")
    data = tmp_path_factory.mktemp("data") / "hospital"
    write_data(data)
    cwd = tmp_path_factory.mktemp("left")
    watch = write_watch(tmp_path_factory.mktemp("watch") / "site", cwd / "network.txt")
    places = {
        "HOME": "home",
        "XDG_CACHE_HOME": "home/.cache",
        "TRANSFERLAB_HOME": "home/.transferlab",
        "TRANSFERLAB_CACHE": "cache",
        "TMPDIR": "tmp",
        "MPLCONFIGDIR": "mpl",
    }
    for name in places.values():
        (cwd / name).mkdir(parents=True, exist_ok=True)
    # MLflow, for one, is silent in tests and on CI machines: here it must be told.
    tested = ("PYTEST", "CI", "GITHUB", *SWITCHES)
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith(tested)},
        **{key: str(cwd / name) for key, name in places.items()},
        "PYTHONPATH": os.pathsep.join([str(watch), str(ROOT)]),
        "TRANSFERLAB_PRIVACY_KEY": KEY,
    }

    def call(*arguments, name):
        done = subprocess.run(
            [sys.executable, "-m", "transferlab", *arguments],
            cwd=cwd, env=environment, capture_output=True, text=True, timeout=900,
        )  # fmt: skip
        (cwd / f"{name}.log").write_text(done.stdout + done.stderr)
        return done

    calls = {"register": call("domains", "register", str(data), name="register")}
    file = cwd / "home" / ".transferlab" / "domains" / "hospital" / "domain.yaml"
    content = yaml.safe_load(file.read_text())
    content["privacy"] = {"dicom": "deidentify", "text": "scrub"}
    file.write_text(yaml.safe_dump(content))
    (cwd / "p.yaml").write_text(yaml.safe_dump(pipeline()))
    calls["check"] = call("domains", "check", "hospital", "--json", name="check")
    calls["preview"] = call("domains", "preview", "hospital", "--out", "page.html", name="preview")
    calls["run"] = call("run", "p.yaml", "--out", "out", name="run")
    calls["export"] = call("export", "out", "--to", "exported", name="export")
    calls["ui"] = start_ui(cwd, environment)
    return cwd, calls


def start_ui(cwd, environment):
    """Start the interface, ask it for its page, and end it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with (cwd / "ui.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "transferlab", "ui", "--port", str(port)],
            cwd=cwd, env=environment, stdout=log, stderr=log,
        )  # fmt: skip
    try:
        for _ in range(240):
            try:
                with urlopen(f"http://127.0.0.1:{port}/", timeout=20) as answer:
                    status = answer.status
                break
            except URLError:
                time.sleep(0.5)
        else:
            status = None
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
    return status


def pipeline():
    return {
        "name": "private",
        "stream": ["hospital"],
        "strategy": [{"replay": {"memory_samples": 4}}],
        "arms": ["zero_shot"],
        "backbone": {"adapter": {"kind": "lora", "rank": 2}},
        "data": {"on_bad_sample": "quarantine", "max_train_samples": 8},
        "train": {"epochs": 1, "max_steps": 2, "batch_samples": 4},
        "evaluation": {"max_test_samples": 2, "bootstrap_samples": 20, "max_new_tokens": 2},
        "export": ["adapter"],
    }


def test_every_command_did_its_work(left):
    cwd, calls = left
    assert calls["preview"].returncode == calls["run"].returncode == 0, calls["run"].stderr
    assert calls["check"].returncode == 3  # the two planted bad files
    assert "burned_in" in calls["check"].stdout or "BurnedInAnnotation" in calls["check"].stdout
    result = (cwd / "out" / "result.json").read_text()
    assert "BurnedInAnnotation is YES" in result
    assert "truncated" in result
    assert '"date"' in result  # what was removed is counted by kind
    page = (cwd / "page.html").read_text()
    assert "Heart size is normal" in page
    assert "[date]" in page


def test_nothing_planted_is_found_in_anything_left(left):
    cwd, _ = left
    files = [path for path in cwd.rglob("*") if path.is_file()]
    names = {path.suffix for path in files} | {path.name for path in files}
    assert {".db", ".safetensors", ".html", ".log", "result.json"} <= names
    found = []
    for path in files:
        content = path.read_bytes().lower()
        name = str(path.relative_to(cwd)).lower()
        found += [
            f"{word} in {path.relative_to(cwd)}"
            for word in planted()
            if word.lower().encode() in content or word.lower() in name
        ]
    assert found == []


def test_nobody_outside_is_looked_for_and_nothing_is_kept_to_be_sent(left):
    cwd, calls = left
    assert calls["export"].returncode == 0, calls["export"].stderr
    assert calls["ui"] == 200, (cwd / "ui.log").read_text()
    assert not (cwd / "network.txt").exists(), (cwd / "network.txt").read_text()
    # ONNX Runtime sends from native code, out of a queue beside a number of this machine.
    kept = [path for path in (cwd / "home").rglob("*") if path.name in ("deviceid", "Microsoft")]
    assert kept == []


def test_the_watch_sees_who_looks_for_a_host(tmp_path):
    watch = write_watch(tmp_path / "site", tmp_path / "log")
    script = """
import contextlib, socket
for host in ("localhost", "telemetry.invalid"):
    with contextlib.suppress(OSError):
        socket.getaddrinfo(host, 80)
"""
    subprocess.run(
        [sys.executable, "-c", script], env={**os.environ, "PYTHONPATH": str(watch)}, check=True
    )
    assert (tmp_path / "log").read_text().splitlines() == [
        "socket.getaddrinfo telemetry.invalid -c"
    ]
