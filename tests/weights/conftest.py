"""What several tests of published weights need: a server, and a list of small models."""

import pytest

from tests.weights.server import serving
from vswin.weights import http


@pytest.fixture
def server(monkeypatch):
    """A file server on this machine; nothing waits between two attempts, and no proxy is asked."""
    monkeypatch.setattr(http, "WAIT_S", 0.0)
    monkeypatch.setattr(http, "CHUNK", 1 << 12)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "VSWIN_WEIGHTS_MIRROR"):
        monkeypatch.delenv(name, raising=False)
    with serving() as found:
        yield found
