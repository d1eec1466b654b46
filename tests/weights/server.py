"""A file server on this machine that does what servers do to downloads, one thing at a time."""

import contextlib
import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class FileServer(ThreadingHTTPServer):
    """Serves `files`, by path; says in `seen` what it was asked for."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = {}
        self.redirects = {}
        self.statuses = []
        """Answered before anything is sent, one for each request."""
        self.cuts = []
        """After so many bytes of an answer the connection ends, one for each request."""
        self.ranges = True
        self.conditions = True
        """Whether If-Range is heeded."""
        self.validator = "ETag"
        self.gate = None
        """An event that each answer waits for."""
        self.headers = {}
        self.seen = []

    def handle_error(self, request, client_address):
        """Says nothing of a client that has gone, as some tests' clients do."""

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server_port}"

    def asked(self, header):
        return [request.get(header) for request in self.seen]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        server = self.server
        server.seen.append({"path": self.path, **self.headers})
        if server.gate is not None:
            server.gate.wait(timeout=120)
        if server.statuses:
            return self.refuse(server.statuses.pop(0))
        if self.path in server.redirects:
            return self.refuse(302, Location=server.redirects[self.path])
        if self.path not in server.files:
            return self.refuse(404)
        return self.send(server.files[self.path])

    def refuse(self, status, **headers):
        self.send_response(status)
        for name, value in ({"Content-Length": "0"} | headers).items():
            self.send_header(name, value)
        self.end_headers()

    def send(self, content):
        server, total = self.server, len(content)
        mark = f'"{hashlib.sha256(content).hexdigest()[:12]}"'
        start = self.start_of(mark)
        if start is not None and start >= total:
            return self.refuse(416)
        self.send_response(200 if start is None else 206)
        headers = {"Content-Length": str(total - (start or 0))}
        if server.validator:
            headers[server.validator] = mark
        if start is not None:
            headers["Content-Range"] = f"bytes {start}-{total - 1}/{total}"
        for name, value in (headers | server.headers).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return None
        body = content[start or 0 :]
        if server.cuts:
            body = body[: server.cuts.pop(0)]
            self.close_connection = True
        self.wfile.write(body)
        return None

    def start_of(self, mark):
        asked, server = self.headers.get("Range"), self.server
        changed = server.conditions and self.headers.get("If-Range") not in (None, mark)
        if asked is None or not server.ranges or changed:
            return None
        return int(asked.removeprefix("bytes=").rstrip("-"))


@contextlib.contextmanager
def serving():
    """A server in a thread, for the length of a block."""
    with FileServer() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield server
        finally:
            server.shutdown()
