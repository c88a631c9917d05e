"""Random calls of the contracts, drawn from pools so small that they meet each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hypothesis import strategies as st
from tests.ledger.accounts import Accounts

from mooring.ledger.port import Query, Value
from mooring.ledger.registry import NO_WORD, NOBODY, Role, asset_id, org_id, origin_id, version_id
from mooring.proofs.merkle import EMPTY_ROOT

__all__ = ["ACCOUNTS", "OPENING", "Move", "members", "moves", "questions"]

Move = tuple[str, str, tuple[Value, ...], str]
"""Contract, method, arguments, sender."""

ACCOUNTS = ("a0", "a1", "b0", "b1", "c0", "stranger")
_ORGS = (org_id("org a"), org_id("org b"), org_id("org c"), org_id("org d"))
_NAMES = ("model", "data", "x" * 257, "")
_LABELS = ("1", "2", "")
_ASSETS = (asset_id("model"), asset_id("data"), 7)
_VERSIONS = (*(version_id(asset, label) for asset in _ASSETS[:2] for label in _LABELS[:2]), b"\x07" * 32)
_KEYS = (b"\x11" * 32, b"\x22" * 32, NO_WORD)
_ORIGINS = ("log.example/records", "log.example/receipts", "")
_TIMES = (0, 5, 10, 2**64 - 1)

words = st.sampled_from((b"\x01" * 32, b"\x02" * 32, b"\x01" * 32, NO_WORD))
assets = st.sampled_from(5 * _ASSETS[:1] + _ASSETS)
versions = st.sampled_from(8 * _VERSIONS[:1] + 2 * _VERSIONS)
keys = st.sampled_from(_KEYS)
times = st.sampled_from(_TIMES)
roots = st.sampled_from((NO_WORD, EMPTY_ROOT, b"\x03" * 32, b"\x04" * 32))
sizes = st.sampled_from((0, 1, 2, 3, 2**64 - 1))


OPENING: tuple[Move, ...] = (
    ("AssetRegistry", "createAsset", (2, "model", NOBODY, 0), "a0"),
    ("AssetRegistry", "propose", (_ASSETS[0], "1", b"\x01" * 32, b"\x01" * 32, ()), "a1"),
    ("AssetRegistry", "propose", (_ASSETS[0], "2", b"\x01" * 32, b"\x01" * 32, (_VERSIONS[0],)), "a0"),
    ("CheckpointAnchor", "open", (_ORIGINS[0], 1, b"\x03" * 32), "a0"),
)
"""What happens first, so that random calls have something to be about."""


def members(accounts: Accounts) -> list[tuple[str, bytes, int]]:
    """Five members of three organisations, some of which lack roles."""
    roles = {
        "a0": Role(15),
        "a1": Role.PUBLISHER | Role.OPERATOR,
        "b0": Role.APPROVER | Role.GUARDIAN | Role.OPERATOR,
        "b1": Role.APPROVER | Role.PUBLISHER,
        "c0": Role(15),
    }
    return [(accounts.address(name), org_id(f"org {name[0]}"), int(role)) for name, role in roles.items()]


def moves(accounts: Accounts, ballots: Callable[[], Sequence[bytes]]) -> st.SearchStrategy[Move]:
    """Draw one call; `ballots` names the ballots that exist when it is drawn."""
    senders = st.sampled_from(("c0", "a0", "b0", "c0", "a0", "b0", *ACCOUNTS))
    people = st.sampled_from([accounts.address(name) for name in ACCOUNTS])
    anyone = st.one_of(people, st.just(NOBODY))
    logs = st.sampled_from([origin_id(accounts.address(w), o) for w in ("a0", "b0") for o in _ORIGINS[:2]] + [NO_WORD])
    actions = st.builds(lambda n: (list(ballots()) or [NO_WORD])[n % (len(ballots()) or 1)], st.integers(0, 9))
    parents = st.lists(versions, max_size=2).map(tuple)
    registry: dict[str, tuple[st.SearchStrategy[Value], ...]] = {
        "setMember": (anyone, st.sampled_from((*_ORGS, NO_WORD)), st.sampled_from((0, 0, 1, 2, 3, 6, 15, 16))),
        "setThreshold": (st.sampled_from((0, 1, 2, 2, 3, 4)),),
        "retract": (actions,),
        "registerKey": (keys, times, times),
        "revokeKey": (keys, times),
        "createAsset": (
            st.sampled_from((1, 2, 3)),
            st.sampled_from(_NAMES),
            anyone,
            st.sampled_from((0, 250, 10_000, 10_001)),
        ),
        "propose": (assets, st.sampled_from(_LABELS), words, words, parents),
        "approveRound": (versions, st.sampled_from((1, 2, 3)), words),
        "activate": (versions,),
        "suspend": (versions, words),
        "rollback": (assets, versions, words),
        "retire": (versions, words),
        "revoke": (versions, words),
        "setPolicy": (st.one_of(assets, st.just(0)), words),
        "setApprovalForAll": (anyone, st.booleans()),
        "transferFrom": (people, anyone, assets),
        "safeTransferFrom": (people, people, assets),
    }
    anchor: dict[str, tuple[st.SearchStrategy[Value], ...]] = {
        "open": (st.sampled_from(_ORIGINS), sizes, roots),
        "anchor": (logs, sizes, roots),
        "handOver": (logs, anyone),
    }
    approvals = [("AssetRegistry", "approve", (versions, words)), ("AssetRegistry", "approve", (anyone, assets))]
    table = [("AssetRegistry", name, args) for name, args in registry.items()]
    table += [("CheckpointAnchor", name, args) for name, args in anchor.items()]
    # What moves a version on is drawn more often, so that later states are reached.
    table += (
        3 * approvals[:1] + approvals[1:] + 2 * [row for row in table if row[1] in ("propose", "activate", "suspend")]
    )

    def of(row: tuple[str, str, tuple[st.SearchStrategy[Value], ...]]) -> st.SearchStrategy[Move]:
        contract, method, args = row
        return st.tuples(st.just(contract), st.just(method), st.tuples(*args), senders)

    return st.sampled_from(table).flatmap(of)


def questions(accounts: Accounts, ballots: Sequence[bytes]) -> list[Query]:
    """Everything that the views can be asked about the pools."""
    people = [accounts.address(name) for name in ACCOUNTS]
    registry: list[tuple[str, tuple[Value, ...]]] = [("governance", ())]
    registry += [("versionOf", (version,)) for version in _VERSIONS]
    registry += [("memberOf", (person,)) for person in people]
    registry += [
        (view, (asset,)) for view in ("current", "policy", "kindOf", "ownerOf", "getApproved") for asset in _ASSETS
    ]
    registry += [("policy", (0,)), *(("organisationAt", (index,)) for index in range(5))]
    registry += [("isApprovedForAll", (one, other)) for one in people[:3] for other in people[:3]]
    registry += [("balanceOf", (person,)) for person in (*people, NOBODY)]
    registry += [("ballot", (action,)) for action in (*ballots, NO_WORD)]
    registry += [("keyOf", (key,)) for key in _KEYS] + [("keyValid", (key, at)) for key in _KEYS for at in _TIMES]
    registry += [(name, ()) for name in ("PUBLISHER", "APPROVER", "OPERATOR", "GUARDIAN", "MAX_PARENTS", "MAX_TEXT")]
    logs = [origin_id(accounts.address(writer), origin) for writer in ("a0", "b0") for origin in _ORIGINS[:2]]
    anchor: list[tuple[str, tuple[Value, ...]]] = [("latest", (log,)) for log in (*logs, NO_WORD)]
    anchor += [("EMPTY_ROOT", ()), ("MAX_TEXT", ())]
    anchor += [("verifyInclusion", (log, b"\x03" * 32, index, path)) for log in logs for index, path in _PATHS]
    return [Query("AssetRegistry", *item) for item in registry] + [Query("CheckpointAnchor", *item) for item in anchor]


_PATHS: list[tuple[int, tuple[bytes, ...]]] = [(0, ()), (1, ()), (0, (b"\x05" * 32,))]
