"""The page of `vswin demo` in a real browser; `make test-demo` installs what it needs.

It says what `vswin predict` says, refuses what is too large or no video, asks nothing of other
machines, and leaves nothing behind.
"""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from importlib.util import find_spec
from unittest import mock

import numpy as np
import pytest
import requests

from tests.command import vswin as command
from tests.using.test_exporting import SWIN, saved
from tests.videos import moving, write_video

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
LACKING = [name for name in ("gradio", "playwright") if find_spec(name) is None]
LACKING += [] if CHROMIUM else ["chromium"]
in_a_browser = pytest.mark.skipif(bool(LACKING), reason=f"needs {', '.join(LACKING)}")


def test_without_gradio_the_command_says_what_installs_it():
    with mock.patch.dict(sys.modules, {"gradio": None}):
        done = command("demo", "-w", "weights.pth")
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "error: this needs gradio, which is not installed: "
        "pip install 'gradio>=6.0,<7' 'matplotlib>=3.9'"
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Weights, names, a video, a file that is none, and one that is too large."""
    path = tmp_path_factory.mktemp("demo")
    saved(path / "swin.pth", "swin_t", **SWIN)
    (path / "names.txt").write_text("run\nsit\n<b>walk</b>\njump\nfall\n")
    write_video(path / "video.mp4", moving(20))
    (path / "damaged.mp4").write_bytes(b"no video")
    (path / "large.mp4").write_bytes(np.random.default_rng(0).bytes(1_100_000))
    (path / "tmp").mkdir()
    return path


def arguments(folder):
    weights = ("-w", folder / "swin.pth", "--classes", folder / "names.txt")
    return [*map(str, (*weights, "--frames", 4, "--size", 32, "--views", "2x3", "--top", 3))]


@pytest.fixture(scope="module")
def address(folder):
    """Of the command in a process of its own, whose temporary files are in folder / tmp."""
    words = [sys.executable, "-m", "vswin", "demo", *arguments(folder), "--max-mb", "1"]
    env = os.environ | {"TMPDIR": str(folder / "tmp")}
    env |= {"http_proxy": "http://127.0.0.1:9"}  # where nobody answers
    with (
        subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=env) as process,
        contextlib.ExitStack() as stack,
    ):
        stack.callback(process.kill)
        line = process.stdout.readline()
        yield re.fullmatch(r"(http://127.0.0.1:\d+/)  \(Ctrl-C ends it\)\n", line)[1]
        process.send_signal(signal.SIGTERM)
        assert process.wait(300) == 0
    assert not list((folder / "tmp").iterdir())


def kept(folder):
    """Files that uploads left behind."""
    return [path for path in (folder / "tmp").rglob("*") if path.is_file()]


@in_a_browser
def test_a_video_is_answered_and_removed(folder, address):
    from playwright.sync_api import sync_playwright

    done = command("predict", folder / "video.mp4", *arguments(folder), "--json")
    expected = [(each["class"], f"{100 * each['score']:.0f}%") for each in json.loads(done.stdout)]
    asked = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page()
        page.set_default_timeout(120_000)
        page.on("request", lambda request: asked.append(request.url))
        page.goto(address)
        page.set_input_files("input[type=file]", folder / "video.mp4")
        page.wait_for_selector("img[alt^='Grad-CAM on the last stage for ']")
        width = page.evaluate("document.querySelector('img[alt^=Grad-CAM]').naturalWidth")
        lines = page.get_by_test_id("label-output-value").inner_text()
        shown = page.locator(".confidence-set").all_inner_texts()
        assert width == 64
        assert lines == expected[0][0]
        assert [tuple(filter(str.strip, text.split("\n"))) for text in shown] == expected
        assert not kept(folder)
        page.set_input_files("input[type=file]", folder / "damaged.mp4")
        alert = page.wait_for_selector("p[role=alert]").inner_text()
        assert alert.startswith("This cannot be read as a video: ")
        assert not kept(folder)
        page.set_input_files("input[type=file]", folder / "large.mp4")
        page.wait_for_selector(".toast-body.error")
        browser.close()
    assert {url.split("/")[2] for url in asked if url.startswith("http")} == {address.split("/")[2]}
    assert not kept(folder)


@in_a_browser
def test_what_is_too_large_is_refused_by_the_server_itself(folder, address):
    with (folder / "large.mp4").open("rb") as file:
        answer = requests.post(f"{address}gradio_api/upload", files={"files": file}, timeout=60)
    assert answer.status_code == 413
    assert not kept(folder)


@in_a_browser
def test_only_this_machine_is_served_and_a_port_once(folder, address):
    port = int(address.rstrip("/").rpartition(":")[2])
    with pytest.raises(ConnectionRefusedError):  # as of all but 127.0.0.1
        socket.create_connection(("127.0.0.2", port), timeout=10)
    done = command("demo", *arguments(folder), "--port", port)
    assert done.returncode == 2
    assert f"port {port} is taken or barred; choose another with --port" in done.stderr
