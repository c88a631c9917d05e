// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ERC721} from "@openzeppelin/contracts/token/ERC721/ERC721.sol";
import {ERC2981} from "@openzeppelin/contracts/token/common/ERC2981.sol";
import {KeyRing} from "./KeyRing.sol";

/// @title Assets
/// @notice Data sets and models as ERC-721 tokens with ERC-2981 royalties, who may publish for them, and the policies that
/// hold for them.
abstract contract Assets is ERC721, ERC2981, KeyRing {
    /// @dev `number` starts at 1 and stands for the asset inside versions.
    struct Asset {
        uint64 number;
        uint8 kind;
    }

    /// @notice Asset kind: a data set.
    uint8 public constant DATA_SET = 1;
    /// @notice Asset kind: a model.
    uint8 public constant MODEL = 2;
    /// @notice Longest name or label, in bytes.
    uint256 public constant MAX_TEXT = 256;

    mapping(uint256 asset => Asset) private _assets;
    mapping(uint256 number => uint256) private _assetIds;
    mapping(uint256 asset => bytes32) private _policies;
    uint64 private _assetCount;

    /// @notice An asset was created.
    /// @param asset Its id: keccak256 of its name, as a number; also its ERC-721 token id.
    /// @param kind DATA_SET or MODEL.
    /// @param owner The account that it was minted to.
    /// @param name Its name.
    event AssetCreated(uint256 indexed asset, uint8 kind, address indexed owner, string name);

    /// @notice The policy of an asset changed.
    /// @param asset The asset, or 0 for the policy of every asset that has none of its own.
    /// @param digest Digest of the policy, or 0 for none.
    event PolicySet(uint256 indexed asset, bytes32 digest);

    /// @notice There is no such asset.
    /// @param asset The id.
    error UnknownAsset(uint256 asset);
    /// @notice The name is taken.
    /// @param asset The id that belongs to the name.
    error AssetExists(uint256 asset);
    /// @notice The kind is neither DATA_SET nor MODEL.
    /// @param kind The value given.
    error BadKind(uint8 kind);
    /// @notice A name or label is empty or too long.
    /// @param length Its length in bytes.
    error BadLength(uint256 length);
    /// @notice The account may publish, but not for this asset.
    /// @param account The account.
    /// @param asset The asset.
    error NotAssetPublisher(address account, uint256 asset);

    /// @notice Creates a data set or a model and mints it to the caller, a publisher.
    /// @param kind DATA_SET or MODEL.
    /// @param assetName Its name, at most MAX_TEXT bytes; unique for ever.
    /// @param royaltyReceiver Who earns the royalty; 0 together with `royaltyBps` 0 for none.
    /// @param royaltyBps The royalty in hundredths of a per cent of the sale price.
    /// @return asset The asset's id.
    function createAsset(
        uint8 kind,
        string calldata assetName,
        address royaltyReceiver,
        uint96 royaltyBps
    ) external returns (uint256 asset) {
        _requireRole(PUBLISHER);
        if (kind != DATA_SET && kind != MODEL) revert BadKind(kind);
        _requireLength(bytes(assetName).length);
        asset = uint256(keccak256(bytes(assetName)));
        if (_assets[asset].number != 0) revert AssetExists(asset);
        _assetIds[++_assetCount] = asset;
        _assets[asset] = Asset(_assetCount, kind);
        _mint(msg.sender, asset);
        if (royaltyReceiver != address(0) || royaltyBps != 0) _setTokenRoyalty(asset, royaltyReceiver, royaltyBps);
        emit AssetCreated(asset, kind, msg.sender, assetName);
    }

    /// @notice Votes to set the policy of an asset.
    /// @param asset The asset, or 0 for every asset that has no policy of its own.
    /// @param digest Digest of the policy; 0 for none.
    function setPolicy(uint256 asset, bytes32 digest) external {
        Seat memory seat = _requireMember();
        if (asset != 0) _requireAsset(asset);
        if (_policies[asset] == digest) revert Unchanged();
        bytes32 subject = keccak256(abi.encode(this.setPolicy.selector, asset));
        if (!_vote(seat, subject, abi.encodeCall(this.setPolicy, (asset, digest)))) return;
        _policies[asset] = digest;
        emit PolicySet(asset, digest);
    }

    /// @notice The kind of an asset.
    /// @param asset The asset.
    /// @return kind DATA_SET, MODEL, or 0 if the asset is unknown.
    function kindOf(uint256 asset) external view returns (uint8 kind) {
        return _assets[asset].kind;
    }

    /// @notice The policy that holds for an asset: its own, else that of every asset.
    /// @param asset The asset, or 0.
    /// @return digest Digest of the policy; 0 if there is none.
    function policy(uint256 asset) external view returns (bytes32 digest) {
        digest = _policies[asset];
        if (digest == 0) digest = _policies[0];
    }

    /// @notice ERC-165: ERC-721 and ERC-2981 are supported.
    /// @param interfaceId The interface asked for.
    /// @return supported Whether it is supported.
    function supportsInterface(bytes4 interfaceId) public view override(ERC721, ERC2981) returns (bool supported) {
        return super.supportsInterface(interfaceId);
    }

    /// @dev The id of the asset with this number.
    function _assetAt(uint64 number) internal view returns (uint256 asset) {
        return _assetIds[number];
    }

    /// @dev The asset's number, or `UnknownAsset`.
    function _requireAsset(uint256 asset) internal view returns (uint64 number) {
        number = _assets[asset].number;
        if (number == 0) revert UnknownAsset(asset);
    }

    /// @dev Refuses a publisher who has nothing to do with the asset.
    function _requirePublisher(Seat memory seat, uint256 asset) internal view {
        address owner = _ownerOf(asset);
        if (owner == msg.sender) return;
        Seat memory ownerSeat = _seatOf(owner);
        if (ownerSeat.number != 0 && ownerSeat.org == seat.org) return;
        if (!_isAuthorized(owner, msg.sender, asset)) revert NotAssetPublisher(msg.sender, asset);
    }

    /// @dev Refuses an empty or overlong text.
    function _requireLength(uint256 length) internal pure {
        if (length == 0 || length > MAX_TEXT) revert BadLength(length);
    }
}
