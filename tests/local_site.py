"""A server on this machine that answers, lies, breaks off or is not there."""

import http.server
import re
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Served:
    """A file of the server, and how it is served.

    ``cuts`` are numbers of bytes after which one answer each breaks off.
    """

    body: bytes
    etag: str = '"v1"'
    ranges: bool = True
    status: int = 200
    states_length: bool = True
    cuts: list[int] = field(default_factory=list)


class Site:
    """What the server has, and what it was asked for: paths with their ranges."""

    def __init__(self):
        self.files = {}
        self.asked = []
        self.address = ""

    def url(self, name):
        return f"{self.address}/{name}"

    def serve(self, name, body, **how):
        self.files[name] = Served(body, **how)
        return self.files[name]


def _handler(site):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            name = self.path.removeprefix("/")
            wanted = self.headers.get("Range")
            site.asked.append((name, wanted))
            file = site.files.get(name)
            if file is None or file.status != 200:
                self.send_error(404 if file is None else file.status)
                return
            start = 0
            same = self.headers.get("If-Range", file.etag) == file.etag
            if wanted and file.ranges and same:
                start = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1])
                if start >= len(file.body):
                    self.send_error(416)
                    return
                self.send_response(206)
                last = len(file.body) - 1
                self.send_header("Content-Range", f"bytes {start}-{last}/{len(file.body)}")
            else:
                self.send_response(200)
            self.send_header("ETag", file.etag)
            rest = file.body[start:]
            if file.states_length:
                self.send_header("Content-Length", str(len(rest)))
            self.end_headers()
            self.wfile.write(rest[: file.cuts.pop(0)] if file.cuts else rest)
            self.wfile.flush()
            self.close_connection = True

        def log_message(self, *_):
            pass

    return Handler


@contextmanager
def serving():
    """Run a server, still without files."""
    site = Site()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(site)) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        site.address = f"http://127.0.0.1:{server.server_port}"
        yield site
        server.shutdown()
