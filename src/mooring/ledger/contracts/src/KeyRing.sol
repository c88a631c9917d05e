// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Quorum} from "./Quorum.sol";

/// @title KeyRing
/// @notice Which organisation's key may have signed an attestation at which time. A key belongs to one organisation for
/// ever; rotation means registering the next key and letting, or making, the last one end.
/// @dev Times are seconds since 1970 and are compared with the time that an attestation claims, never with block time.
abstract contract KeyRing is Quorum {
    /// @dev One key, in one storage slot. `holder` is the organisation's index + 1.
    struct Key {
        uint8 holder;
        bool revoked;
        uint64 notBefore;
        uint64 notAfter;
        uint64 revokedFrom;
    }

    mapping(bytes32 keyid => Key) private _keys;

    /// @notice A key became valid for an organisation.
    /// @param keyid SHA-256 of the key's SubjectPublicKeyInfo.
    /// @param org The organisation.
    /// @param notBefore First second at which it is valid.
    /// @param notAfter Last second at which it is valid.
    event KeyRegistered(bytes32 indexed keyid, bytes32 indexed org, uint64 notBefore, uint64 notAfter);

    /// @notice A key ended early.
    /// @param keyid The key.
    /// @param org Its organisation.
    /// @param from First second at which it is no longer valid.
    event KeyRevoked(bytes32 indexed keyid, bytes32 indexed org, uint64 from);

    /// @notice The key is already registered.
    /// @param keyid The key.
    error KeyExists(bytes32 keyid);
    /// @notice The key was never registered.
    /// @param keyid The key.
    error UnknownKey(bytes32 keyid);
    /// @notice The time window is empty.
    /// @param notBefore First second given.
    /// @param notAfter Last second given.
    error BadWindow(uint64 notBefore, uint64 notAfter);

    /// @notice Registers a key for the caller's organisation.
    /// @param keyid SHA-256 of the key's SubjectPublicKeyInfo.
    /// @param notBefore First second at which it is valid.
    /// @param notAfter Last second at which it is valid.
    function registerKey(bytes32 keyid, uint64 notBefore, uint64 notAfter) external {
        Seat memory seat = _requireMember();
        if (keyid == 0) revert ZeroValue("keyid");
        if (notBefore > notAfter) revert BadWindow(notBefore, notAfter);
        if (_keys[keyid].holder != 0) revert KeyExists(keyid);
        _keys[keyid] = Key(seat.org + 1, false, notBefore, notAfter, 0);
        emit KeyRegistered(keyid, _organisation(seat.org), notBefore, notAfter);
    }

    /// @notice Ends a key from a time on, which may lie in the past; a later call may only move that time back.
    /// @param keyid The key.
    /// @param from First second at which it is no longer valid.
    function revokeKey(bytes32 keyid, uint64 from) external {
        Seat memory seat = _requireMember();
        Key memory key = _keys[keyid];
        if (key.holder == 0) revert UnknownKey(keyid);
        bytes32 org = _organisation(key.holder - 1);
        if (seat.org != key.holder - 1 && seat.roles & GUARDIAN == 0) revert NotOfOrganisation(msg.sender, org);
        if (key.revoked && from >= key.revokedFrom) revert Unchanged();
        _keys[keyid].revoked = true;
        _keys[keyid].revokedFrom = from;
        emit KeyRevoked(keyid, org, from);
    }

    /// @notice Whether a signature by the key, made at the time, counts.
    /// @param keyid The key.
    /// @param time Seconds since 1970.
    /// @return valid True if it was registered, the time lies in its window, and before its revocation if it has one.
    function keyValid(bytes32 keyid, uint64 time) external view returns (bool valid) {
        Key memory key = _keys[keyid];
        if (key.holder == 0 || time < key.notBefore || time > key.notAfter) return false;
        return !key.revoked || time < key.revokedFrom;
    }

    /// @notice Everything known about a key.
    /// @param keyid The key.
    /// @return org Its organisation; 0 if the key is unknown.
    /// @return notBefore First second at which it is valid.
    /// @return notAfter Last second at which it is valid.
    /// @return revoked Whether it was revoked.
    /// @return revokedFrom First second at which it is no longer valid, if it was revoked.
    function keyOf(
        bytes32 keyid
    ) external view returns (bytes32 org, uint64 notBefore, uint64 notAfter, bool revoked, uint64 revokedFrom) {
        Key memory key = _keys[keyid];
        if (key.holder != 0) org = _organisation(key.holder - 1);
        return (org, key.notBefore, key.notAfter, key.revoked, key.revokedFrom);
    }
}
