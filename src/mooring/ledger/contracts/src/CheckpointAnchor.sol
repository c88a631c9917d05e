// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title CheckpointAnchor
/// @notice The latest size and root of any number of append-only logs, each written by one account. Open to everyone:
/// an origin's id contains the account that opened it, so nobody can speak for another's log.
/// @dev A log is an RFC 6962 Merkle tree. The contract cannot see the log, so it enforces only that the size grows; the
/// history of `Anchored` events is what a consistency proof is checked against.
contract CheckpointAnchor {
    /// @dev Two storage slots: who may write and how large the log is; its root.
    struct Origin {
        address writer;
        uint64 size;
        bytes32 root;
    }

    /// @notice Root of the empty log: SHA-256 of nothing (RFC 6962 section 2.1).
    bytes32 public constant EMPTY_ROOT = 0xe3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855;
    /// @notice Longest origin string, in bytes.
    uint256 public constant MAX_TEXT = 256;

    mapping(bytes32 originId => Origin) private _origins;

    /// @notice A log was opened.
    /// @param originId Its id: keccak256(abi.encode(writer, origin)).
    /// @param writer The account that opened it.
    /// @param origin Its C2SP origin.
    event OriginOpened(bytes32 indexed originId, address writer, string origin);

    /// @notice A checkpoint was anchored.
    /// @param originId The log.
    /// @param size Its number of leaves.
    /// @param root Its root.
    event Anchored(bytes32 indexed originId, uint64 size, bytes32 root);

    /// @notice Another account writes from now on.
    /// @param originId The log.
    /// @param from The writer before.
    /// @param to The writer from now on.
    event HandedOver(bytes32 indexed originId, address from, address to);

    /// @notice The caller already opened this origin.
    /// @param originId Its id.
    error OriginExists(bytes32 originId);
    /// @notice There is no such origin.
    /// @param originId The id.
    error UnknownOrigin(bytes32 originId);
    /// @notice Only the writer may do this.
    /// @param originId The log.
    /// @param account The account that tried.
    error NotWriter(bytes32 originId, address account);
    /// @notice A checkpoint must be larger than the last one.
    /// @param originId The log.
    /// @param size The size anchored last.
    /// @param offered The size offered.
    error NotGrowing(bytes32 originId, uint64 size, uint64 offered);
    /// @notice The root is zero, or is not that of an empty log while the size is 0, or the reverse.
    /// @param size The size offered.
    /// @param root The root offered.
    error BadRoot(uint64 size, bytes32 root);
    /// @notice The origin string is empty or too long.
    /// @param length Its length in bytes.
    error BadLength(uint256 length);
    /// @notice The new writer is the zero address or the present writer.
    /// @param writer The address given.
    error BadWriter(address writer);

    /// @notice Opens a log that the caller writes.
    /// @param origin Its C2SP origin, at most MAX_TEXT bytes.
    /// @param size Its number of leaves.
    /// @param root Its root.
    /// @return originId The log's id.
    function open(string calldata origin, uint64 size, bytes32 root) external returns (bytes32 originId) {
        uint256 length = bytes(origin).length;
        if (length == 0 || length > MAX_TEXT) revert BadLength(length);
        _requireRoot(size, root);
        originId = keccak256(abi.encode(msg.sender, origin));
        if (_origins[originId].writer != address(0)) revert OriginExists(originId);
        _origins[originId] = Origin(msg.sender, size, root);
        emit OriginOpened(originId, msg.sender, origin);
        emit Anchored(originId, size, root);
    }

    /// @notice Anchors a larger checkpoint.
    /// @param originId The log.
    /// @param size Its number of leaves.
    /// @param root Its root.
    function anchor(bytes32 originId, uint64 size, bytes32 root) external {
        Origin storage origin = _requireWriter(originId);
        if (size <= origin.size) revert NotGrowing(originId, origin.size, size);
        _requireRoot(size, root);
        origin.size = size;
        origin.root = root;
        emit Anchored(originId, size, root);
    }

    /// @notice Lets another account write the log.
    /// @param originId The log; its id stays.
    /// @param writer The account that writes from now on.
    function handOver(bytes32 originId, address writer) external {
        Origin storage origin = _requireWriter(originId);
        if (writer == address(0) || writer == msg.sender) revert BadWriter(writer);
        origin.writer = writer;
        emit HandedOver(originId, msg.sender, writer);
    }

    /// @notice The latest checkpoint of a log; all zero if it is unknown.
    /// @param originId The log.
    /// @return writer Who writes it.
    /// @return size Its number of leaves.
    /// @return root Its root.
    function latest(bytes32 originId) external view returns (address writer, uint64 size, bytes32 root) {
        Origin memory origin = _origins[originId];
        return (origin.writer, origin.size, origin.root);
    }

    /// @notice Whether a leaf lies in the latest checkpoint of a log (RFC 9162 section 2.1.3.2).
    /// @param originId The log.
    /// @param leafHash SHA-256(0x00 || entry).
    /// @param index The leaf's place, from 0.
    /// @param proof The audit path, from the leaf up.
    /// @return included True only if the path leads to the root and has the one length that it can have.
    function verifyInclusion(
        bytes32 originId,
        bytes32 leafHash,
        uint64 index,
        bytes32[] calldata proof
    ) external view returns (bool included) {
        Origin memory origin = _origins[originId];
        if (index >= origin.size) return false;
        uint64 last = origin.size - 1;
        bytes32 node = leafHash;
        for (uint256 i = 0; i < proof.length; ++i) {
            if (last == 0) return false;
            if (index & 1 == 1 || index == last) {
                node = _parent(proof[i], node);
                for (; index & 1 == 0 && index != 0; last >>= 1) index >>= 1;
            } else {
                node = _parent(node, proof[i]);
            }
            index >>= 1;
            last >>= 1;
        }
        return last == 0 && node == origin.root;
    }

    /// @dev The origin, if the caller writes it.
    function _requireWriter(bytes32 originId) private view returns (Origin storage origin) {
        origin = _origins[originId];
        if (origin.writer == address(0)) revert UnknownOrigin(originId);
        if (origin.writer != msg.sender) revert NotWriter(originId, msg.sender);
    }

    /// @dev Refuses a root that no log of this size can have.
    function _requireRoot(uint64 size, bytes32 root) private pure {
        if (root == 0 || (size == 0) != (root == EMPTY_ROOT)) revert BadRoot(size, root);
    }

    /// @dev Hash of an inner node (RFC 6962 section 2.1).
    function _parent(bytes32 left, bytes32 right) private pure returns (bytes32) {
        return sha256(abi.encodePacked(bytes1(0x01), left, right));
    }
}
