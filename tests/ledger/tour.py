"""A walk through every rule of the contracts: each call, by whom, in an order in which each refusal is met once."""

from __future__ import annotations

from tests.ledger.accounts import Accounts
from tests.ledger.calls import Move

from mooring.ledger.facts import ballot_id
from mooring.ledger.port import Value
from mooring.ledger.registry import NO_WORD, NOBODY, asset_id, org_id, origin_id, version_id
from mooring.ledger.wire import governance_call
from mooring.proofs.merkle import EMPTY_ROOT

__all__ = ["UNREACHABLE", "tour"]

UNREACHABLE = frozenset(
    {
        # OpenZeppelin declares these; no function of ours can meet them.
        "ERC2981InvalidDefaultRoyalty",
        "ERC2981InvalidDefaultRoyaltyReceiver",
        "ERC721InvalidOwner",  # only the view balanceOf
        "ERC721InvalidSender",
        # Only the constructor.
        "MemberExists",
        # Needs 64 organisations: tests/ledger/test_registry.py has it.
        "TooManyOrganisations",
    }
)

W, X = b"\x01" * 32, b"\x02" * 32
MODEL, DATA = asset_id("model"), asset_id("data")
ONE, TWO, THREE, SET = (version_id(MODEL, "1"), version_id(MODEL, "2"), version_id(MODEL, "3"), version_id(DATA, "1"))


def tour(accounts: Accounts) -> list[Move]:
    """Return the calls, for the members of `calls.members` and a threshold of 2."""
    a0, b0, b1, c0, stranger = (accounts.address(name) for name in ("a0", "b0", "b1", "c0", "stranger"))
    orgs = {letter: org_id(f"org {letter}") for letter in "abcd"}
    log = origin_id(a0, "log")
    registry: list[tuple[str, str, tuple[Value, ...]]] = [
        # assets
        ("stranger", "createAsset", (2, "model", NOBODY, 0)),
        ("b0", "createAsset", (2, "model", NOBODY, 0)),
        ("a0", "createAsset", (3, "model", NOBODY, 0)),
        ("a0", "createAsset", (2, "", NOBODY, 0)),
        ("a0", "createAsset", (2, "x" * 257, NOBODY, 0)),
        ("a0", "createAsset", (2, "model", NOBODY, 1)),
        ("a0", "createAsset", (2, "model", a0, 10_001)),
        ("a0", "createAsset", (2, "model", a0, 250)),
        ("a1", "createAsset", (1, "model", NOBODY, 0)),
        ("c0", "createAsset", (1, "data", NOBODY, 0)),
        # proposals
        ("b0", "propose", (MODEL, "1", W, W, ())),
        ("b1", "propose", (MODEL, "1", W, W, ())),
        ("a0", "propose", (7, "1", W, W, ())),
        ("a0", "propose", (MODEL, "", W, W, ())),
        ("a0", "propose", (MODEL, "1", NO_WORD, W, ())),
        ("a0", "propose", (MODEL, "1", W, NO_WORD, ())),
        ("a0", "propose", (MODEL, "1", W, W, (ONE,))),
        ("a0", "propose", (MODEL, "1", W, W, (X,) * 65)),
        ("a1", "propose", (MODEL, "1", W, W, ())),
        ("a0", "propose", (MODEL, "1", X, X, ())),
        ("a0", "propose", (MODEL, "2", W, W, (ONE, ONE))),
        ("c0", "propose", (DATA, "1", W, W, ())),
        # tokens
        ("a0", "approve", (b1, 7)),
        ("c0", "approve", (b1, MODEL)),
        ("a0", "approve", (b1, MODEL)),
        ("b1", "propose", (MODEL, "3", W, W, ())),
        ("a0", "setApprovalForAll", (NOBODY, True)),
        ("a0", "setApprovalForAll", (c0, True)),
        ("c0", "approve", (c0, MODEL)),
        ("c0", "transferFrom", (a0, NOBODY, MODEL)),
        ("b0", "transferFrom", (a0, b0, MODEL)),
        ("c0", "transferFrom", (b0, b0, MODEL)),
        ("c0", "transferFrom", (a0, b0, 7)),
        ("c0", "safeTransferFrom", (a0, stranger, MODEL)),
        ("a0", "propose", (MODEL, "4", W, W, ())),
        ("stranger", "safeTransferFrom", (stranger, a0, MODEL, b"data")),
        ("a0", "setApprovalForAll", (c0, False)),
        ("c0", "approve", (c0, MODEL)),
        # approvals
        ("stranger", "approve", (ONE, W)),
        ("a1", "approve", (ONE, W)),
        ("b0", "approve", (X, W)),
        ("b1", "approve", (THREE, W)),
        ("b0", "approve", (ONE, W)),
        ("b1", "approve", (ONE, W)),
        ("c0", "approveRound", (ONE, 2, W)),
        ("a1", "activate", (ONE,)),
        ("c0", "approveRound", (ONE, 1, W)),
        ("a0", "approve", (ONE, W)),
        ("b1", "activate", (ONE,)),
        ("a1", "activate", (X,)),
        ("a1", "activate", (ONE,)),
        ("a1", "activate", (ONE,)),
        # suspension, rollback, retirement
        ("b0", "approve", (TWO, NO_WORD)),
        ("c0", "approve", (TWO, NO_WORD)),
        ("a0", "activate", (TWO,)),
        ("a1", "suspend", (TWO, W)),
        ("b0", "suspend", (X, W)),
        ("b0", "suspend", (TWO, W)),
        ("b0", "suspend", (TWO, W)),
        ("b1", "rollback", (MODEL, ONE, W)),
        ("a0", "rollback", (7, ONE, W)),
        ("a0", "rollback", (MODEL, X, W)),
        ("a0", "rollback", (DATA, ONE, W)),
        ("a0", "rollback", (MODEL, TWO, W)),
        ("a0", "rollback", (MODEL, ONE, W)),
        ("a0", "rollback", (MODEL, ONE, W)),
        ("c0", "approveRound", (TWO, 1, W)),
        ("c0", "approveRound", (TWO, 2, W)),
        ("c0", "approve", (TWO, W)),
        ("b0", "approve", (TWO, W)),
        ("b1", "retire", (TWO, W)),
        ("a0", "retire", (THREE, W)),
        ("a0", "retire", (TWO, W)),
        ("a0", "suspend", (TWO, W)),
        # governance
        ("stranger", "setThreshold", (1,)),
        ("a0", "setThreshold", (0,)),
        ("a0", "setThreshold", (2,)),
        ("a0", "setThreshold", (4,)),
        ("a0", "setThreshold", (3,)),
        ("a1", "setThreshold", (3,)),
        ("a1", "retract", (_ballot(governance_call("setThreshold", 3)),)),
        ("a0", "retract", (_ballot(governance_call("setThreshold", 3)),)),
        ("b0", "setThreshold", (3,)),
        ("c0", "setThreshold", (3,)),
        ("stranger", "revoke", (ONE, W)),
        ("a0", "revoke", (X, W)),
        ("a0", "revoke", (TWO, W)),
        ("a0", "revoke", (ONE, W)),
        ("a1", "revoke", (ONE, W)),
        ("b0", "revoke", (ONE, W)),
        ("c0", "revoke", (ONE, X)),
        ("c0", "revoke", (ONE, W)),
        ("a0", "propose", (MODEL, "5", W, W, (ONE,))),
        ("a0", "setPolicy", (7, W)),
        ("a0", "setPolicy", (MODEL, NO_WORD)),
        *((name, "setPolicy", (asset, W)) for asset in (MODEL, 0) for name in ("a0", "b0", "c0")),
        ("a0", "setPolicy", (MODEL, W)),
        ("c0", "approve", (THREE, W)),
        *((name, "setThreshold", (2,)) for name in ("a0", "b0", "c0")),
        ("c0", "approveRound", (THREE, 1, W)),
        ("c0", "approve", (THREE, W)),
        ("a0", "setMember", (NOBODY, orgs["a"], 1)),
        ("a0", "setMember", (stranger, NO_WORD, 1)),
        ("a0", "setMember", (stranger, orgs["d"], 16)),
        ("a0", "setMember", (stranger, orgs["d"], 0)),
        ("a0", "setMember", (b1, orgs["a"], 0)),
        ("a0", "setMember", (b1, orgs["b"], 3)),
        *((name, "setMember", (stranger, orgs["d"], 3)) for name in ("a0", "b0")),
        *((name, "setMember", (b1, orgs["d"], 3)) for name in ("a0", "b0")),
        *((name, "setMember", (c0, orgs["c"], 1)) for name in ("a0", "b0")),
        *((name, "setMember", (stranger, orgs["d"], 1)) for name in ("a0", "b0")),
        *((name, "setMember", (b1, orgs["d"], 0)) for name in ("a0", "b0")),
        ("a0", "setMember", (b0, orgs["b"], 0)),
        ("b1", "setThreshold", (1,)),
        # keys
        ("b1", "registerKey", (W, 5, 10)),
        ("a0", "registerKey", (NO_WORD, 5, 10)),
        ("a0", "registerKey", (W, 11, 10)),
        ("a0", "registerKey", (W, 5, 10)),
        ("c0", "registerKey", (W, 5, 10)),
        ("c0", "revokeKey", (X, 7)),
        ("c0", "revokeKey", (W, 7)),
        ("b0", "revokeKey", (W, 8)),
        ("a0", "revokeKey", (W, 8)),
        ("a1", "revokeKey", (W, 7)),
    ]
    anchor: list[tuple[str, str, tuple[Value, ...]]] = [
        ("a0", "open", ("", 1, W)),
        ("a0", "open", ("log", 0, W)),
        ("a0", "open", ("log", 1, EMPTY_ROOT)),
        ("a0", "open", ("log", 1, NO_WORD)),
        ("a0", "open", ("log", 0, EMPTY_ROOT)),
        ("a0", "open", ("log", 5, W)),
        ("stranger", "open", ("log", 5, W)),
        ("a0", "anchor", (X, 5, W)),
        ("b0", "anchor", (log, 5, W)),
        ("a0", "anchor", (log, 0, W)),
        ("a0", "anchor", (log, 5, NO_WORD)),
        ("a0", "anchor", (log, 5, W)),
        ("a0", "anchor", (log, 5, X)),
        ("b0", "handOver", (log, b0)),
        ("a0", "handOver", (log, NOBODY)),
        ("a0", "handOver", (log, a0)),
        ("a0", "handOver", (log, b0)),
        ("a0", "anchor", (log, 6, W)),
        ("b0", "anchor", (log, 6, W)),
    ]
    moves = [("AssetRegistry", method, args, sender) for sender, method, args in registry]
    return moves + [("CheckpointAnchor", method, args, sender) for sender, method, args in anchor]


def _ballot(call: bytes) -> bytes:
    """The ballot for the first vote of its subject in the first epoch."""
    return ballot_id(call, 0, 0)
