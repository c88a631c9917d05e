"""The service inside one process: what it starts it stops, and what fails is said and tried again."""

from __future__ import annotations

import hashlib
import os
import signal
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from tests.entrypoints.running import ask, decode
from tests.workflows.stage import Stages

from mooring.entrypoints.service import run, serving
from mooring.errors import StorageError
from mooring.proofs.checkpoint import read_checkpoint
from mooring.records.receipt import Receipt
from mooring.wiring.home import Home
from mooring.wiring.receipts import Receipts
from mooring.wiring.session import Session, open_session


@pytest.fixture
def home(stages: Stages, tmp_path: Path) -> Path:
    return stages.copy("active", tmp_path / "home")


def configure(home: Path, lines: str) -> None:
    path = home / "mooring.toml"
    path.write_text(path.read_text().replace("[[organisation]]", f"{lines}\n\n[[organisation]]", 1))


def until(true: Callable[[], object], timeout_s: float = 30.0) -> None:
    begun = time.monotonic()
    while not true():
        assert time.monotonic() - begun < timeout_s
        time.sleep(0.02)


def answers(url: str) -> bool:
    return ask(url).status_code == 200


def test_chain_gateway_and_sealing_run_while_the_block_lasts_and_no_longer(home: Path) -> None:
    said: list[str] = []
    before = threading.active_count()
    with open_session(Home(home)) as session:
        with serving(session, said.append, port=0) as running:
            assert running.receipts is not None
            assert running.rpc.startswith("http://127.0.0.1:")
            until(lambda: answers(running.gateway))
            receipt = Receipt.from_bytes(decode(ask(running.gateway).headers["mooring-receipt"]))
        with pytest.raises(httpx.TransportError):
            ask(running.gateway)
        note = session.checkpoint("receipts")
        assert read_checkpoint(note)[0].size == receipt.index + 1
    until(lambda: threading.active_count() <= before)
    assert said == []


def test_a_service_without_a_gateway_has_no_receipts(home: Path) -> None:
    with open_session(Home(home)) as session, serving(session, lambda _: None, gateway=False) as running:
        assert (running.gateway, running.receipts) == ("", None)
    with open_session(Home(home)) as session, serving(session, lambda _: None, chain=False, gateway=False) as running:
        assert running.rpc == ""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_runs_until_it_is_told_to_stop(home: Path, number: int) -> None:
    said: list[str] = []
    handlers = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)}

    def tell() -> None:
        until(lambda: "ready; stop with Ctrl-C" in said)
        os.kill(os.getpid(), number)

    teller = threading.Thread(target=tell)
    try:
        with open_session(Home(home)) as session:
            teller.start()
            run(session, said.append, host=None, port=0, rpc_port=0, chain=True, gateway=True)
    finally:
        teller.join()
        for each, handler in handlers.items():
            signal.signal(each, handler)
    assert said[0].startswith("chain    http://127.0.0.1:")
    assert said[1].startswith("gateway  http://127.0.0.1:")
    assert said[2:] == ["ready; stop with Ctrl-C", "stopping"]


def test_the_configuration_reaches_the_gateway(home: Path) -> None:
    token = "open sesame"
    digest = hashlib.sha256(token.encode()).hexdigest()
    configure(
        home,
        f'[gateway]\npurpose = "diagnosis"\nmax_body = 200\nmicro_batch = 1\n[gateway.callers]\nclinic = "{digest}"',
    )
    with open_session(Home(home)) as session, serving(session, lambda _: None, port=0) as running:
        until(lambda: answers(running.gateway))
        with httpx.Client(trust_env=False, base_url=running.gateway) as http:
            body = b'{"inputs":[{"name":"features","datatype":"FP32","shape":[1,2],"data":[1,2]}]}'
            headers = {"content-type": "application/json", "authorization": f"Bearer {token}"}
            known = http.post("/v2/models/tumour/infer", content=body, headers=headers)
            receipt = Receipt.from_bytes(decode(known.headers["mooring-receipt"]))
            assert (receipt.caller, receipt.purpose) == ("clinic", "diagnosis")
            bad = {**headers, "authorization": "Bearer guess"}
            assert http.post("/v2/models/tumour/infer", content=body, headers=bad).status_code in (401, 403)
            assert http.post("/v2/models/tumour/infer", content=b" " * 300, headers=headers).status_code == 413


def test_many_entries_are_anchored_before_the_interval_is_over(home: Path) -> None:
    said: list[str] = []
    configure(home, "[partition]\nseal_interval_s = 0.05\nanchor_interval_s = 86400\nbatch = 10")
    with open_session(Home(home)) as session, serving(session, said.append, port=0) as running:
        until(lambda: answers(running.gateway))
        for _ in range(12):
            assert answers(running.gateway)
        until(lambda: said or session.logs()[1].anchored > 0)
    assert said == []


def test_what_fails_while_sealing_is_said_and_tried_again(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configure(home, "[partition]\nseal_interval_s = 0.05\nanchor_interval_s = 0.1")
    said, whole, failures = [], Receipts.seal, iter([StorageError("the disk is full", code="disk-full"), KeyError("x")])

    def failing(receipts: Receipts) -> bytes | None:
        for error in failures:
            raise error
        return whole(receipts)

    monkeypatch.setattr(Receipts, "seal", failing)
    with open_session(Home(home)) as session, serving(session, said.append, port=0) as running:
        until(lambda: answers(running.gateway))
        until(lambda: len(said) == 2)
        until(lambda: session.logs()[1].anchored > 0)
    assert "the disk is full [disk-full]" in said[0]
    assert "a defect" in said[1]


def test_spans_go_where_the_configuration_says(home: Path) -> None:
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http")
    seen: list[str] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            seen.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Collector) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        endpoint = f"http://127.0.0.1:{server.server_port}/v1/traces"
        configure(home, f'[gateway]\notlp_endpoint = "{endpoint}"\ntrace_share = 1.0')
        with open_session(Home(home)) as session, serving(session, lambda _: None, port=0) as running:
            until(lambda: answers(running.gateway))
        assert seen == ["/v1/traces"] * len(seen) != []
        server.shutdown()


def lag(session: Session, url: str) -> float:
    with httpx.Client(trust_env=False) as http:
        text = http.get(f"{url}/metrics").text
    return next(float(line.split()[1]) for line in text.splitlines() if line.startswith("ledger_lag_seconds "))


def test_how_old_the_followed_state_is_shows_in_the_metrics(home: Path) -> None:
    with open_session(Home(home)) as session, serving(session, lambda _: None, port=0) as running:
        until(lambda: answers(running.gateway))
        assert 0 <= lag(session, running.gateway) < 5
        session.follower.stop()
        time.sleep(1.0)
        assert lag(session, running.gateway) >= 0.9
