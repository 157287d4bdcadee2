"""What the CI files meet: a release to download, a deployment that keeps the contract, one that does not. Never judges."""

import functools
import hashlib
import http.server
import io
import os
import platform
import re
import shutil
import socket
import subprocess
import tarfile
import tempfile
import threading
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(os.environ.get("MOLTPROOF", ROOT / "target/release/moltproof")).resolve()
VERSION = re.search(r'^version = "(.*)"$', (ROOT / "Cargo.toml").read_text(), re.MULTILINE).group(1)
NAME = f"moltproof-{platform.machine()}-unknown-linux-musl-v{VERSION}.tgz"


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


class _Broken(_Quiet):
    """Answers everything alike."""

    def answer(self):
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = answer


def _serve(handler):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_address[1]}"


def releases():
    """Address and folder of a place with this version, as the release workflow leaves it."""
    folder = Path(tempfile.mkdtemp())
    below = folder / f"v{VERSION}"
    below.mkdir()
    with tarfile.open(below / NAME, "w:gz", compresslevel=1) as archive:
        archive.add(PROGRAM, f"{NAME.removesuffix('.tgz')}/moltproof")
        told = tarfile.TarInfo(f"{NAME.removesuffix('.tgz')}/LICENSE")
        archive.addfile(told, io.BytesIO())
    digest = hashlib.sha256((below / NAME).read_bytes()).hexdigest()
    (below / f"{NAME}.sha256").write_text(f"{digest}  {NAME}\n")
    return _serve(functools.partial(_Quiet, directory=folder)), below


def broken():
    """Address of a server that breaks the contract."""
    return _serve(_Broken)


def unreachable():
    """An address at which nobody answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"


class Reference:
    """The reference, served."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp())
        stores = {"TENANT_DB": "d1.sqlite", "TENANT_KV": "kv.sqlite", "MOLTBOT_BUCKET": "r2"}
        environment = {name: str(self.folder / file) for name, file in stores.items()}
        self.process = subprocess.Popen(
            [PROGRAM, "serve", "--listen", "127.0.0.1:0"], env={**environment, "APP_DOMAIN": "app.example"}, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )
        for line in self.process.stdout:
            found = re.search(r"listening on (http://\S+)", line)
            if found:
                self.address = found.group(1)
                self.reader = threading.Thread(target=self.process.stdout.read, daemon=True)
                self.reader.start()
                return
        raise RuntimeError("the reference cannot be served")

    def end(self):
        self.process.kill()
        self.process.wait()
        self.reader.join()
        self.process.stdout.close()
        shutil.rmtree(self.folder)


def served(test):
    """Address of a reference of one's own: the quota of the client ip at one that was judged within the minute is used up."""
    reference = Reference()
    test.addCleanup(reference.end)
    return reference.address
