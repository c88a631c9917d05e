"""Ether for our accounts: a development node gives it, of any other people are asked, and nothing is sent before."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.ledger.places import anvil_process
from tests.ledger.proxy import altered, html, proxy, refused

from mooring.errors import LedgerError, LedgerRefused, LedgerUnknown, MooringError
from mooring.ledger.jsonrpc import HttpTransport
from mooring.wiring import funding
from mooring.wiring.founding import Founded, found, local_config
from mooring.wiring.funding import Need, fund, is_development_at
from mooring.wiring.home import Home
from mooring.wiring.session import open_session

pytestmark = pytest.mark.node

OURS = "0x00000000000000000000000000000000DeaDBeef"
NEED = {"alice": Need(OURS, 1_000_000)}


@pytest.fixture(scope="module")
def anvil() -> Iterator[str]:
    """A development node on which a block is made for every transaction."""
    with anvil_process() as url:
        yield url


def rpc(url: str, method: str, *params: object) -> object:
    transport = HttpTransport([url])
    try:
        return transport.request(method, list(params))
    finally:
        transport.close()


def begin(folder: Path, url: str, text: str = "") -> Founded:
    return found(Home(folder), text or local_config("mooring.local/dev", url), local=True, say=lambda _: None)


def refusal(act: Callable[[], object]) -> MooringError:
    with pytest.raises(MooringError) as caught:
        act()
    return caught.value


def test_a_development_node_pays_and_its_blocks_are_final_at_once(anvil: str, tmp_path: Path) -> None:
    text = local_config("mooring.local/dev", anvil)
    assert "finality_depth = 0 " in text
    made = begin(tmp_path / "h", anvil, text)
    held = rpc(anvil, "eth_accounts")
    assert isinstance(held, list)
    assert made.funded_by == held[0]
    assert made.chain == "eip155:31337"
    with open_session(Home(tmp_path / "h")) as session:
        for name in ("alice", "bob", "carol", "anchorer"):
            balance = rpc(anvil, "eth_getBalance", session.deployment.keys.address(name), "latest")
            assert int(str(balance), 16) > 9 * 10**18
        assert len(session.deployment.follow().keys) == 3
    assert begin(tmp_path / "h", anvil, text).funded_by == ""


def test_nobody_pays_twice(anvil: str) -> None:
    transport = HttpTransport([anvil])
    assert fund(transport, NEED) != ""
    before = rpc(anvil, "eth_getBalance", OURS, "latest")
    assert fund(transport, NEED) == ""
    assert rpc(anvil, "eth_getBalance", OURS, "latest") == before
    transport.close()


def test_where_fees_are_zero_nobody_has_to_pay() -> None:
    with anvil_process("--block-base-fee-per-gas", "0") as url, proxy(url) as between:
        between.fault = altered("eth_maxPriorityFeePerGas", lambda call, result: "0x0")
        transport = HttpTransport([between.url])
        assert fund(transport, NEED) == ""
        assert between.seen["eth_sendTransaction"] == 0
        transport.close()


def test_another_node_is_given_time_and_people_are_told_what_to_send(tmp_path: Path) -> None:
    with anvil_process() as url, proxy(url) as between:
        rpc(url, "anvil_setChainId", 777)
        between.fault = altered("web3_clientVersion", lambda call, result: "Geth/v1.16.0")
        assert not is_development_at(between.url)
        text = local_config("mooring.local/dev", between.url)
        assert "finality_depth = 2 " in text
        error = refusal(lambda: begin(tmp_path / "h", between.url, text))
        assert isinstance(error, LedgerRefused)
        assert (error.code, error.definite) == ("accounts-unfunded", True)
        assert between.seen["eth_sendTransaction"] == between.seen["eth_sendRawTransaction"] == 0
        assert not (tmp_path / "h" / "contracts.json").exists()
        words = error.message.replace(",", "").split()
        listed = {words[i - 1]: word for i, word in enumerate(words) if word.startswith("0x")}
        assert set(listed) == {"alice", "bob", "carol", "anchorer"}
        for address in listed.values():
            rpc(url, "anvil_setBalance", address, hex(10**19))
        made = begin(tmp_path / "h", between.url, text)
        assert (made.funded_by, made.chain) == ("", "eip155:777")
        with open_session(Home(tmp_path / "h")) as session:
            assert {session.deployment.keys.address(name) for name in listed} == set(listed.values())


def test_a_development_node_that_holds_no_account_cannot_pay(anvil: str) -> None:
    with proxy(anvil) as between:
        between.fault = altered("eth_accounts", lambda call, result: [])
        poor = {"alice": Need("0x00000000000000000000000000000000DeAdbEe0", 1_000_000)}
        transport = HttpTransport([between.url])
        assert refusal(lambda: fund(transport, poor)).code == "accounts-unfunded"
        transport.close()


def test_a_gift_that_does_not_arrive_is_unknown_and_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(funding, "_WAIT_S", 0.3)
    with anvil_process("--no-mining") as url:
        transport = HttpTransport([url])
        error = refusal(lambda: fund(transport, NEED))
        assert isinstance(error, LedgerUnknown)
        assert (error.code, error.definite) == ("funding-pending", False)
        rpc(url, "anvil_mine")
        assert fund(transport, NEED) == ""
        transport.close()


def test_a_node_that_refuses_to_pay_is_quoted(anvil: str) -> None:
    with proxy(anvil) as between:
        between.fault = refused("eth_sendTransaction", -32000, "no money today")
        poor = {"alice": Need("0x00000000000000000000000000000000DeADBee1", 1_000_000)}
        transport = HttpTransport([between.url])
        error = refusal(lambda: fund(transport, poor))
        assert (error.code, "no money today" in error.message) == ("rpc-error", True)
        transport.close()


def test_a_node_is_known_by_its_chain_or_its_name() -> None:
    with anvil_process() as url, proxy(url) as between:
        between.fault = refused("web3_clientVersion", -32601, "not here")
        assert is_development_at(between.url)
        rpc(url, "anvil_setChainId", 777)
        assert not is_development_at(between.url)
        between.fault = altered("web3_clientVersion", lambda call, result: 7)
        assert not is_development_at(between.url)
        assert is_development_at(url)
        between.fault = refused("eth_chainId", -32000, "ask later")
        assert refusal(lambda: is_development_at(between.url)).code == "rpc-error"


def test_what_is_no_node_is_refused_before_anything_is_made(anvil: str, tmp_path: Path) -> None:
    with proxy(anvil) as between:
        between.fault = html
        error = refusal(lambda: begin(tmp_path / "h", between.url))
        assert isinstance(error, LedgerError)
        assert error.code == "rpc-malformed"
        assert "secret" not in error.message
    assert refusal(lambda: begin(tmp_path / "h", "http://127.0.0.1:9")).code == "rpc-unreachable"
    assert refusal(lambda: begin(tmp_path / "h", "http://")).code == "rpc-url"
    assert not (tmp_path / "h").exists()


def test_another_chain_than_the_configured_one_is_refused_before_anything_is_paid(anvil: str, tmp_path: Path) -> None:
    with proxy(anvil) as between:
        text = local_config("mooring.local/dev", between.url).replace("chain_id = 0 ", "chain_id = 5 ")
        assert refusal(lambda: begin(tmp_path / "h", between.url, text)).code == "chain-id"
        assert between.seen["eth_sendTransaction"] == 0
