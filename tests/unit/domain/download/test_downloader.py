"""Downloads against a server on this machine that breaks off, lies and sends traps."""

import hashlib
import io
import random
import re
import tarfile
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from transferlab.config.domain import ArchiveSection
from transferlab.domain.download import downloader as module
from transferlab.domain.download.downloader import fetch
from transferlab.errors import DataError

pytestmark = pytest.mark.timeout(60)


class Server(ThreadingHTTPServer):
    """Serves ``files`` by name; ``breaks`` bytes per answer, ``ranges`` whether it knows them."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.breaks, self.ranges, self.asked = {}, None, True, []

    def url(self, name):
        return f"http://127.0.0.1:{self.server_port}/{name}"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append(self.headers.get("Range"))
        content = self.server.files.get(self.path.strip("/"))
        if content is None:
            self.send_error(404)
            return
        wanted = re.match(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(wanted[1]) if wanted and self.server.ranges else 0
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        self.wfile.write(content[start:][: self.server.breaks])

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(module, "_PAUSE_SECONDS", 0)
    running = Server()
    thread = threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield running
    running.shutdown()
    running.server_close()


def zipped(**files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return buffer.getvalue()


def tarred(*members):
    """Of (TarInfo, bytes) pairs."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for info, content in members:
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def section(server, name, content, **changes):
    server.files[name] = content
    settings = {
        "url": server.url(name),
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "unpacked_bytes": 1_000_000,
    }
    return ArchiveSection.model_validate(settings | changes)


def bring(one, root):
    told = []
    done = fetch(one, root, progress=lambda there, whole: told.append((there, whole)))
    return done, told


def left_over(root):
    return sorted(path.name for path in root.rglob("*") if path.name.startswith("."))


def test_an_archive_is_fetched_verified_unpacked_and_not_fetched_again(server, tmp_path):
    content = zipped(**{"images/a.png": "A", "list.csv": "x\n"})
    one = section(server, "set.zip", content, to="pack")
    done, told = bring(one, tmp_path)
    assert done
    assert told[-1] == (len(content), len(content))
    assert (tmp_path / "pack" / "images" / "a.png").read_text() == "A"
    assert left_over(tmp_path) == [".fetched"]
    assert bring(one, tmp_path) == (False, [])
    assert len(server.asked) == 1


def test_a_file_that_is_no_archive_is_kept_as_it_is(server, tmp_path):
    bring(section(server, "list.csv", b"a,b\n"), tmp_path)
    assert (tmp_path / "list.csv").read_bytes() == b"a,b\n"


@pytest.mark.parametrize("ranges", [True, False])
def test_a_broken_connection_is_taken_up_where_it_broke(server, tmp_path, ranges):
    content = bytes(range(256)) * 400
    one = section(server, "data.bin", content)
    server.breaks, server.ranges = 30_000, ranges
    if ranges:
        bring(one, tmp_path)
        assert (tmp_path / "data.bin").read_bytes() == content
        assert server.asked == [None, "bytes=30000-", "bytes=60000-", "bytes=90000-"]
    else:
        with pytest.raises(DataError, match="5 attempts in a row brought nothing"):
            bring(one, tmp_path)


def test_an_interrupted_command_goes_on(server, tmp_path):
    content = bytes(range(256)) * 400
    one = section(server, "data.bin", content)
    (tmp_path / f".{one.sha256[:16]}.partial").write_bytes(content[:50_000])
    bring(one, tmp_path)
    assert server.asked == ["bytes=50000-"]
    assert (tmp_path / "data.bin").read_bytes() == content


WRONG = {
    "digest": ({"sha256": "0" * 64}, "its SHA-256 is"),
    "smaller": ({"bytes": 10}, "is larger than the 10 bytes"),
    "larger": ({"bytes": 10_000}, "5 attempts in a row"),
}


@pytest.mark.parametrize("case", WRONG)
def test_another_file_than_domain_yaml_says(server, tmp_path, case):
    changes, says = WRONG[case]
    one = section(server, "set.zip", zipped(a="x" * 500), **changes)
    with pytest.raises(DataError, match=says):
        bring(one, tmp_path)
    assert not (tmp_path / "a").exists()


def test_an_address_that_is_not_there(server, tmp_path):
    one = section(server, "set.zip", b"x")
    server.files.clear()
    with pytest.raises(DataError, match="the server answers 404"):
        bring(one, tmp_path)


def link(name, target, kind=tarfile.SYMTYPE):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info, b""


NOISE = random.Random(0).randbytes(20_000)
TRAPS = {
    "zip out": ("t.zip", lambda: zipped(**{"../../evil": "x"}), "outside its folder"),
    "zip absolute": ("t.zip", lambda: zipped(**{"/tmp/evil": "x"}), "outside its folder"),
    "zip backslash": ("t.zip", lambda: zipped(**{"..\\..\\evil": "x"}), "outside its folder"),
    "zip bomb": ("t.zip", lambda: zipped(big="0" * 5_000_000), "more than the 1,000,000 bytes"),
    "tar out": (
        "t.tgz",
        lambda: tarred((tarfile.TarInfo("../evil"), b"x")),
        "outside its folder",
    ),
    "tar link": (
        "t.tgz",
        lambda: tarred(link("d", ".."), (tarfile.TarInfo("d/evil"), b"x")),
        "a link or a device",
    ),
    "tar hard link": (
        "t.tgz",
        lambda: tarred(link("d", "/etc/passwd", tarfile.LNKTYPE)),
        "a link or a device",
    ),
    "tar bomb": (
        "t.tgz",
        lambda: tarred((tarfile.TarInfo("big"), b"0" * 5_000_000)),
        "more than the 1,000,000 bytes",
    ),
    "no archive": ("t.zip", lambda: b"hello", "is damaged or no such archive"),
    "cut tar": ("t.tgz", lambda: tarred((tarfile.TarInfo("a"), NOISE))[:9_000], "is damaged"),
}


@pytest.mark.parametrize("case", TRAPS)
def test_a_trap_leaves_nothing_behind(server, tmp_path, case):
    name, content, says = TRAPS[case]
    root = tmp_path / "deep" / "root"
    with pytest.raises(DataError, match=says):
        bring(section(server, name, content()), root)
    assert [path for path in tmp_path.rglob("*") if "evil" in path.name or path.name == "big"] == []
    assert left_over(root) == []


def test_a_killed_unpacking_is_cleaned_up_by_the_next(server, tmp_path):
    (tmp_path / ".unpacking-0123").mkdir()
    (tmp_path / ".unpacking-0123" / "half").write_text("x")
    bring(section(server, "t.zip", zipped(a="text")), tmp_path)
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".unpacking")]


@pytest.mark.parametrize("name", ["t.zip?token=hush", "t.zip?sig=hush&se=1"])
def test_no_token_of_an_address_is_said(server, tmp_path, name):
    one = section(server, "t.zip", b"x").model_copy(update={"url": server.url(f"no-{name}")})
    with pytest.raises(DataError, match="the server answers 404") as caught:
        bring(one, tmp_path)
    assert "hush" not in str(caught.value)


def test_what_is_there_is_not_written_over(server, tmp_path):
    (tmp_path / "a").write_text("mine")
    with pytest.raises(DataError, match="is there already"):
        bring(section(server, "t.zip", zipped(a="theirs")), tmp_path)
    assert (tmp_path / "a").read_text() == "mine"


@pytest.mark.parametrize(
    "changes",
    [
        {"url": "file:///etc/passwd"},
        {"url": "https://x.org/"},
        {"sha256": "abc"},
        {"to": "../x"},
        {"to": "/x"},
    ],
)
def test_settings_that_cannot_be_right(changes):
    sound = {"url": "https://x.org/a.zip", "bytes": 1, "sha256": "0" * 64, "unpacked_bytes": 1}
    ArchiveSection.model_validate(sound)
    with pytest.raises(ValueError, match=next(iter(changes))):
        ArchiveSection.model_validate(sound | changes)
