"""Chain-agnostic identifiers: CAIP-2 chains, CAIP-10 accounts, CAIP-19 assets."""

from __future__ import annotations

import re

from mooring.errors import RecordError

__all__ = ["account_id", "asset_id", "chain_id", "evm_chain", "parse_chain"]

_CHAIN = re.compile(r"([-a-z0-9]{3,8}):([-_a-zA-Z0-9]{1,32})")
_ADDRESS = re.compile(r"[-.%a-zA-Z0-9]{1,128}")


def chain_id(namespace: str, reference: str) -> str:
    """Return a CAIP-2 id such as `eip155:1`."""
    text = f"{namespace}:{reference}"
    parse_chain(text)
    return text


def parse_chain(text: str) -> tuple[str, str]:
    """Return (namespace, reference) of a CAIP-2 id; raises RecordError `caip`."""
    match = _CHAIN.fullmatch(text)
    if match is None:
        raise _refuse("chain", text, "like eip155:1 (CAIP-2)")
    return match[1], match[2]


def evm_chain(number: int) -> str:
    """Return the CAIP-2 id of an EVM chain."""
    if not 0 < number < 2**64:
        raise _refuse("EVM chain number", f"{number:#x}", "a positive 64-bit number")
    return chain_id("eip155", f"{number:d}")


def account_id(chain: str, address: str) -> str:
    """Return a CAIP-10 id: chain and address."""
    parse_chain(chain)
    if _ADDRESS.fullmatch(address) is None:
        raise _refuse("account address", address, "1 to 128 of - . % and letters and digits (CAIP-10)")
    return f"{chain}:{address}"


def asset_id(chain: str, contract: str, token: int) -> str:
    """Return the CAIP-19 id of an ERC-721 token."""
    parse_chain(chain)
    if re.fullmatch("0x[0-9a-fA-F]{40}", contract) is None or not 0 <= token < 2**256:
        raise _refuse("asset", f"{contract[:80]}/{token:#x}", "an EVM contract and a uint256 token id (CAIP-19)")
    return f"{chain}/erc721:{contract}/{token:d}"


def _refuse(what: str, value: str, hint: str) -> RecordError:
    return RecordError(f"{what} {value[:80]!r} is not well-formed", code="caip", hint=hint)
