"""Assets: creation, royalties, ownership, policy."""

from __future__ import annotations

import pytest
from eth_utils import keccak, to_checksum_address
from localchain import address
from people import PUBLISHER, Registry, digest


def test_a_publisher_creates_an_asset_that_it_owns(registry: Registry) -> None:
    outcome = registry.send("ann", "createAsset", 1, "breast-cancer", address("ann"), 250)
    asset = int.from_bytes(keccak(text="breast-cancer"), "big")
    assert outcome.result == asset
    owner = to_checksum_address(address("ann")).lower()
    assert outcome.event("AssetCreated") == {"asset": asset, "kind": 1, "owner": owner, "name": "breast-cancer"}
    assert registry.call("ownerOf", asset) == owner
    assert registry.call("kindOf", asset) == 1
    assert registry.call("name") == "Test"
    assert registry.call("symbol") == "MOORING"
    assert registry.call("tokenURI", asset) == ""


def test_a_member_without_the_role_does_not_create_assets(registry: Registry) -> None:
    (account, role) = registry.refuses("MissingRole", "ada", "createAsset", 1, "x", address("ada"), 0)
    assert (account, role) == (to_checksum_address(address("ada")).lower(), PUBLISHER)


def test_a_stranger_does_not_create_assets(registry: Registry) -> None:
    registry.refuses("NotMember", "eve", "createAsset", 1, "x", address("eve"), 0)


def test_a_removed_publisher_does_not_create_assets(registry: Registry) -> None:
    registry.seat("bob", "beta", 0)
    registry.refuses("NotMember", "bob", "createAsset", 1, "x", address("bob"), 0)


def test_a_name_is_taken_for_ever_by_whoever_was_first(registry: Registry) -> None:
    asset = registry.asset("model")
    assert registry.refuses("AssetExists", "ben", "createAsset", 2, "model", address("ben"), 0) == (asset,)
    assert registry.asset("Model") != asset


@pytest.mark.parametrize("kind", [0, 3, 255])
def test_an_unknown_kind_is_refused(registry: Registry, kind: int) -> None:
    assert registry.refuses("BadKind", "ann", "createAsset", kind, "x", address("ann"), 0) == (kind,)


def test_a_name_has_1_to_256_bytes(registry: Registry) -> None:
    registry.asset("n")
    registry.asset("é" * 128)
    for name in ("", "n" * 257, "é" * 129):
        assert registry.refuses("BadLength", "ann", "createAsset", 1, name, address("ann"), 0) == (len(name.encode()),)


def test_the_royalty_is_what_its_creator_set(registry: Registry) -> None:
    asset = registry.send("ann", "createAsset", 2, "m", address("dan"), 250).result
    receiver, amount = registry.call("royaltyInfo", asset, 10_000)
    assert (receiver, amount) == (to_checksum_address(address("dan")).lower(), 250)


def test_no_royalty_needs_no_receiver(registry: Registry) -> None:
    asset = registry.send("ann", "createAsset", 2, "m", bytes(20), 0).result
    assert registry.call("royaltyInfo", asset, 10_000) == ("0x" + "00" * 20, 0)


def test_a_royalty_above_the_price_or_for_nobody_is_refused(registry: Registry) -> None:
    registry.refuses("ERC2981InvalidTokenRoyalty", "ann", "createAsset", 2, "m", address("ann"), 10_001)
    registry.refuses("ERC2981InvalidTokenRoyaltyReceiver", "ann", "createAsset", 2, "m", bytes(20), 1)
    assert registry.send("ann", "createAsset", 2, "m", address("ann"), 10_000).result


@pytest.mark.parametrize(
    ("interface", "supported"),
    [("01ffc9a7", True), ("80ac58cd", True), ("5b5e139f", True), ("2a55205a", True), ("ffffffff", False)],
    ids=["ERC-165", "ERC-721", "ERC-721 metadata", "ERC-2981", "the invalid id"],
)
def test_the_registry_says_which_interfaces_it_supports(registry: Registry, interface: str, supported: bool) -> None:
    assert registry.call("supportsInterface", bytes.fromhex(interface)) is supported


def test_the_owner_may_sell_and_a_stranger_may_not(registry: Registry) -> None:
    asset = registry.asset()
    registry.refuses("ERC721InsufficientApproval", "eve", "transferFrom", address("ann"), address("eve"), asset)
    registry.send("ann", "transferFrom", address("ann"), address("eve"), asset)
    assert registry.call("ownerOf", asset) == to_checksum_address(address("eve")).lower()


def test_a_policy_needs_two_organisations(registry: Registry) -> None:
    asset = registry.asset()
    registry.send("ann", "setPolicy", asset, digest("p"))
    assert registry.call("policy", asset) == bytes(32)
    outcome = registry.send("ben", "setPolicy", asset, digest("p"))
    assert outcome.event("PolicySet") == {"asset": asset, "digest": digest("p")}
    assert registry.call("policy", asset) == digest("p")


def test_an_asset_without_a_policy_has_that_of_every_asset(registry: Registry) -> None:
    asset, other = registry.asset("model"), registry.asset("other")
    registry.vote("setPolicy", 0, digest("all"))
    registry.vote("setPolicy", asset, digest("own"))
    assert [registry.call("policy", each) for each in (asset, other, 0)] == [digest(w) for w in ("own", "all", "all")]
    registry.vote("setPolicy", asset, bytes(32))
    assert registry.call("policy", asset) == digest("all")


def test_a_policy_for_no_asset_is_refused(registry: Registry) -> None:
    assert registry.refuses("UnknownAsset", "ann", "setPolicy", 7, digest("p")) == (7,)


def test_a_policy_that_already_holds_is_not_voted_on(registry: Registry) -> None:
    registry.vote("setPolicy", 0, digest("p"))
    registry.refuses("Unchanged", "cem", "setPolicy", 0, digest("p"))
    registry.refuses("Unchanged", "cem", "setPolicy", registry.asset(), bytes(32))


def test_a_stranger_has_no_vote_on_policies(registry: Registry) -> None:
    registry.refuses("NotMember", "eve", "setPolicy", 0, digest("p"))


def test_any_role_may_vote(registry: Registry) -> None:
    assert registry.send("ada", "setPolicy", 0, digest("p")).event("Voted")["votes"] == 1
    assert registry.send("bob", "setPolicy", 0, digest("p")).event("Voted")["votes"] == 2
