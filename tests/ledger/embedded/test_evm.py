from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from mooring.ledger.embedded import evm

_SELF_CALL = "60006000600060006000305af100"
_SELF_DELEGATE = "6000600060006000305af400"
_SELF_CREATE = "383d3d39383d3df000"


@pytest.mark.parametrize("parse", [msgspec.json.decode, json.loads])
@pytest.mark.parametrize("body", [b"[" * 10**6, b'{"a":' * 10**6])
def test_deep_json_is_an_error_and_not_the_end_of_the_process(parse: Callable[[bytes], Any], body: bytes) -> None:
    assert evm.PragueVM.fork == "prague"  # it has been imported, and has raised the limit
    errors: list[BaseException] = []

    def read() -> None:
        try:
            parse(body)
        except (RecursionError, ValueError) as error:
            errors.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    thread.join()
    assert isinstance(errors[0], RecursionError)


def test_without_our_limit_the_process_would_end() -> None:
    script = "import sys, msgspec, eth\nprint(sys.getrecursionlimit())"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert int(done.stdout) >= 100_000  # when this fails, py-evm has stopped raising it: drop ours


@pytest.mark.parametrize("code", [_SELF_CALL, _SELF_DELEGATE, _SELF_CREATE])
def test_the_deepest_recursion_that_gas_allows_is_executed(chain: Any, code: str) -> None:
    contract = chain.deploy(bytes.fromhex(code))
    assert chain.mined(chain.send(to=contract, gas=30_000_000))["status"] == "0x1"
    assert chain.rpc.request("eth_call", [{"to": contract}]) == "0x"


def test_a_pairing_is_computed_within_the_limit(chain: Any) -> None:
    one = (1).to_bytes(32, "big")
    minus_two = 21888242871839275222246405745257275088696311157297823662689037894645226208581  # EIP-197: -2 mod p
    g2 = (  # EIP-197, P2
        11559732032986387107991004021392285783925812861821192530917403151452391805634,
        10857046999023057135944570762232829481370756359578518086990519993285655852781,
        4082367875863433681332203403145435568316851327593401208105741076214120093531,
        8495653923123431417604973247489272438418190587263600148770280649306958101930,
    )
    second = b"".join(number.to_bytes(32, "big") for number in g2)
    data = one + (2).to_bytes(32, "big") + second + one + minus_two.to_bytes(32, "big") + second
    answer = chain.rpc.request("eth_call", [{"to": "0x" + "00" * 19 + "08", "data": "0x" + data.hex()}])
    assert int(answer, 16) == 1
