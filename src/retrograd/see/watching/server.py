"""The server of the live page: on loopback only, and only for who has the token."""

from __future__ import annotations

import errno
import json
import secrets
import selectors
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, parse_qs, urlsplit

from ..description import _plain
from ..messages import translator
from ..page import shell
from ..page.words import watch_words

if TYPE_CHECKING:
    from .session import Watch

#: seconds after its last question that a page counts as open
OPEN = 4.0
HOST = "127.0.0.1"


class Server(ThreadingHTTPServer):
    """Answers in threads of its own; what they read is data that the training left."""

    daemon_threads = True
    allow_reuse_address = False

    def __init__(self, watch: Watch, port: int) -> None:
        self.watch, self.token = watch, secrets.token_urlsafe(18)
        self.seen = -OPEN
        try:
            super().__init__((HOST, port), Handler)
        except (OSError, OverflowError) as error:
            number = getattr(error, "errno", None)
            why = "it is taken" if number == errno.EADDRINUSE else str(error)
            raise OSError(
                f"cannot open port {port} on {HOST}: {why}; give another, or 0 for any"
            ) from None
        self.port = self.server_address[1]
        self._end, self._ended = socket.socketpair()
        self.thread = threading.Thread(
            target=self._serve, daemon=True, name="retrograd watch"
        )
        self.thread.start()

    def _serve(self) -> None:
        """Until ``close``: nothing wakes up while nobody asks."""
        with selectors.DefaultSelector() as waiting:
            waiting.register(self, selectors.EVENT_READ)
            waiting.register(self._ended, selectors.EVENT_READ)
            while self._ended not in [key.fileobj for key, _ in waiting.select()]:
                self.handle_request()

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}/?token={self.token}"

    def see(self) -> None:
        """A page asked."""
        self.seen = time.monotonic()
        self.watch.opened()

    @property
    def open(self) -> bool:
        return time.monotonic() - self.seen < OPEN

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that hangs up is no news for the training's terminal."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)

    def close(self) -> None:
        self._end.close()
        self.thread.join()
        self._ended.close()
        self.server_close()


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "retrograd", ""
    timeout = 60.0  # seconds that a connection may say nothing

    def do_GET(self) -> None:
        where = urlsplit(self.path)
        asked = parse_qs(where.query)
        if where.path == "/favicon.ico":
            return self._send(204, b"", "text/plain")
        if not self._allowed(asked.get("token", [""])[0]):
            return None
        began = time.thread_time()
        self.server.see()
        try:
            self._answer(where, asked)
        finally:
            if where.path in (
                "/data",
                "/values",
            ):  # asked for by itself, not by a click
                self.server.watch.serving(time.thread_time() - began)

    def _answer(self, where: SplitResult, asked: dict[str, list[str]]) -> None:
        watch = self.server.watch
        if where.path == "/":
            words = watch_words(translator(watch.lang))
            text = shell(
                "watch", f"{watch.title} · retrograd watch", watch.lang,
                {"token": self.server.token, "title": watch.title, "words": words},
                "'self'",
            )  # fmt: skip
            return self._send(200, text.encode(), "text/html; charset=utf-8")
        if where.path == "/data":
            after, picture = (
                self._number(asked, "after"),
                self._number(asked, "picture"),
            )
            if after is None or picture is None:
                return self._refuse(400, "after and picture are whole numbers")
            return self._json(watch.since(after, picture))
        if where.path == "/values":
            after = self._number(asked, "after")
            if after is None:
                return self._refuse(400, "after is a whole number")
            return self._json(watch.live.news(asked.get("level", [""])[0], after))
        if where.path == "/graph":
            page = watch.graph()
            if page is None:
                say = translator(watch.lang)
                return self._refuse(503, say("no step was made meanwhile"))
            return self._send(200, page.encode(), "text/html; charset=utf-8")
        return self._refuse(404, "there is nothing here")

    @staticmethod
    def _number(asked: dict[str, list[str]], name: str) -> int | None:
        text = asked.get(name, ["0"])[0]
        return int(text) if text.isdecimal() and len(text) < 18 else None

    def do_POST(self) -> None:
        where = urlsplit(self.path)
        length = self.headers.get("Content-Length", "0")
        body = self.rfile.read(int(length)) if length.isdecimal() and len(length) < 4 else b""  # fmt: skip
        if not self._allowed():
            return None
        if where.path != "/do":
            return self._refuse(404, "there is nothing here")
        action = body.decode("utf-8", "replace")
        if not self.server.watch.do(action):
            return self._refuse(400, "there are pause, step, resume, surface, descent")
        return self._json({"done": True})

    def _allowed(self, token: str = "") -> bool:
        """Of this machine by its number (no name that somebody else made point here),
        from no other page, and with the token."""
        given = self.headers.get("X-Token") or token
        host = self.headers.get("Host", "")
        known = host in (f"{HOST}:{self.server.port}", f"localhost:{self.server.port}")
        known = known and self.headers.get("Origin") in (None, f"http://{host}")
        if known and secrets.compare_digest(given.encode(), self.server.token.encode()):
            return True
        self._refuse(403, "open the address that retrograd watch printed")
        return False

    def _json(self, data: Any) -> None:
        text = json.dumps(_plain(data), allow_nan=False)
        self._send(200, text.encode(), "application/json")

    def _refuse(self, code: int, text: str) -> None:
        self.close_connection = True
        self._send(code, text.encode(), "text/plain; charset=utf-8")

    def _send(self, code: int, body: bytes, kind: str) -> None:
        self.send_response(code)
        for name, value in (
            ("Content-Type", kind), ("Content-Length", str(len(body))),
            ("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff"),
            ("X-Frame-Options", "DENY"), ("Referrer-Policy", "no-referrer"),
            ("Cross-Origin-Resource-Policy", "same-origin"),
        ):  # fmt: skip
            self.send_header(name, value)
        self.end_headers()
        try:
            self.wfile.write(body)
        except OSError:  # the page was closed meanwhile
            self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the terminal is the training's."""
