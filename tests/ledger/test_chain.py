"""Every question to a node, and every answer that it must not give."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from tests.ledger.accounts import Accounts
from tests.ledger.places import Place, served_place
from tests.ledger.proxy import Fault, Proxy, altered, honest, proxy, refused

from mooring.errors import ConfigError, LedgerError, LedgerLied, LedgerRefused
from mooring.ledger.chain import Chain, revert_data
from mooring.ledger.evm import EvmLedger, EvmSettings
from mooring.ledger.jsonrpc import HttpTransport, RpcError
from mooring.ledger.port import Call, Finality, Query, State, Submission
from mooring.ledger.registry import NOBODY, asset_id
from mooring.ledger.transaction import Fees

BLOCK = "eth_getBlockByNumber"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, accounts: Accounts) -> Iterator[Place]:
    with served_place(tmp_path_factory.mktemp("asked"), accounts) as place:
        yield place


@pytest.fixture(scope="module")
def settings(served: Place) -> EvmSettings:
    return served.found()[0]


@pytest.fixture
def between(served: Place) -> Iterator[Proxy]:
    with proxy(served.url) as running:
        yield running


@pytest.fixture
def chain(between: Proxy) -> Iterator[Chain]:
    transport = HttpTransport([between.url], pause=lambda seconds: None)
    yield Chain(transport)
    transport.close()


def both(*faults: Fault) -> Fault:
    """One fault after the other."""

    def fault(calls: Any, ask: Callable[[], bytes]) -> Any:
        for one in faults:
            ask = lambda one=one, inner=ask: one(calls, inner)  # noqa: E731  # a chain of askers
        return ask()

    return fault


def test_a_block_that_is_not_there_is_none_and_where_it_is_needed_an_error(chain: Chain) -> None:
    assert chain.header(10**9) is None
    with pytest.raises(LedgerError, match="no block 1000000000") as caught:
        chain.need_header(10**9)
    assert caught.value.code == "block-missing"


def test_another_block_than_the_one_asked_for_is_a_lie(between: Proxy, chain: Chain) -> None:
    first = chain.need_header(0)
    assert first.number == 0
    between.fault = altered(BLOCK, lambda call, block: {**block, "number": "0x7"})
    believing = Chain(HttpTransport([between.url]), verify_headers=False)
    with pytest.raises(LedgerLied) as caught:
        believing.header(0)
    assert caught.value.code == "block-number"
    with pytest.raises(LedgerLied) as caught:
        chain.header(0)
    assert caught.value.code == "header-hash"


@pytest.mark.parametrize("answer", [None, 7, {}, "0x"])
def test_logs_that_are_no_list_are_malformed(between: Proxy, chain: Chain, answer: Any) -> None:
    between.fault = altered("eth_getLogs", lambda call, logs: answer)
    with pytest.raises(LedgerError) as caught:
        chain.logs([bytes(20)], 0, 1)
    assert caught.value.code == "rpc-malformed"


def test_logs_of_a_fork_that_the_node_left_are_passed_over(between: Proxy, chain: Chain, settings: EvmSettings) -> None:
    addresses = [bytes.fromhex(text[2:]) for text in settings.contracts.values()]
    logs = chain.logs(addresses, settings.start_block, settings.start_block)
    assert logs
    between.fault = altered("eth_getLogs", lambda call, told: [{**log, "removed": True} for log in told])
    assert chain.logs(addresses, settings.start_block, settings.start_block) == []


def test_fees_follow_the_base_fee_and_the_tip_that_the_node_advises(between: Proxy, chain: Chain) -> None:
    assert chain.fees() == Fees(0, 0)
    believing = Chain(HttpTransport([between.url]), verify_headers=False)
    dear = altered(BLOCK, lambda call, block: {**block, "baseFeePerGas": "0x64"})
    between.fault = both(dear, altered("eth_maxPriorityFeePerGas", lambda call, tip: "0x5"))
    assert believing.fees() == Fees(205, 5)
    untold = refused("eth_maxPriorityFeePerGas", -32601, "the method does not exist")
    between.fault = both(dear, untold, altered("eth_gasPrice", lambda call, price: "0x6e"))
    assert believing.fees() == Fees(210, 10)
    between.fault = both(dear, untold, altered("eth_gasPrice", lambda call, price: "0x1"))
    assert believing.fees() == Fees(200, 0)
    between.fault = refused("eth_maxPriorityFeePerGas", -32000, "out of order")
    with pytest.raises(LedgerError, match="out of order"):
        chain.fees()
    between.fault = refused(BLOCK, -32000, "out of order")
    with pytest.raises(LedgerError, match="out of order"):
        chain.fees()


def test_a_chain_without_a_base_fee_is_a_configuration_that_cannot_be_used(between: Proxy) -> None:
    believing = Chain(HttpTransport([between.url]), verify_headers=False)
    between.fault = altered(BLOCK, lambda call, block: {n: v for n, v in block.items() if n != "baseFeePerGas"})
    with pytest.raises(ConfigError) as caught:
        believing.fees()
    assert caught.value.code == "no-eip1559"


@pytest.mark.parametrize("answer", [None, "0x", [None], 7])
def test_block_receipts_that_are_missing_or_malformed_are_errors(between: Proxy, chain: Chain, answer: Any) -> None:
    header = chain.need_header(1)
    between.fault = altered("eth_getBlockReceipts", lambda call, receipts: answer)
    with pytest.raises(LedgerError) as caught:
        chain.block_receipts([header])
    assert caught.value.code == ("rpc-malformed" if answer in ("0x", 7) else "block-missing")
    between.fault = refused("eth_getBlockReceipts", -32000, "busy")
    with pytest.raises(LedgerError, match="busy"):
        chain.block_receipts([header])


def _simulated(*calls: dict[str, Any]) -> Fault:
    """A node that has eth_simulateV1, and answers it so."""

    def fault(asked: list[dict[str, Any]], ask: Callable[[], bytes]) -> bytes:
        import json

        if asked[0]["method"] != "eth_simulateV1":
            return ask()
        return json.dumps({"jsonrpc": "2.0", "id": asked[0]["id"], "result": [{"calls": list(calls)}]}).encode()

    return fault


def test_a_rehearsal_ends_at_the_first_call_that_fails(between: Proxy, chain: Chain) -> None:
    message = (bytes(20), b"\x01" * 20, b"")
    good, bad = {"status": "0x1", "gasUsed": "0x5208"}, {"status": "0x0", "gasUsed": "0x1", "returnData": "0x1234"}
    between.fault = _simulated(good, bad, good)
    first, second = chain.rehearse([message] * 3) or []
    assert first == 21_000
    assert isinstance(second, RpcError)
    assert revert_data(second) == b"\x12\x34"
    for answer in ((good,), (good, 7), (good, {"status": "0x1"})):
        between.fault = _simulated(*answer)  # type: ignore[arg-type]  # malformed on purpose
        with pytest.raises(LedgerError) as caught:
            chain.rehearse([message] * 2)
        assert caught.value.code == "rpc-malformed"
    between.fault = refused("eth_simulateV1", -32000, "busy")
    with pytest.raises(LedgerError, match="busy"):
        chain.rehearse([message] * 2)
    between.fault = refused("eth_simulateV1", -32601, "the method does not exist")
    assert chain.rehearse([message] * 2) is None
    between.fault = honest
    assert chain.rehearse([message] * 2) is None
    assert chain.rehearse([(bytes(20), b"", b"")]) is None


@pytest.mark.parametrize(
    ("error", "data"),
    [
        (RpcError(3, "execution reverted", "0x0102"), b"\x01\x02"),
        (RpcError(-32000, "Reverted", {"data": "0x0102", "message": "x"}), b"\x01\x02"),
        (RpcError(-32000, "execution reverted"), b""),
        (RpcError(3, "execution reverted", "0xgg"), b""),
        (RpcError(-32000, "VM Exception: revert", None), b""),
        (RpcError(-32000, "insufficient funds", {"code": "funds"}), None),
        (RpcError(-32601, "no such method"), None),
    ],
)
def test_revert_data_are_found_wherever_a_node_puts_them(error: RpcError, data: bytes | None) -> None:
    assert revert_data(error) == data


# the adapter above it


def test_a_view_that_reverts_is_refused_and_a_node_that_fails_is_not_a_refusal(
    served: Place, between: Proxy, settings: EvmSettings, accounts: Accounts
) -> None:
    ledger = EvmLedger(HttpTransport([between.url]), settings, accounts)
    with pytest.raises(LedgerRefused, match=r"ownerOf was refused: ERC721NonexistentToken") as caught:
        ledger.read(Query("AssetRegistry", "ownerOf", (1,)))
    assert caught.value.code == "erc721-nonexistent-token"
    between.fault = refused("eth_call", -32000, "busy")
    with pytest.raises(LedgerError, match="busy") as failed:
        ledger.read(Query("AssetRegistry", "ownerOf", (1,)))
    assert not isinstance(failed.value, LedgerRefused)
    between.fault = altered("eth_call", lambda call, data: "0x12")
    with pytest.raises(LedgerError) as malformed:
        ledger.read(Query("AssetRegistry", "governance"))
    assert malformed.value.code == "abi"
    ledger.close()


def test_what_cannot_be_final_yet_cannot_be_read_as_final(served: Place, settings: EvmSettings) -> None:
    ledger = served.ledger(replace(settings, finality_depth=10**6))
    assert ledger.read(Query("AssetRegistry", "governance"))
    with pytest.raises(LedgerError) as caught:
        ledger.read(Query("AssetRegistry", "governance"), Finality.FINAL)
    assert caught.value.code == "not-final"
    ledger.close()


def test_a_node_that_names_no_final_block_needs_a_depth(
    between: Proxy, settings: EvmSettings, accounts: Accounts
) -> None:
    def unknown(params: list[Any]) -> bool:
        return bool(params[0] == "finalized")

    between.fault = refused(BLOCK, -32602, "unknown block tag", unknown)
    with pytest.raises(ConfigError, match="finality_depth") as caught:
        EvmLedger(HttpTransport([between.url]), replace(settings, finality_depth=None), accounts)
    assert caught.value.code == "finality"
    between.fault = altered(BLOCK, lambda call, block: None if call["params"][0] == "finalized" else block)
    ledger = EvmLedger(HttpTransport([between.url]), replace(settings, finality_depth=None), accounts)
    assert ledger.profile.finality_depth == 64
    assert ledger.follow(None).final == -1
    ledger.close()


def test_following_nothing_is_a_mistake_in_the_program(served: Place, settings: EvmSettings) -> None:
    ledger = served.ledger(settings)
    with pytest.raises(LedgerError) as caught:
        ledger.follow(None, 0)
    assert caught.value.code == "limit"
    ledger.close()


def test_a_submission_of_another_outbox_is_confirmed_by_its_reference(served: Place, settings: EvmSettings) -> None:
    ledger, other = served.ledger(settings), served.ledger(replace(settings, outbox=served.folder / "other.sqlite"))
    call = Call("AssetRegistry", "createAsset", (1, "elsewhere", NOBODY, 0), "a0", "elsewhere")
    (submission,) = ledger.submit([call])
    outcome = other.confirm(submission, Finality.FINAL, 10)
    assert (outcome.state, outcome.events[-1].args["asset"]) == (State.FINAL, asset_id("elsewhere"))
    unknown = other.confirm(Submission("never", "0x" + "11" * 32), Finality.INCLUDED, 0)
    assert unknown.state == State.UNKNOWN
    for one in (ledger, other):
        one.close()


def test_a_node_whose_answers_are_not_its_chains_own_can_be_believed_when_configured(
    between: Proxy, settings: EvmSettings, accounts: Accounts
) -> None:
    odd = altered(BLOCK, lambda call, block: block and {**block, "extraData": "0x1234"})
    between.fault = odd
    with pytest.raises(LedgerLied):
        EvmLedger(HttpTransport([between.url]), settings, accounts)
    believing = replace(settings, verify_headers=False, verify_receipts=False)
    ledger = EvmLedger(HttpTransport([between.url]), believing, accounts)
    between.fault = both(odd, altered("eth_getBlockReceipts", lambda call, receipts: []))
    assert ledger.follow(None).events
    ledger.close()
