"""Downloads against a server on this machine: what arrives, what is refused, what is kept."""

import hashlib
import os
import resource
import sys
import threading

import pytest

from vswin.errors import UsageError
from vswin.extras import MissingExtraError
from vswin.files import NotWritableError
from vswin.models.errors import WeightsError
from vswin.weights import http, local
from vswin.weights.download import download, mirrored
from vswin.weights.http import DownloadError
from vswin.weights.published import PublishedFile, find

NAME = "model.safetensors"


def content(size=600_000, seed=0):
    """Bytes that begin as a file of safetensors does."""
    return (2).to_bytes(8, "little") + b"{}" + bytes([seed]) + os.urandom(size)


def of(server, digest=None, file=NAME, **more):
    """A published file that the server has, or should have."""
    entry = {"file": file, "publisher": "here", "trained_on": "nothing", "digest": digest} | more
    url = f"{server.address}/files/{{file}}"
    publisher = {"title": "Somebody", "licence": "MIT", "url": url, "source": "this test"}
    return PublishedFile.model_validate({"entry": entry, "publisher": publisher})


def put(server, data=None, name=NAME):
    server.files[f"/files/{name}"] = data = content() if data is None else data
    return data


def names(folder):
    """What is in a folder, without the lock, which stays."""
    return {path.name for path in folder.iterdir()} - {f".{NAME}.lock"}


def starts(server):
    """Where each request wanted the file from."""
    return [int((r or "bytes=0-")[6:-1]) for r in server.asked("Range")]


WHOLE = {NAME, f"{NAME}.sha256"}
PARTS = {f"{NAME}.part", f"{NAME}.part.json"}


@pytest.mark.parametrize("redirected", [False, True])
def test_a_file_arrives_whole_and_its_digest_is_kept(redirected, server, tmp_path):
    data, shown = put(server), []
    if redirected:
        server.files["/elsewhere"] = server.files.pop(f"/files/{NAME}")
        server.redirects[f"/files/{NAME}"] = f"{server.address}/elsewhere"
    done = download(of(server), tmp_path / "new", show=lambda *each: shown.append(each))
    assert done.path.read_bytes() == data
    assert done.digest == hashlib.sha256(data).hexdigest()
    assert (tmp_path / "new" / f"{NAME}.sha256").read_text() == f"{done.digest}  {NAME}\n"
    assert names(tmp_path / "new") == WHOLE
    assert shown[-1] == (len(data), len(data))
    count = len(server.seen)
    again = download(of(server), tmp_path / "new")
    assert (again.was_there, again.digest, len(server.seen)) == (True, done.digest, count)


def test_what_a_cut_connection_brought_is_not_fetched_again(server, tmp_path):
    data = put(server)
    server.cuts = [200_000, 100_000, 0]
    assert download(of(server), tmp_path).path.read_bytes() == data
    first, second, third, fourth = starts(server)
    assert first == 0 < second < third == fourth
    lost = 2 * http.CHUNK
    assert 200_000 - lost < second <= 200_000
    assert second + 100_000 - lost < third <= second + 100_000


def test_a_later_command_goes_on(server, tmp_path):
    data = put(server)
    server.cuts = [400_000] + [0] * http.ATTEMPTS
    with pytest.raises(DownloadError) as caught:
        download(of(server), tmp_path)
    kept = (tmp_path / f"{NAME}.part").stat().st_size
    words = str(caught.value)
    assert f"goes on after the {kept:,} bytes that are kept" in words
    assert f"fetch {server.address}/files/{NAME} by hand" in words
    assert f"put it there as {tmp_path / NAME}" in words
    assert "\n" not in words
    assert names(tmp_path) == PARTS
    server.seen.clear()
    assert download(of(server), tmp_path).path.read_bytes() == data
    assert starts(server) == [kept]
    assert names(tmp_path) == WHOLE


def test_a_whole_part_is_not_asked_for_again(server, tmp_path, monkeypatch):
    data = put(server)
    monkeypatch.setattr(local, "sha256_of", lambda path: 1 / 0)
    with pytest.raises(ZeroDivisionError):  # killed before the file had its name
        download(of(server), tmp_path)
    monkeypatch.undo()
    server.statuses = [500] * 9
    assert download(of(server), tmp_path).path.read_bytes() == data


@pytest.mark.parametrize("without", ["ranges", "validator"])
def test_a_server_that_cannot_go_on_is_asked_for_all_of_it(without, server, tmp_path):
    data = put(server)
    setattr(server, without, False)
    server.cuts = [200_000, 400_000]
    assert download(of(server), tmp_path).path.read_bytes() == data
    assert len(server.seen) == 3
    if without == "validator":  # nothing says that it is still the same file
        assert starts(server) == [0, 0, 0]


@pytest.mark.parametrize("heeded", [True, False])
@pytest.mark.parametrize("size", [600_000, 100_000])
def test_a_file_that_changed_between_two_attempts_is_fetched_anew(heeded, size, server, tmp_path):
    put(server)
    server.cuts = [400_000] + [0] * http.ATTEMPTS
    with pytest.raises(DownloadError):
        download(of(server), tmp_path)
    changed = put(server, content(size, seed=1))
    server.conditions = heeded
    assert download(of(server), tmp_path).path.read_bytes() == changed


def test_what_belongs_to_another_address_is_not_gone_on_with(server, tmp_path):
    put(server)
    server.cuts = [400_000] + [0] * http.ATTEMPTS
    with pytest.raises(DownloadError):
        download(of(server), tmp_path)
    server.files[f"/mirror/{NAME}"] = data = content(seed=1)
    server.seen.clear()
    done = download(of(server), tmp_path, mirror=f"{server.address}/mirror/")
    assert done.path.read_bytes() == data
    assert starts(server) == [0]


def test_a_wrong_length_is_never_a_whole_file(server, tmp_path):
    put(server)
    server.headers = {"Content-Length": "800000", "Connection": "close"}
    server.ranges = False
    with pytest.raises(DownloadError, match=NAME):
        download(of(server), tmp_path)
    assert names(tmp_path) == PARTS


def test_what_is_not_as_published_is_not_kept(server, tmp_path):
    data = put(server)
    right = hashlib.sha256(data).hexdigest()
    wrong = f"{int(right[0], 16) ^ 1:x}{right[1:8]}"
    with pytest.raises(WeightsError, match=f"begins with {right[:16]}, wanted {wrong}; it was not"):
        download(of(server, wrong), tmp_path)
    assert names(tmp_path) == set()
    assert download(of(server, right[:8]), tmp_path).digest == right


def test_an_unpublished_digest_counts_from_the_first_download_on(server, tmp_path):
    put(server)
    path = download(of(server), tmp_path).path
    path.unlink()
    put(server, content(seed=1))
    words = f"not what was first downloaded: .*to take it all the same, remove .*{NAME}.sha256$"
    with pytest.raises(WeightsError, match=words):
        download(of(server), tmp_path)
    assert not path.exists()
    put(server, content(seed=2), NAME)
    path.write_bytes(content(seed=3))
    with pytest.raises(WeightsError, match="has changed since it was downloaded"):
        local.require_intact(path)
    local.record_of(path).write_text("nonsense")
    with pytest.raises(WeightsError, match="holds no SHA-256"):
        local.require_intact(path)


def test_a_web_page_is_no_checkpoint(server, tmp_path):
    put(server, b"<!DOCTYPE html><title>Log in</title>")
    with pytest.raises(WeightsError, match="a web page"):
        download(of(server), tmp_path)
    assert names(tmp_path) == set()


def test_a_gate_that_asks_for_a_password_takes_nothing_away(server, tmp_path):
    data, page = put(server), b"<html>Log in</html>"
    server.cuts = [400_000] + [0] * http.ATTEMPTS
    with pytest.raises(DownloadError):
        download(of(server), tmp_path)
    kept = (tmp_path / f"{NAME}.part").stat().st_size
    put(server, page)
    server.headers = {"Content-Type": "text/html; charset=utf-8"}
    with pytest.raises(DownloadError, match=f"a web page came .* after the {kept:,} bytes"):
        download(of(server), tmp_path)
    server.headers = {}
    put(server, data)
    server.seen.clear()
    assert download(of(server), tmp_path).path.read_bytes() == data
    assert starts(server) == [kept]


def test_only_what_may_pass_is_tried_again(server, tmp_path):
    data = put(server)
    server.statuses = [503, 429]
    assert download(of(server), tmp_path / "a").path.read_bytes() == data
    server.seen.clear()
    with pytest.raises(DownloadError, match="the server answered 404 Not Found; fetch"):
        download(of(server, file="none.safetensors"), tmp_path / "b")
    assert len(server.seen) == 1
    port = server.server_port
    server.shutdown()
    server.server_close()
    with pytest.raises(DownloadError, match=rf"from http://127.0.0.1:{port}/.*refused"):
        download(of(server), tmp_path / "c")


def test_a_server_that_says_nothing_is_given_up(server, tmp_path, monkeypatch):
    put(server)
    server.gate = threading.Event()
    monkeypatch.setattr(http, "SILENCE_S", 0.05)
    with pytest.raises(DownloadError, match="did not answer in time"):
        download(of(server), tmp_path)
    server.gate.set()


def test_two_downloads_at_once_are_one(server, tmp_path):
    data, done, waited = put(server), [], threading.Event()
    server.gate = threading.Event()

    def fetch():
        done.append(download(of(server), tmp_path, waiting=waited.set))

    threads = [threading.Thread(target=fetch) for _ in range(2)]
    for thread in threads:
        thread.start()
    assert waited.wait(timeout=120)
    server.gate.set()
    for thread in threads:
        thread.join(timeout=120)
    assert sorted(each.was_there for each in done) == [False, True]
    assert len(server.seen) == 1
    assert (tmp_path / NAME).read_bytes() == data


def test_a_full_disk_is_said_and_loses_nothing(server, tmp_path):
    data = put(server)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, limits[1]))
    try:
        with pytest.raises(NotWritableError, match="make room there, then repeat the command"):
            download(of(server), tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (tmp_path / f"{NAME}.part").stat().st_size == 200_000
    server.seen.clear()
    assert download(of(server), tmp_path).path.read_bytes() == data
    assert starts(server) == [200_000]


def test_mirrors(server, tmp_path, monkeypatch):
    found = of(server, url="http://nowhere.invalid/a/b.safetensors")
    with pytest.raises(DownloadError, match=rf"from {server.address}/no/.*; fetch {found.url} by"):
        download(found, tmp_path, f"{server.address}/no")
    server.files[f"/weights/{NAME}"] = data = content()
    monkeypatch.setenv("VSWIN_WEIGHTS_MIRROR", f"{server.address}/weights")
    assert download(found, tmp_path).path.read_bytes() == data
    assert mirrored(found, "https://a/{url}?x") == f"https://a/{found.url}?x"
    assert mirrored(found, "https://a/{file}?x") == f"https://a/{NAME}?x"
    with pytest.raises(UsageError, match="'/data/mirror' is no address"):
        download(found, tmp_path / "b", mirror="/data/mirror")


def test_the_proxy_of_the_environment_is_asked(server, tmp_path, monkeypatch):
    monkeypatch.setenv("http_proxy", server.address)
    monkeypatch.setenv("no_proxy", "")
    url = f"http://nowhere.invalid/{NAME}"
    server.files[url] = data = content()
    assert download(of(server, url=url), tmp_path).path.read_bytes() == data
    assert server.asked("path") == [url]


def test_a_file_for_browsers_is_fetched_by_hand_and_its_digest_kept(server, tmp_path):
    found = of(server, page="https://somewhere.invalid/page")
    words = f"fetch https://somewhere.invalid/page by hand and put it there as {tmp_path / NAME}"
    with pytest.raises(DownloadError, match=words):
        download(found, tmp_path)
    (tmp_path / NAME).write_bytes(b"<html>Are you a robot?</html>")
    with pytest.raises(WeightsError, match="a web page.* remove that file, then repeat"):
        download(found, tmp_path)
    assert not local.record_of(tmp_path / NAME).exists()
    (tmp_path / NAME).write_bytes(content())
    assert download(found, tmp_path).digest == local.recorded(tmp_path / NAME)


def test_timms_files_come_from_the_hub_with_its_client(server, tmp_path, monkeypatch, capfd):
    pytest.importorskip("huggingface_hub")
    found = find("timm/swin_tiny_patch4_window7_224.ms_in1k")
    path = f"/{found.repository}/resolve/main/model.safetensors"
    server.files[path] = data = content(100_000)
    server.headers = {"X-Repo-Commit": 40 * "a"}
    monkeypatch.setenv("HF_ENDPOINT", server.address)
    done = download(found, tmp_path)
    assert done.path == tmp_path / "swin_tiny_patch4_window7_224.ms_in1k.safetensors"
    assert done.path.read_bytes() == data
    assert {p.name for p in tmp_path.iterdir() if not p.name.startswith(".")} == {
        done.path.name,
        f"{done.path.name}.sha256",
    }
    del server.files[path]
    with pytest.raises(DownloadError, match=f"{found.repository} on the hub: .* by hand"):
        download(found, tmp_path / "b")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # where nobody answers
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # between the client's attempts
    capfd.readouterr()
    with pytest.raises(DownloadError, match="on the hub: .* by hand"):
        download(found, tmp_path / "b")
    assert capfd.readouterr() == ("", "")
    assert [path for path in names(tmp_path / "b") if not path.startswith(".")] == []
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingExtraError, match="install 'huggingface-hub>=.*; fetch https://hugg"):
        download(found, tmp_path / "c")
