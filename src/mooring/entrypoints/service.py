"""The long-running service: chain, gateway, sealing and anchoring, until it is told to stop."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from opentelemetry.trace import Tracer
from prometheus_client import CollectorRegistry, Gauge

from mooring.entrypoints.gateway import GatewayParts, GatewayServer, GatewaySettings, create_app, tune_collector
from mooring.entrypoints.gateway.traces import otlp_tracing
from mooring.errors import MooringError
from mooring.wiring.config import Gateway as GatewayConfig
from mooring.wiring.receipts import Receipts, open_receipts
from mooring.wiring.session import Session

__all__ = ["Service", "run", "serving"]


@dataclass(frozen=True, slots=True)
class Service:
    """A running service: where the gateway and the chain's JSON-RPC answer (empty: not served)."""

    gateway: str
    rpc: str
    receipts: Receipts | None


def run(
    session: Session,
    say: Callable[[str], None],
    *,
    host: str | None,
    port: int | None,
    rpc_port: int,
    chain: bool,
    gateway: bool,
) -> None:
    """Serve until SIGINT or SIGTERM, then drain, seal and anchor."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with serving(session, say, host=host, port=port, rpc_port=rpc_port, chain=chain, gateway=gateway) as service:
        if service.rpc:
            say(f"chain    {service.rpc}")
        if service.gateway:
            say(f"gateway  {service.gateway}/v2")
        say("ready; stop with Ctrl-C")
        stop.wait()
        say("stopping")


@contextmanager
def serving(
    session: Session,
    say: Callable[[str], None],
    *,
    host: str | None = None,
    port: int | None = None,
    rpc_port: int = 0,
    chain: bool = True,
    gateway: bool = True,
) -> Iterator[Service]:
    """Run the service in threads for as long as the block lasts."""
    with ExitStack() as stack:
        rpc = stack.enter_context(session.serve_chain(rpc_port)) if chain else ""
        session.follower.start()
        stack.callback(session.follower.stop)
        receipts = stack.enter_context(open_receipts(session.home, session.deployment)) if gateway else None
        url = ""
        if receipts is not None:
            tracer = _tracer(session.config.gateway, stack)
            server = _gateway(session, receipts, tracer, host, port)
            server.start()
            stack.callback(server.stop)
            url = server.url
        stack.enter_context(_keeping(session, receipts, say))
        yield Service(url, rpc, receipts)


def _tracer(config: GatewayConfig, stack: ExitStack) -> Tracer | None:
    """Return where spans go, if they are to go anywhere; the last of them are sent when the service ends."""
    if not config.otlp_endpoint:
        return None
    tracing = otlp_tracing(config.otlp_endpoint, sampled=config.trace_share)
    stack.callback(tracing.close)
    return tracing.tracer


def _gateway(
    session: Session, receipts: Receipts, tracer: Tracer | None, host: str | None, port: int | None
) -> GatewayServer:
    config = session.config.gateway
    models = session.models()
    parts = GatewayParts(
        source=models,
        authorise=session.authoriser(models),
        log=receipts.log,
        evidence=receipts,
        reopen=receipts.reopen,
        tracer=tracer,
        registry=_metrics(session),
    )
    app = create_app(parts, _settings(config))
    tune_collector()
    return GatewayServer(app, host or config.host, config.port if port is None else port)


def _settings(config: GatewayConfig) -> GatewaySettings:
    return GatewaySettings(
        callers={digest: name for name, digest in config.callers.items()},
        default_purpose=config.purpose,
        max_body=config.max_body,
        max_rows=config.max_rows,
        max_in_flight=config.queue,
        batching=config.micro_batch > 1,
        max_batch=max(1, config.micro_batch),
        request_timeout_s=config.timeout_s,
    )


def _metrics(session: Session) -> CollectorRegistry:
    registry = CollectorRegistry()
    lag = Gauge("ledger_lag_seconds", "Age of the followed ledger state.", registry=registry)
    lag.set_function(lambda: min(session.follower.lag_s, 1e9))
    return registry


@contextmanager
def _keeping(session: Session, receipts: Receipts | None, say: Callable[[str], None]) -> Iterator[None]:
    """Seal and anchor in a thread; what fails is said and tried again, and shows in the metrics as lag."""
    stop = threading.Event()

    def work() -> None:
        waited = 0.0
        pause = session.config.partition.seal_interval_s
        while not stop.wait(pause):
            waited += pause
            try:
                if receipts is not None:
                    receipts.seal()
                full = receipts is not None and receipts.waiting >= session.config.partition.batch
                if full or waited >= session.config.partition.anchor_interval_s:
                    waited = 0.0
                    session.anchor_newest(receipts)
            except MooringError as error:
                say(f"sealing or anchoring failed and is tried again: {error.message} [{error.code}]")
            except Exception as error:  # noqa: BLE001  # a defect must not end sealing unseen: it is said, and tried again
                say(f"sealing or anchoring failed and is tried again: {error!r} (a defect: please report it)")

    thread = threading.Thread(target=work, name="mooring-keeper", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        if receipts is not None:
            receipts.seal()
