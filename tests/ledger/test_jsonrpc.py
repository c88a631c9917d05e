"""The HTTP transport against real sockets that fail in every way they do fail."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.ledger.places import free_port
from tests.ledger.proxy import DROP, Proxy, delayed, html, proxy, unheard

from mooring.errors import ConfigError, LedgerError, LedgerUnknown
from mooring.ledger.jsonrpc import BatchTransport, HttpTransport, RpcError, ask_all, shown_host

SEND = "eth_sendRawTransaction"


def _echo(calls: list[dict[str, Any]], ask: Callable[[], bytes]) -> bytes:
    """Answer each call with its own parameters, in reverse order, as JSON-RPC allows."""
    answers = [{"jsonrpc": "2.0", "id": call["id"], "result": call["params"]} for call in calls]
    return json.dumps(answers[::-1] if len(calls) > 1 else answers[0]).encode()


@pytest.fixture
def node() -> Iterator[Proxy]:
    with proxy("http://127.0.0.1:9") as running:
        running.fault = _echo
        yield running


def _transport(*urls: str, **options: Any) -> HttpTransport:
    return HttpTransport(urls, **({"pause": lambda seconds: None, "read_timeout_s": 0.3} | options))


def _code(action: Callable[[], object]) -> str:
    with pytest.raises(LedgerError) as caught:
        action()
    assert "secret" not in caught.value.message + caught.value.hint
    assert "key/in/path" not in caught.value.message + caught.value.hint
    return caught.value.code


def test_a_call_returns_its_result_and_a_batch_its_results_in_order(node: Proxy) -> None:
    transport = _transport(node.url)
    assert transport.request("eth_chainId", [1]) == [1]
    assert isinstance(transport, BatchTransport)
    assert ask_all(transport, [("eth_call", [n]) for n in range(250)]) == [[n] for n in range(250)]
    assert transport.batch([]) == []


def test_an_error_of_the_node_is_raised_alone_and_returned_in_a_batch(node: Proxy) -> None:
    failing = {"code": 3, "message": "execution reverted", "data": "0x01"}
    node.fault = lambda calls, ask: json.dumps(
        [{"jsonrpc": "2.0", "id": call["id"], "error": failing} for call in calls]
        if len(calls) > 1
        else {"jsonrpc": "2.0", "id": calls[0]["id"], "error": failing}
    ).encode()
    with pytest.raises(RpcError, match="reverted") as caught:
        _transport(node.url).request("eth_call", [])
    assert (caught.value.code, caught.value.data) == (3, "0x01")
    assert all(isinstance(answer, RpcError) for answer in _transport(node.url).batch([("a", []), ("b", [])]))


def test_a_json_rpc_error_under_an_http_error_is_still_the_nodes_answer(node: Proxy) -> None:
    body = {"jsonrpc": "2.0", "id": 1, "error": {"code": -32000, "message": "no"}}
    node.fault = lambda calls, ask: (500, json.dumps(body | {"id": calls[0]["id"]}).encode())
    with pytest.raises(RpcError):
        _transport(node.url).request("eth_call", [])


@pytest.mark.parametrize(
    "answer",
    [
        b"<html>",
        b"",
        b"{",
        b"[]",
        b"7",
        b'{"jsonrpc":"2.0","id":1}',
        b'{"id":"1","result":1}',
        b'{"id":999999,"result":1}',
        b'{"result":1}',
        b"\xff\xfe",
        b"[" * 100_000,
    ],
)
def test_what_is_no_json_rpc_is_named_so_without_credentials(node: Proxy, answer: bytes) -> None:
    node.fault = lambda calls, ask: answer
    assert _code(lambda: _transport(node.url).request("eth_chainId", [])) == "rpc-malformed"


def test_a_web_page_is_named_with_its_first_bytes(node: Proxy) -> None:
    node.fault = html
    with pytest.raises(LedgerError, match=r"no JSON-RPC \(HTTP 200, \d+ bytes starting b'<!doctype html>") as caught:
        _transport(node.url).request("eth_chainId", [])
    assert caught.value.message.startswith("RPC endpoint http://127.0.0.1:")


@pytest.mark.parametrize("answers", [b"7", b"{}", b"[1, 2]"])
def test_a_malformed_batch_is_refused(node: Proxy, answers: bytes) -> None:
    node.fault = lambda calls, ask: answers
    assert _code(lambda: _transport(node.url).batch([("a", []), ("b", [])])) == "rpc-malformed"


def test_an_answer_missing_from_a_batch_is_not_made_up(node: Proxy) -> None:
    node.fault = lambda calls, ask: json.dumps([{"id": calls[0]["id"], "result": 1}]).encode()
    assert _code(lambda: _transport(node.url).batch([("a", []), ("b", [])])) == "rpc-malformed"


def test_a_node_without_batches_is_asked_one_by_one(node: Proxy) -> None:
    def fault(calls: list[dict[str, Any]], ask: Callable[[], bytes]) -> bytes:
        if len(calls) > 1:
            return b'{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"batches are not served"}}'
        return _echo(calls, ask)

    node.fault = fault
    transport = _transport(node.url)
    assert transport.batch([("a", [1]), ("b", [2])]) == [[1], [2]]
    assert transport.batch([("a", [3]), ("b", [4])]) == [[3], [4]]


def test_an_endless_answer_is_cut_off(node: Proxy) -> None:
    node.fault = lambda calls, ask: b'{"id":1,"result":"' + b"x" * 5_000 + b'"}'
    assert _code(lambda: _transport(node.url, max_response=1_000).request("eth_chainId", [])) == "rpc-oversized"


@pytest.mark.parametrize(("status", "code"), [(401, "rpc-forbidden"), (403, "rpc-forbidden"), (429, "rpc-unavailable")])
def test_http_refusals_say_what_to_do(node: Proxy, status: int, code: str) -> None:
    node.fault = lambda calls, ask: (status, b"no")
    assert _code(lambda: _transport(node.url).request("eth_chainId", [])) == code


def test_a_read_that_times_out_is_tried_again_and_then_given_up(node: Proxy) -> None:
    node.fault = delayed(1.0)
    assert (
        _code(lambda: _transport(node.url, attempts=2, read_timeout_s=0.1).request("eth_chainId", [])) == "rpc-timeout"
    )
    assert node.seen["eth_chainId"] == 2


def test_a_failure_that_passes_is_not_seen_by_the_caller(node: Proxy) -> None:
    failures = iter([DROP, (502, b"bad gateway")])
    node.fault = lambda calls, ask: next(failures, None) or _echo(calls, ask)
    assert _transport(node.url).request("eth_chainId", [7]) == [7]


def test_another_endpoint_answers_when_the_first_does_not(node: Proxy) -> None:
    transport = _transport(f"http://127.0.0.1:{free_port()}", node.url)
    assert transport.request("eth_chainId", [1]) == [1]
    assert transport.request("eth_chainId", [2]) == [2]


def test_nobody_at_the_address_is_a_definite_failure() -> None:
    transport = _transport(f"http://user:secret@127.0.0.1:{free_port()}/key/in/path")
    assert _code(lambda: transport.request(SEND, ["0x"])) == "rpc-unreachable"
    with pytest.raises(LedgerError) as caught:
        transport.request(SEND, ["0x"])
    assert caught.value.definite


def test_a_send_whose_answer_is_lost_is_unknown_and_is_sent_again_first(node: Proxy) -> None:
    node.fault = unheard
    with pytest.raises(LedgerUnknown) as caught:
        _transport(node.url).request(SEND, ["0x"])
    assert (caught.value.code, caught.value.definite) == ("rpc-unanswered", False)
    assert node.seen[SEND] == 3


def test_what_may_not_be_repeated_is_not_repeated(node: Proxy) -> None:
    node.fault = unheard
    for method in ("evm_mine", "eth_sendTransaction"):
        assert _code(lambda name=method: _transport(node.url).request(name, [])) == "rpc-broken"
        assert node.seen[method] == 1


@pytest.mark.parametrize("url", ["ftp://host", "http://", "", "http://host:99999", "127.0.0.1:8545"])
def test_an_address_that_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        HttpTransport([url])
    assert caught.value.code == "rpc-url"
    with pytest.raises(ConfigError):
        HttpTransport([])


def test_a_shown_address_keeps_no_secret() -> None:
    assert shown_host("https://user:pass@node.example:8545/v3/key?token=1") == "https://node.example:8545"
    assert shown_host("http://[::1]:8545/") == "http://[::1]:8545"
    assert shown_host("https://node.example/key") == "https://node.example"
