"""The gateway as a server: uvicorn with the gateway's protocol, in this thread or in one of its own."""

from __future__ import annotations

import gc
import socket
import threading
import time

import uvicorn

from mooring.entrypoints.gateway.asgi import Gateway
from mooring.entrypoints.gateway.protocol import protocol_class
from mooring.errors import ConfigError

__all__ = ["GatewayServer", "serve", "tune_collector"]

_START_S = 30.0
_STEP_S = 0.01
_THRESHOLDS = (100_000, 50, 100)
_BACKLOG = 2048


class GatewayServer:
    """A gateway on a socket that is bound at once; raises ConfigError `gateway-address` if it cannot be."""

    def __init__(self, app: Gateway, host: str = "127.0.0.1", port: int = 0) -> None:
        self.app = app
        self._socket = _bind(host, port)
        self.host: str = host
        self.port: int = self._socket.getsockname()[1]
        self._server = uvicorn.Server(_config(app))
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """Where the gateway is reached."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    def run(self) -> None:
        """Serve in this thread until `stop`, or a signal if it is the main thread; then drain."""
        self._server.run(sockets=[self._socket])

    def start(self) -> None:
        """Serve in a thread, and return once it answers."""
        self._thread = threading.Thread(target=self.run, name="mooring-gateway", daemon=True)
        self._thread.start()
        last = time.monotonic() + _START_S
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > last:
                raise ConfigError("the gateway did not start", code="gateway-start", hint="see the log above")
            time.sleep(_STEP_S)

    def stop(self) -> None:
        """Take nothing more in, answer what is in flight, and end; repeatable."""
        self._server.should_exit = True
        if self._thread is not None:
            self._thread.join()
        self._socket.close()


def serve(app: Gateway, host: str = "127.0.0.1", port: int = 8080, *, tune: bool = True) -> None:
    """Serve until SIGINT or SIGTERM, then drain. `tune` sets up the garbage collector of the whole process."""
    server = GatewayServer(app, host, port)
    if tune:
        tune_collector()
    try:
        server.run()
    finally:
        server.stop()


def tune_collector() -> None:
    """Leave out of collections what was made at the start, and collect less often: long pauses go."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)


def _config(app: Gateway) -> uvicorn.Config:
    settings = app.door.settings
    return uvicorn.Config(
        app,
        http=protocol_class(app.door),
        ws="none",
        loop="uvloop",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        backlog=_BACKLOG,
        timeout_keep_alive=max(1, round(settings.keep_alive_s)),
        timeout_graceful_shutdown=max(1, round(settings.drain_s)),
    )


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        raise ConfigError(
            f"the gateway cannot listen on {host} port {port}: {error.strerror}",
            code="gateway-address",
            hint="choose another port, or stop what uses it",
        ) from error
    bound.set_inheritable(True)
    return bound
