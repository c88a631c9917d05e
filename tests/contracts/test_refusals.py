"""Every error that the contracts declare is reached here by name, or its absence from the chain is explained."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from localchain import Chain, Contract, Refused, address
from people import ACCOUNTS, ALL, MEMBERS, PUBLISHER, Registry, digest

from mooring.ledger.contracts import artifact

APPROVE = "approve(bytes32,bytes32)"
ZERO, X = bytes(32), digest("x")

UNREACHABLE = {
    "ERC721InvalidSender": "OpenZeppelin's _mint and _burn only: an existing name is refused before _mint",
    "ERC2981InvalidDefaultRoyalty": "the registry sets no default royalty",
    "ERC2981InvalidDefaultRoyaltyReceiver": "the registry sets no default royalty",
}


def founded(members: list[Any], threshold: int) -> Callable[[Registry], None]:
    def deploy(registry: Registry) -> None:
        Chain(*ACCOUNTS).deploy("AssetRegistry", "Test", members, threshold)

    return deploy


def does(who: str, name: str, *args: Any) -> Callable[[Registry], None]:
    return lambda registry: registry.send(who, name, *args) and None


def twice(who: str, name: str, *args: Any) -> Callable[[Registry], None]:
    def step(registry: Registry) -> None:
        registry.send(who, name, *args)
        registry.send(who, name, *args)

    return step


def on_version(who: str, name: str, *args: Any) -> Callable[[Registry], None]:
    return lambda registry: registry.send(who, name, registry.version(), *args) and None


def on_asset(who: str, name: str, *args: Any) -> Callable[[Registry], None]:
    return lambda registry: registry.send(who, name, registry.asset(), *args) and None


def revoked_parent(registry: Registry) -> None:
    asset = registry.asset()
    parent = registry.version(asset)
    registry.vote("revoke", parent, X)
    registry.version(asset, "2", parents=(parent,))


def approved_twice(registry: Registry) -> None:
    version = registry.version()
    registry.approve(version, "ben", "ben")


def version_twice(registry: Registry) -> None:
    asset = registry.asset()
    registry.version(asset)
    registry.version(asset)


def of_another_asset(registry: Registry) -> None:
    registry.send("ann", "rollback", registry.asset("other"), registry.active(), X)


def too_many_parents(registry: Registry) -> None:
    registry.version(parents=(X,) * 65)


def crowd(registry: Registry) -> None:
    founded([((i + 1).to_bytes(20, "big"), digest(str(i)), ALL) for i in range(65)], 1)(registry)


def give(who: str, to: bytes, owner: str = "ann") -> Callable[[Registry], None]:
    return lambda registry: registry.send(who, "transferFrom", address(owner), to, registry.asset()) and None


REGISTRY: dict[str, Callable[[Registry], None]] = {
    "NotMember": does("eve", "setPolicy", 0, X),
    "MissingRole": does("ada", "createAsset", 1, "n", address("ada"), 0),
    "NotOfOrganisation": does("ann", "setMember", address("bob"), digest("gamma"), 0),
    "MemberExists": founded([*MEMBERS, MEMBERS[0]], 2),
    "BadRoles": does("ann", "setMember", address("dan"), digest("delta"), 16),
    "ZeroValue": does("ann", "registerKey", ZERO, 0, 1),
    "Unchanged": does("ann", "setThreshold", 2),
    "TooManyOrganisations": crowd,
    "QuorumUnreachable": does("ann", "setThreshold", 4),
    "AlreadyVoted": twice("ann", "setPolicy", 0, X),
    "NoVote": does("ann", "retract", X),
    "UnknownAsset": does("ann", "propose", 7, "1", X, X, []),
    "AssetExists": twice("ann", "createAsset", 1, "n", address("ann"), 0),
    "BadKind": does("ann", "createAsset", 3, "n", address("ann"), 0),
    "BadLength": does("ann", "createAsset", 1, "", address("ann"), 0),
    "NotAssetPublisher": on_asset("ben", "propose", "1", X, X, []),
    "VersionExists": version_twice,
    "UnknownVersion": does("ann", "activate", X),
    "ParentRevoked": revoked_parent,
    "TooManyParents": too_many_parents,
    "OwnProposal": on_version("ann", APPROVE, X),
    "AlreadyApproved": approved_twice,
    "WrongRound": on_version("ben", "approveRound", 2, X),
    "WrongStatus": on_version("ann", "activate"),
    "WrongAsset": of_another_asset,
    "KeyExists": twice("ann", "registerKey", X, 0, 1),
    "UnknownKey": does("ann", "revokeKey", X, 0),
    "BadWindow": does("ann", "registerKey", X, 1, 0),
    "ERC2981InvalidTokenRoyalty": does("ann", "createAsset", 1, "n", address("ann"), 10_001),
    "ERC2981InvalidTokenRoyaltyReceiver": does("ann", "createAsset", 1, "n", bytes(20), 1),
    "ERC721IncorrectOwner": give("ann", address("dan"), owner="ben"),
    "ERC721InsufficientApproval": give("eve", address("eve")),
    "ERC721InvalidReceiver": give("ann", bytes(20)),
    "ERC721InvalidApprover": lambda r: r.send("eve", "approve(address,uint256)", address("eve"), r.asset()) and None,
    "ERC721InvalidOperator": does("ann", "setApprovalForAll", bytes(20), True),
    "ERC721InvalidOwner": lambda registry: registry.call("balanceOf", bytes(20)),
    "ERC721NonexistentToken": lambda registry: registry.call("ownerOf", 7),
}


def opened(anchor: Contract) -> bytes:
    result: bytes = anchor.send("ann", "open", "origin", 1, X).result
    return result


ANCHOR: dict[str, Callable[[Contract], Any]] = {
    "OriginExists": lambda anchor: (opened(anchor), opened(anchor)),
    "UnknownOrigin": lambda anchor: anchor.send("ann", "anchor", X, 1, X),
    "NotWriter": lambda anchor: anchor.send("ben", "anchor", opened(anchor), 2, X),
    "NotGrowing": lambda anchor: anchor.send("ann", "anchor", opened(anchor), 1, X),
    "BadRoot": lambda anchor: anchor.send("ann", "open", "origin", 1, ZERO),
    "BadLength": lambda anchor: anchor.send("ann", "open", "", 1, X),
    "BadWriter": lambda anchor: anchor.send("ann", "handOver", opened(anchor), bytes(20)),
}


@pytest.mark.parametrize("error", REGISTRY)
def test_the_registry_refuses_with(registry: Registry, error: str) -> None:
    with pytest.raises(Refused) as caught:
        REGISTRY[error](registry)
    assert caught.value.name == error


@pytest.mark.parametrize("error", ANCHOR)
def test_the_anchor_refuses_with(anchor: Contract, error: str) -> None:
    with pytest.raises(Refused) as caught:
        ANCHOR[error](anchor)
    assert caught.value.name == error


@pytest.mark.parametrize(("name", "reached"), [("AssetRegistry", REGISTRY), ("CheckpointAnchor", ANCHOR)])
def test_no_declared_error_is_left_out(name: str, reached: dict[str, Any]) -> None:
    declared = {str(item["name"]) for item in artifact(name).abi if item["type"] == "error"}
    assert declared - set(UNREACHABLE) == set(reached)


def test_calldata_that_is_no_call_is_refused_without_a_reason(registry: Registry, anchor: Contract) -> None:
    for contract, data in ((registry.contract, b"\xff\xff\xff\xff"), (anchor, b""), (anchor, b"\x00")):
        _, computation, _ = contract.chain.transact("ann", contract.address, data)
        assert (computation.is_error, computation.output) == (True, b"")
    short = registry.contract.interface.encode("setPolicy", (0, X))[:-1]
    _, computation, _ = registry.contract.chain.transact("ann", registry.contract.address, short)
    assert (computation.is_error, computation.output) == (True, b"")


def test_arguments_that_do_not_fit_their_type_are_refused(registry: Registry) -> None:
    contract = registry.contract
    data = bytearray(contract.interface.encode("setMember", (address("dan"), digest("delta"), PUBLISHER)))
    for place in (4, -2):  # high bytes of the address and of the uint8
        wide = bytearray(data)
        wide[place] = 1
        _, computation, _ = contract.chain.transact("ann", contract.address, bytes(wide))
        assert computation.is_error
    _, computation, _ = contract.chain.transact("ann", contract.address, bytes(data))
    assert not computation.is_error


@pytest.mark.parametrize("name", ["AssetRegistry", "CheckpointAnchor"])
def test_no_function_takes_ether(name: str) -> None:
    mutability = {item["stateMutability"] for item in artifact(name).abi if "stateMutability" in item}
    assert mutability <= {"nonpayable", "view", "pure"}
