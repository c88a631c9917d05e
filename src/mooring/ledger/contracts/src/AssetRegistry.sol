// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ERC721} from "@openzeppelin/contracts/token/ERC721/ERC721.sol";
import {Assets} from "./Assets.sol";
import {Quorum} from "./Quorum.sol";

/// @title AssetRegistry
/// @notice Data sets and models as ERC-721 tokens with ERC-2981 royalties, and the life of their versions: proposed by a
/// publisher, approved by `threshold` distinct organisations, activated by an operator, suspended by any one guardian.
/// @dev A version takes three storage slots. Its asset and its proposer are kept as small numbers, which saves a slot.
contract AssetRegistry is Assets {
    /// @notice Where a version stands. REVOKED and RETIRED are final.
    enum Status {
        NONE,
        PROPOSED,
        APPROVED,
        ACTIVE,
        SUSPENDED,
        REVOKED,
        RETIRED
    }

    /// @dev What changes about a version, and the numbers of its asset and proposer, in one storage slot. `approvals` is
    /// a bitmap over organisation indices. `epoch` is that of the approvals: while they are being collected, those of an
    /// earlier epoch do not count.
    struct State {
        uint64 approvals;
        uint64 asset;
        uint32 proposer;
        uint32 round;
        uint32 epoch;
        Status status;
    }

    /// @dev A version, in three storage slots.
    struct Version {
        bytes32 manifest;
        bytes32 attestation;
        State state;
    }

    /// @notice Most parents of one version.
    uint256 public constant MAX_PARENTS = 64;

    mapping(bytes32 version => Version) private _versions;

    /// @notice The version that is served by default; 0 if there is none.
    mapping(uint256 asset => bytes32 version) public current;

    /// @notice A version was registered.
    /// @param version Its id: keccak256(abi.encode(asset, label)).
    /// @param asset The asset.
    /// @param proposer The account that registered it.
    /// @param manifest Digest of the manifest.
    /// @param attestation Digest of the attestation.
    /// @param label The version's label.
    /// @param parents The versions that it was made from.
    event Proposed(
        bytes32 indexed version,
        uint256 indexed asset,
        address indexed proposer,
        bytes32 manifest,
        bytes32 attestation,
        string label,
        bytes32[] parents
    );

    /// @notice An organisation approved a version.
    /// @param version The version.
    /// @param org The organisation for which the approval counts.
    /// @param approver The account that approved.
    /// @param evidence Digest of what the approval rests on, or 0.
    /// @param approvals How many distinct organisations have approved in this round now.
    event Approved(
        bytes32 indexed version,
        bytes32 indexed org,
        address indexed approver,
        bytes32 evidence,
        uint8 approvals
    );

    /// @notice A version went from one status to another.
    /// @param version The version.
    /// @param from The status that it had.
    /// @param to The status that it has.
    /// @param actor The account that caused it.
    /// @param reason Digest of the reason, or 0.
    event StatusChanged(bytes32 indexed version, uint8 from, uint8 to, address actor, bytes32 reason);

    /// @notice Another version of the asset is served by default.
    /// @param asset The asset.
    /// @param from The version before, or 0.
    /// @param to The version from now on, or 0.
    event CurrentChanged(uint256 indexed asset, bytes32 from, bytes32 to);

    /// @notice An operator went back to another active version.
    /// @param asset The asset.
    /// @param to The version served by default from now on.
    /// @param actor The operator.
    /// @param reason Digest of the reason, or 0.
    event RolledBack(uint256 indexed asset, bytes32 indexed to, address actor, bytes32 reason);

    /// @notice The asset already has a version with this label.
    /// @param version Its id.
    error VersionExists(bytes32 version);
    /// @notice There is no such version.
    /// @param version The id.
    error UnknownVersion(bytes32 version);
    /// @notice A parent was revoked.
    /// @param parent Its id.
    error ParentRevoked(bytes32 parent);
    /// @notice Too many parents.
    /// @param count How many were given.
    error TooManyParents(uint256 count);
    /// @notice Nobody approves what they proposed.
    /// @param version The version.
    error OwnProposal(bytes32 version);
    /// @notice The organisation's approval is already counted in this round.
    /// @param version The version.
    /// @param org The organisation.
    error AlreadyApproved(bytes32 version, bytes32 org);
    /// @notice The version is in another approval round than the one that the approver looked at.
    /// @param version The version.
    /// @param round The round that it is in.
    error WrongRound(bytes32 version, uint32 round);
    /// @notice The version's status does not allow the step.
    /// @param version The version.
    /// @param status Its status.
    error WrongStatus(bytes32 version, uint8 status);
    /// @notice The version belongs to another asset.
    /// @param version The version.
    /// @param asset The asset given.
    error WrongAsset(bytes32 version, uint256 asset);

    /// @notice Founds a registry.
    /// @param collection Its name, as ERC-721 shows it.
    /// @param members The founding members.
    /// @param threshold How many distinct organisations must agree.
    constructor(
        string memory collection,
        Member[] memory members,
        uint8 threshold
    ) ERC721(collection, "MOORING") Quorum(members, threshold) {}

    /// @notice Registers a version of an asset.
    /// @dev The caller is a publisher and the asset's owner, approved for it by ERC-721, or a member of the owner's
    /// organisation (the owner's last one, if the owner was removed: an organisation does not lose its assets with a
    /// member).
    /// @param asset The asset.
    /// @param label The version's label, at most MAX_TEXT bytes; unique within the asset for ever.
    /// @param manifest Digest of the manifest; not 0.
    /// @param attestation Digest of the attestation; not 0.
    /// @param parents The versions that it was made from, at most MAX_PARENTS; each known and not revoked.
    /// @return version The version's id.
    function propose(
        uint256 asset,
        string calldata label,
        bytes32 manifest,
        bytes32 attestation,
        bytes32[] calldata parents
    ) external returns (bytes32 version) {
        Seat memory seat = _requireRole(PUBLISHER);
        uint64 number = _requireAsset(asset);
        _requirePublisher(seat, asset);
        _requireLength(bytes(label).length);
        if (manifest == 0) revert ZeroValue("manifest");
        if (attestation == 0) revert ZeroValue("attestation");
        version = keccak256(abi.encode(asset, label));
        if (_versions[version].state.status != Status.NONE) revert VersionExists(version);
        _requireParents(parents);
        _versions[version] = Version(manifest, attestation, State(0, number, seat.number, 1, 0, Status.PROPOSED));
        emit Proposed(version, asset, msg.sender, manifest, attestation, label, parents);
    }

    /// @notice Approves a version for the caller's organisation in whatever round it is in.
    /// @param version The version, proposed or suspended.
    /// @param evidence Digest of what the approval rests on, or 0.
    function approve(bytes32 version, bytes32 evidence) external {
        Seat memory seat = _requireRole(APPROVER);
        _approve(seat, version, _load(version), evidence);
    }

    /// @notice Approves a version for the caller's organisation, but only in this round: an approval on its way when a
    /// guardian suspends the version is refused instead of counted afresh.
    /// @param version The version, proposed or suspended.
    /// @param round The round that the approver looked at, as `versionOf` gives it.
    /// @param evidence Digest of what the approval rests on, or 0.
    function approveRound(bytes32 version, uint32 round, bytes32 evidence) external {
        Seat memory seat = _requireRole(APPROVER);
        State memory state = _load(version);
        if (state.round != round) revert WrongRound(version, state.round);
        _approve(seat, version, state, evidence);
    }

    /// @notice Makes an approved version active, and the one that is served by default.
    /// @param version The version.
    function activate(bytes32 version) external {
        _requireRole(OPERATOR);
        State memory state = _load(version);
        if (state.status != Status.APPROVED) revert WrongStatus(version, uint8(state.status));
        _move(version, state, Status.ACTIVE, 0);
        _serve(_assetAt(state.asset), version);
    }

    /// @notice Stops a version at once; any one guardian suffices. Its approvals are void and a new round begins.
    /// @param version The version, proposed, approved or active.
    /// @param reason Digest of the reason, or 0.
    function suspend(bytes32 version, bytes32 reason) external {
        _requireRole(GUARDIAN);
        State memory state = _load(version);
        if (state.status > Status.ACTIVE) revert WrongStatus(version, uint8(state.status));
        state.approvals = 0;
        ++state.round;
        _move(version, state, Status.SUSPENDED, reason);
    }

    /// @notice Serves another active version of the asset by default.
    /// @param asset The asset.
    /// @param toVersion The version; active, of this asset, and not the current one.
    /// @param reason Digest of the reason, or 0.
    function rollback(uint256 asset, bytes32 toVersion, bytes32 reason) external {
        _requireRole(OPERATOR);
        uint64 number = _requireAsset(asset);
        State memory state = _load(toVersion);
        if (state.asset != number) revert WrongAsset(toVersion, asset);
        if (state.status != Status.ACTIVE) revert WrongStatus(toVersion, uint8(state.status));
        if (current[asset] == toVersion) revert Unchanged();
        _serve(asset, toVersion);
        emit RolledBack(asset, toVersion, msg.sender, reason);
    }

    /// @notice Ends a version in good standing, for ever.
    /// @param version The version, approved, active or suspended.
    /// @param reason Digest of the reason, or 0.
    function retire(bytes32 version, bytes32 reason) external {
        _requireRole(OPERATOR);
        State memory state = _load(version);
        if (state.status < Status.APPROVED || state.status > Status.SUSPENDED) {
            revert WrongStatus(version, uint8(state.status));
        }
        _move(version, state, Status.RETIRED, reason);
    }

    /// @notice Votes to end a version as bad, for ever; nothing can be made from it any more.
    /// @param version The version, in any status that is not final.
    /// @param reason Digest of the reason, or 0.
    function revoke(bytes32 version, bytes32 reason) external {
        Seat memory seat = _requireMember();
        State memory state = _load(version);
        if (state.status > Status.SUSPENDED) revert WrongStatus(version, uint8(state.status));
        bytes32 subject = keccak256(abi.encode(this.revoke.selector, version));
        if (!_vote(seat, subject, abi.encodeCall(this.revoke, (version, reason)))) return;
        _move(version, state, Status.REVOKED, reason);
    }

    /// @notice Everything kept about a version; all zero if it is unknown.
    /// @param version The version.
    /// @return asset Its asset.
    /// @return manifest Digest of its manifest.
    /// @return attestation Digest of its attestation.
    /// @return proposer The account that registered it.
    /// @return status Its status.
    /// @return approvals Bitmap of the organisations whose approvals count, or counted when it was approved.
    /// @return round Its approval round, counted from 1.
    function versionOf(
        bytes32 version
    )
        external
        view
        returns (
            uint256 asset,
            bytes32 manifest,
            bytes32 attestation,
            address proposer,
            uint8 status,
            uint64 approvals,
            uint32 round
        )
    {
        Version storage found = _versions[version];
        State memory state = found.state;
        _settle(state);
        return (
            _assetAt(state.asset),
            found.manifest,
            found.attestation,
            _accountAt(state.proposer),
            uint8(state.status),
            state.approvals,
            state.round
        );
    }

    /// @dev Counts the caller's approval of a version just loaded, and completes its quorum if this was missing.
    function _approve(Seat memory seat, bytes32 version, State memory state, bytes32 evidence) private {
        if (!_collecting(state.status)) revert WrongStatus(version, uint8(state.status));
        if (seat.number == state.proposer) revert OwnProposal(version);
        bytes32 org = _organisation(seat.org);
        uint64 bit = uint64(1) << seat.org;
        if (state.approvals & bit != 0) revert AlreadyApproved(version, org);
        state.approvals |= bit;
        uint8 count = _count(state.approvals);
        (uint8 threshold, ) = _rule();
        emit Approved(version, org, msg.sender, evidence, count);
        if (count < threshold) _versions[version].state = state;
        else _move(version, state, Status.APPROVED, 0);
    }

    /// @dev Voids approvals of an earlier epoch while they are being collected; a completed quorum stays complete.
    function _settle(State memory state) private view {
        if (!_collecting(state.status)) return;
        (, uint32 epoch) = _rule();
        if (state.epoch == epoch) return;
        state.epoch = epoch;
        if (state.approvals == 0) return;
        state.approvals = 0;
        ++state.round;
    }

    /// @dev Writes a version's state with a new status, and reports it. One that stops being active is no longer served.
    function _move(bytes32 version, State memory state, Status to, bytes32 reason) private {
        Status from = state.status;
        emit StatusChanged(version, uint8(from), uint8(to), msg.sender, reason);
        state.status = to;
        _versions[version].state = state;
        if (from != Status.ACTIVE) return;
        uint256 asset = _assetAt(state.asset);
        if (current[asset] == version) _serve(asset, 0);
    }

    /// @dev Serves a version by default, or none.
    function _serve(uint256 asset, bytes32 version) private {
        emit CurrentChanged(asset, current[asset], version);
        current[asset] = version;
    }

    /// @dev The state of a version as it counts now, or `UnknownVersion`.
    function _load(bytes32 version) private view returns (State memory state) {
        state = _versions[version].state;
        if (state.status == Status.NONE) revert UnknownVersion(version);
        _settle(state);
    }

    /// @dev Refuses parents that are unknown or revoked.
    function _requireParents(bytes32[] calldata parents) private view {
        if (parents.length > MAX_PARENTS) revert TooManyParents(parents.length);
        for (uint256 i = 0; i < parents.length; ++i) {
            Status status = _versions[parents[i]].state.status;
            if (status == Status.NONE) revert UnknownVersion(parents[i]);
            if (status == Status.REVOKED) revert ParentRevoked(parents[i]);
        }
    }

    /// @dev Whether approvals are being collected.
    function _collecting(Status status) private pure returns (bool) {
        return status == Status.PROPOSED || status == Status.SUSPENDED;
    }
}
