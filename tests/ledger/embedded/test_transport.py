from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from eth_hash.auto import keccak

from mooring.errors import StorageError
from mooring.ledger.embedded.rpc import INTERNAL, INVALID_PARAMS, METHOD_NOT_FOUND, SERVER_ERROR, RpcError

TARGET = "0x" + "42" * 20


def test_a_batch_answers_each_call_in_its_place(chain: Any) -> None:
    raws = ["0x" + chain.sign(to=TARGET).hex() for _ in range(3)]
    calls: list[tuple[str, list[Any]]] = [
        ("eth_chainId", []),
        ("eth_sendRawTransaction", [raws[0]]),
        ("eth_sendRawTransaction", [raws[1]]),
        ("eth_sendRawTransaction", ["0x02"]),
        ("eth_sendRawTransaction", ["junk"]),
        ("eth_sendRawTransaction", [raws[2]]),
        ("eth_nothing", []),
        ("eth_sendRawTransaction", []),
        ("net_version", []),
    ]
    results = chain.rpc.batch(calls)
    hashes = ["0x" + keccak(bytes.fromhex(raw[2:])).hex() for raw in raws]
    assert [result for result in results if not isinstance(result, RpcError)] == ["0x7a69", *hashes, "31337"]
    codes = {place: result.code for place, result in enumerate(results) if isinstance(result, RpcError)}
    assert codes == {3: SERVER_ERROR, 4: INVALID_PARAMS, 6: METHOD_NOT_FOUND, 7: INVALID_PARAMS}
    for tx_hash in hashes:
        chain.mined(bytes.fromhex(tx_hash[2:]))


def test_an_empty_batch_has_no_answers(chain: Any) -> None:
    assert chain.rpc.batch([]) == []


def test_transactions_of_a_batch_are_kept_with_one_commit(chain: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    commits: list[int] = []
    keep = chain.node._keep_pending
    monkeypatch.setattr(chain.node, "_keep_pending", lambda taken: (commits.append(len(taken)), keep(taken)))
    chain.rpc.batch([("eth_sendRawTransaction", ["0x" + chain.sign(to=TARGET).hex()]) for _ in range(50)])
    assert commits == [50]


def test_parameters_by_name_are_refused(chain: Any) -> None:
    with pytest.raises(RpcError, match="params must be a list") as refusal:
        chain.rpc.request("eth_chainId", {})
    assert refusal.value.code == INVALID_PARAMS


def test_a_defect_is_an_internal_error_for_its_caller_alone(chain: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chain.node, "send_raw_transactions", lambda raws: 1 / 0)
    sends = [("eth_sendRawTransaction", ["0x" + chain.sign(to=TARGET).hex()]) for _ in range(2)]
    results = chain.rpc.batch([("eth_chainId", []), *sends, ("eth_chainId", [])])
    assert [getattr(result, "code", result) for result in results] == ["0x7a69", INTERNAL, INTERNAL, "0x7a69"]
    assert "ZeroDivisionError" in results[1].message


def test_the_chains_own_errors_keep_their_code_and_hint(chain: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(raws: list[bytes]) -> list[StorageError]:
        return [StorageError("no space is left", code="chain-full", hint="Free space.")] * len(raws)

    monkeypatch.setattr(chain.node, "send_raw_transactions", full)
    with pytest.raises(RpcError, match="no space is left") as refusal:
        chain.rpc.request("eth_sendRawTransaction", ["0x" + chain.sign(to=TARGET).hex()])
    assert refusal.value.data == {"code": "chain-full", "hint": "Free space.", "definite": True}


def test_importing_the_package_does_not_import_the_virtual_machine() -> None:
    script = (
        "import sys, mooring.ledger.embedded as room\n"
        "assert 'eth' not in sys.modules and 'sqlite3' not in sys.modules\n"
        "assert room.LocalTransport.__name__ == 'LocalTransport' and 'eth' in sys.modules\n"
        "assert all(getattr(room, name) for name in room.__all__)\n"
        "try: room.nothing\n"
        "except AttributeError: print('ok')"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "ok\n"
