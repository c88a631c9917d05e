from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from mooring.errors import ConfigError, StorageError
from mooring.ledger.embedded import server as module
from mooring.ledger.embedded.lock import find_endpoint
from mooring.ledger.embedded.rpc import (
    INVALID_PARAMS,
    INVALID_REQUEST,
    LIMIT_EXCEEDED,
    METHOD_NOT_FOUND,
    PARSE_ERROR,
    REVERTED,
    SERVER_ERROR,
)
from mooring.ledger.embedded.server import MAX_BATCH, MAX_BODY, Server, serve

TARGET = "0x" + "42" * 20
JSON = {"content-type": "application/json"}


@pytest.fixture
def server(chain: Any) -> Iterator[Server]:
    with serve(chain.node) as running:
        yield running


def _post(server: Server, body: Any, **headers: str) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return httpx.post(server.url, content=content, headers=JSON | headers, timeout=30)


def _call(method: str, *params: Any, mark: Any = 1) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": mark, "method": method, "params": list(params)}


def test_a_call_is_answered(server: Server) -> None:
    response = _post(server, _call("eth_chainId", mark="a"))
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert response.json() == {"jsonrpc": "2.0", "id": "a", "result": "0x7a69"}
    assert "access-control-allow-origin" not in response.headers


def test_http_and_local_transport_answer_alike(chain: Any, server: Server) -> None:
    contract = chain.deploy()
    asked = [
        _call("eth_getBlockByNumber", "latest", True),
        _call("eth_getProof", contract, ["0x0"], "latest"),
        _call("eth_call", {"to": contract}),
        _call("eth_nothing"),
    ]
    over_http = _post(server, asked).json()
    local = chain.rpc.batch([(call["method"], call["params"]) for call in asked])
    assert [answer["result"] for answer in over_http[:2]] == local[:2]
    for answer, error in zip(over_http[2:], local[2:], strict=True):
        assert (answer["error"]["code"], answer["error"]["message"]) == (error.code, error.message)
    assert over_http[2]["error"]["code"] == REVERTED
    assert over_http[2]["error"]["data"] == local[2].data


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", PARSE_ERROR),
        (b"\xff", PARSE_ERROR),
        (b"", PARSE_ERROR),
        (b"[" * 100_000, PARSE_ERROR),
        (b"{}", INVALID_REQUEST),
        (b"[]", INVALID_REQUEST),
        (b"1", INVALID_REQUEST),
        (b'{"jsonrpc":"1.0","id":1,"method":"eth_chainId"}', INVALID_REQUEST),
        (b'{"jsonrpc":"2.0","id":1,"method":7}', INVALID_REQUEST),
        (b'{"jsonrpc":"2.0","id":[],"method":"eth_chainId"}', INVALID_REQUEST),
        (b'{"jsonrpc":"2.0","id":true,"method":"eth_chainId"}', INVALID_REQUEST),
        (b'{"jsonrpc":"2.0","id":1,"method":"eth_nothing"}', METHOD_NOT_FOUND),
        (b'{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":{"a":1}}', INVALID_PARAMS),
        (b'{"jsonrpc":"2.0","id":1,"method":"eth_getBalance","params":["0x1"]}', INVALID_PARAMS),
    ],
)
def test_what_is_not_a_request_is_answered_with_its_code(server: Server, body: bytes, code: int) -> None:
    response = _post(server, body)
    assert response.status_code == 200
    assert response.json()["error"]["code"] == code


def test_a_notification_is_carried_out_and_not_answered(chain: Any, server: Server) -> None:
    raw = chain.sign(to=TARGET)
    call = _call("eth_sendRawTransaction", "0x" + raw.hex())
    del call["id"]
    response = _post(server, call)
    assert (response.status_code, response.content) == (204, b"")
    chain.mined(chain.node.send_raw_transaction(raw))


def test_a_batch_answers_what_can_be_read_and_names_what_cannot(server: Server) -> None:
    silent = _call("eth_chainId")
    del silent["id"]
    answers = _post(server, [_call("net_version", mark=1), 5, silent, _call("eth_chainId", mark=None)]).json()
    assert [answer["id"] for answer in answers] == [1, None, None]
    assert [answer.get("result") for answer in answers] == ["31337", None, "0x7a69"]
    assert answers[1]["error"]["code"] == INVALID_REQUEST
    assert _post(server, [silent]).status_code == 204


def test_a_batch_is_limited_and_its_largest_is_answered(server: Server) -> None:
    largest = [_call("eth_chainId", mark=number) for number in range(MAX_BATCH)]
    assert [answer["id"] for answer in _post(server, largest).json()] == list(range(MAX_BATCH))
    answer = _post(server, [*largest, _call("eth_chainId")]).json()
    assert answer["error"]["code"] == LIMIT_EXCEEDED


def test_a_body_is_limited_however_it_is_sent(server: Server) -> None:
    body = json.dumps(_call("eth_chainId")).encode()
    assert _post(server, body.ljust(MAX_BODY)).status_code == 200
    assert _post(server, body.ljust(MAX_BODY + 1)).status_code == 413
    chunks = iter([b" " * (1 << 20)] * 9)
    try:
        response = httpx.post(server.url, content=chunks, headers=JSON, timeout=30)
    except httpx.WriteError:
        return  # the server closed the connection before all was sent
    assert response.status_code == 413


def test_a_body_that_does_not_arrive_is_not_waited_for(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BODY_TIMEOUT_S", 0.1)
    with socket.create_connection((server.host, server.port), timeout=10) as slow:
        head = f"POST / HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nContent-Type: application/json\r\n"
        slow.sendall(f"{head}Content-Length: 100\r\n\r\n{{".encode())
        assert slow.recv(1_000).startswith(b"HTTP/1.1 408")


def test_a_client_that_leaves_in_the_middle_of_its_request_harms_nobody(server: Server) -> None:
    head = f"POST / HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nContent-Type: application/json\r\n"
    for _ in range(3):
        with socket.create_connection((server.host, server.port), timeout=10) as leaving:
            leaving.sendall(f"{head}Content-Length: 100\r\n\r\n{{".encode())
    time.sleep(0.1)
    assert _post(server, _call("eth_chainId")).json()["result"] == "0x7a69"


def test_a_call_that_takes_too_long_is_answered_with_an_error(
    chain: Any, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_CALL_TIMEOUT_S", 0.1)
    endless = chain.deploy(bytes.fromhex("5b600056"))
    answer = _post(server, _call("eth_call", {"to": endless, "gas": hex(2_000_000)})).json()
    assert answer["error"]["code"] == SERVER_ERROR
    assert "no answer within" in answer["error"]["message"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "evil.example"}, 403),
        ({"host": "127.0.0.1"}, 403),
        ({"host": "127.0.0.1:1"}, 403),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"content-type": "text/plain"}, 415),
        ({"content-type": ""}, 415),
    ],
)
def test_a_web_page_cannot_reach_the_chain(server: Server, headers: dict[str, str], status: int) -> None:
    response = _post(server, _call("eth_chainId"), **headers)
    assert response.status_code == status
    assert "result" not in response.json()
    assert response.json()["detail"]


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "LOCALHOST", "[::1]"])
def test_this_machine_may_call_the_server_by_its_loopback_names(server: Server, name: str) -> None:
    assert _post(server, _call("eth_chainId"), host=f"{name}:{server.port}").status_code == 200
    charset = {"content-type": "application/json; charset=utf-8"}
    assert _post(server, _call("eth_chainId"), **charset).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/", 405), ("OPTIONS", "/", 405), ("POST", "/rpc", 404)]
)
def test_only_posts_to_the_root_are_served(server: Server, method: str, path: str, status: int) -> None:
    assert httpx.request(method, server.url + path, headers=JSON).status_code == status


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "example.org", ""])
def test_an_address_that_others_can_reach_is_refused(chain: Any, host: str) -> None:
    with pytest.raises(ConfigError, match="not a loopback address") as refusal:
        serve(chain.node, host=host)
    assert refusal.value.code == "rpc-host"


def test_a_port_that_is_taken_is_refused(chain: Any, server: Server) -> None:
    with pytest.raises(StorageError, match="cannot listen") as refusal:
        serve(chain.node, port=server.port)
    assert refusal.value.code == "rpc-port"


def test_another_loopback_address_is_served_too(chain: Any) -> None:
    with serve(chain.node, host="127.0.0.2") as running:
        assert _post(running, _call("eth_chainId")).json()["result"] == "0x7a69"


def test_a_server_that_cannot_start_says_so(chain: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Server, "_run", lambda self: None)
    with pytest.raises(StorageError, match="could not be served"):
        serve(chain.node)


def test_another_process_finds_the_server_and_not_after_it_is_closed(chain: Any) -> None:
    folder = str(chain.node.database.path.parent)
    script = "import sys; from mooring.ledger.embedded.lock import find_endpoint; print(find_endpoint(sys.argv[1]))"

    def seen() -> str:
        return subprocess.run(
            [sys.executable, "-c", script, folder], capture_output=True, text=True, check=True
        ).stdout.strip()

    with serve(chain.node) as running:
        assert seen() == running.url
        assert find_endpoint(folder) == running.url
    assert seen() == "None"
    running.close()
    with pytest.raises(httpx.ConnectError):
        _post(running, _call("eth_chainId"))


def test_many_clients_send_interleaved_nonces_at_once(chain: Any, server: Server) -> None:
    raws = [(key, nonce, chain.sign(key=key, nonce=nonce, to=TARGET)) for nonce in range(20) for key in range(4)]
    failures: list[Any] = []

    def send(share: int) -> None:
        with httpx.Client(headers=JSON, timeout=30) as client:
            for _, _, raw in reversed(raws[share::4] + raws[(share + 1) % 4 :: 4]):  # each is sent by two clients
                call = _call("eth_sendRawTransaction", "0x" + raw.hex())
                answer = client.post(server.url, content=json.dumps(call)).json()
                if "result" not in answer:
                    failures.append(answer)

    threads = [threading.Thread(target=send, args=(share,)) for share in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    deadline = time.monotonic() + 20
    while chain.node.waiting and time.monotonic() < deadline:
        time.sleep(0.01)
    for key in range(4):
        address = "0x" + chain.address(key).hex()
        assert chain.rpc.request("eth_getTransactionCount", [address, "latest"]) == "0x14"


def test_the_server_ends_while_calls_are_running_without_harm(
    open_chain: Callable[..., Any],
) -> None:
    chain = open_chain()
    endless = chain.deploy(bytes.fromhex("5b600056"))
    running = serve(chain.node)
    body = _call("eth_call", {"to": endless, "gas": hex(2_000_000)})
    answers: list[Any] = []

    def ask() -> None:
        answers.append(_post(running, body).json())

    asking = threading.Thread(target=ask)
    asking.start()
    time.sleep(0.2)
    running.close()
    asking.join()
    assert answers[0]["error"]["message"] == "out of gas"
    chain.mined(chain.send(to=TARGET))
