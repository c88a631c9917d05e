// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title Quorum
/// @notice Members of several organisations who govern together: what matters happens only when `threshold` distinct
/// organisations ask for exactly the same thing. Accounts of one organisation count once.
/// @dev Two counters keep old consent from counting later. The *nonce* of a subject moves whenever a vote about that
/// subject passes, which closes every other ballot about it. The *epoch* moves whenever a member loses anything or the
/// threshold changes, which closes every ballot (and every unfinished approval round of the registry): whoever is
/// counted still holds, at that moment, the seat in whose name they spoke, and spoke under the rule that is applied.
/// An organisation keeps its index for ever, so that no bit of any bitmap can change its meaning.
abstract contract Quorum {
    /// @notice A seat as the constructor takes it.
    /// @param account The account that acts.
    /// @param org SHA-256 of the organisation's name in UTF-8.
    /// @param roles Sum of role bits, 1 to 15.
    struct Member {
        address account;
        bytes32 org;
        uint8 roles;
    }

    /// @dev One account's seat. `number` starts at 1 and is never given to another account; `roles` 0 means removed,
    /// and `org` then still names the organisation that the account belonged to last.
    struct Seat {
        uint32 number;
        uint8 org;
        uint8 roles;
    }

    /// @dev How many accounts of one organisation hold a seat, and how many of these may approve.
    struct Headcount {
        uint32 members;
        uint32 approvers;
    }

    /// @dev The state of the quorum, in one storage slot. `seated` and `approving` are bitmaps over organisation
    /// indices: those with at least one member, and those with at least one member who may approve.
    struct Charter {
        uint8 threshold;
        uint8 organisations;
        uint32 accounts;
        uint32 epoch;
        uint64 seated;
        uint64 approving;
    }

    /// @dev A change of one seat, worked out but not written. When the account stays in its organisation, `joined`
    /// already contains what `left` says and is written last.
    struct Move {
        Seat old;
        Seat next;
        Headcount left;
        Headcount joined;
        Charter charter;
        bool newOrganisation;
        bool loses;
    }

    /// @notice Role bit: may create assets and propose versions.
    uint8 public constant PUBLISHER = 1;
    /// @notice Role bit: may approve versions for its organisation.
    uint8 public constant APPROVER = 2;
    /// @notice Role bit: may activate, roll back and retire versions.
    uint8 public constant OPERATOR = 4;
    /// @notice Role bit: may suspend any version, and revoke any key, alone.
    uint8 public constant GUARDIAN = 8;
    /// @notice How many organisations one registry can ever know.
    uint8 public constant MAX_ORGANISATIONS = 64;

    uint8 private constant ALL_ROLES = 15;

    mapping(address account => Seat) private _seats;
    mapping(uint256 number => address) private _accounts;
    mapping(bytes32 org => uint256 indexPlusOne) private _indices;
    mapping(uint256 index => bytes32) private _organisations;
    mapping(uint256 index => Headcount) private _headcounts;
    mapping(bytes32 subject => uint64) private _nonces;
    mapping(bytes32 action => uint64) private _ballots;
    Charter private _charter;

    /// @notice A seat was given, changed or taken away.
    /// @param account The account.
    /// @param org Its organisation.
    /// @param roles Its roles from now on; 0 means removed.
    event MemberSet(address indexed account, bytes32 indexed org, uint8 roles);

    /// @notice The number of organisations that must agree changed.
    /// @param threshold The number from now on.
    event ThresholdSet(uint8 threshold);

    /// @notice Every open ballot and every unfinished approval round ended without effect.
    /// @param epoch The epoch that begins.
    event EpochStarted(uint32 epoch);

    /// @notice An organisation voted for an action.
    /// @param action Identifies the ballot: hash of the call, the nonce of its subject and the epoch.
    /// @param org The organisation for which the vote counts.
    /// @param voter The account that voted.
    /// @param votes How many distinct organisations have voted for the action now.
    /// @param call The action itself, as ABI-encoded calldata of this contract.
    event Voted(bytes32 indexed action, bytes32 indexed org, address indexed voter, uint8 votes, bytes call);

    /// @notice An organisation took its vote back.
    /// @param action Identifies the ballot.
    /// @param org The organisation whose vote no longer counts.
    /// @param voter The account that took it back.
    event Retracted(bytes32 indexed action, bytes32 indexed org, address indexed voter);

    /// @notice The account holds no seat.
    /// @param account The account.
    error NotMember(address account);
    /// @notice The account is a member, but lacks the role.
    /// @param account The account.
    /// @param role The role bit that it would need.
    error MissingRole(address account, uint8 role);
    /// @notice The account does not belong to the organisation.
    /// @param account The account.
    /// @param org The organisation.
    error NotOfOrganisation(address account, bytes32 org);
    /// @notice The constructor was given one account twice.
    /// @param account The account.
    error MemberExists(address account);
    /// @notice The role bits are unknown, or none is set where one is needed.
    /// @param roles The value given.
    error BadRoles(uint8 roles);
    /// @notice A value that must not be zero is zero.
    /// @param field The argument's name.
    error ZeroValue(string field);
    /// @notice Things already stand as the call would set them.
    error Unchanged();
    /// @notice Every organisation index is taken; indices are never used again.
    error TooManyOrganisations();
    /// @notice Too few organisations would have a member who may approve: nothing could be decided any more.
    /// @param threshold The threshold that would hold.
    /// @param organisations How many organisations could approve.
    error QuorumUnreachable(uint8 threshold, uint256 organisations);
    /// @notice The organisation's vote is already counted.
    /// @param action Identifies the ballot.
    /// @param org The organisation.
    error AlreadyVoted(bytes32 action, bytes32 org);
    /// @notice The organisation has no vote in this ballot to take back.
    /// @param action Identifies the ballot.
    /// @param org The organisation.
    error NoVote(bytes32 action, bytes32 org);

    /// @notice Seats the founding members.
    /// @param members Their accounts, organisations and roles; no account twice.
    /// @param threshold How many distinct organisations must agree.
    constructor(Member[] memory members, uint8 threshold) {
        for (uint256 i = 0; i < members.length; ++i) {
            if (_seats[members[i].account].number != 0) revert MemberExists(members[i].account);
            if (members[i].roles == 0) revert BadRoles(0);
            _seat(members[i].account, members[i].org, _plan(members[i].account, members[i].org, members[i].roles));
        }
        _charter.threshold = threshold;
        _requireReachable(_charter);
        emit ThresholdSet(threshold);
    }

    /// @notice Votes to give `account` exactly these roles in this organisation, or to remove it.
    /// @dev Refused from the first vote on if it would change nothing or put the quorum out of reach.
    /// @param account The account.
    /// @param org Its organisation; for a removal, the one that it belongs to.
    /// @param roles Role bits; 0 removes the account.
    function setMember(address account, bytes32 org, uint8 roles) external {
        Seat memory seat = _requireMember();
        Move memory move = _plan(account, org, roles);
        _requireReachable(move.charter);
        bytes32 subject = keccak256(abi.encode(this.setMember.selector, account));
        if (!_vote(seat, subject, abi.encodeCall(this.setMember, (account, org, roles)))) return;
        _seat(account, org, move);
        if (move.loses) _startEpoch();
    }

    /// @notice Votes to require agreement of `threshold` distinct organisations from now on.
    /// @param threshold At least 1, and within reach of those who can vote and of those who can approve.
    function setThreshold(uint8 threshold) external {
        Seat memory seat = _requireMember();
        Charter memory next = _charter;
        if (next.threshold == threshold) revert Unchanged();
        next.threshold = threshold;
        _requireReachable(next);
        bytes32 subject = keccak256(abi.encode(this.setThreshold.selector));
        if (!_vote(seat, subject, abi.encodeCall(this.setThreshold, (threshold)))) return;
        _charter.threshold = threshold;
        emit ThresholdSet(threshold);
        _startEpoch();
    }

    /// @notice Takes back the vote of the caller's organisation in an open ballot.
    /// @param action The ballot, as `Voted` names it.
    function retract(bytes32 action) external {
        Seat memory seat = _requireMember();
        uint64 bit = uint64(1) << seat.org;
        bytes32 org = _organisations[seat.org];
        if (_ballots[action] & bit == 0) revert NoVote(action, org);
        _ballots[action] &= ~bit;
        emit Retracted(action, org, msg.sender);
    }

    /// @notice The seat of an account.
    /// @param account The account.
    /// @return org Its organisation, or its last one if it was removed; 0 if it never had a seat.
    /// @return index The organisation's bit in every bitmap.
    /// @return roles Its role bits; 0 means that it holds no seat.
    function memberOf(address account) external view returns (bytes32 org, uint8 index, uint8 roles) {
        Seat memory seat = _seats[account];
        if (seat.number == 0) return (0, 0, 0);
        return (_organisations[seat.org], seat.org, seat.roles);
    }

    /// @notice The rule that holds now.
    /// @return threshold How many distinct organisations must agree.
    /// @return organisations How many organisations have ever had a seat.
    /// @return seated Bitmap of those that have a member now.
    /// @return approving Bitmap of those that have a member who may approve.
    /// @return epoch The current epoch, counted from 0.
    function governance()
        external
        view
        returns (uint8 threshold, uint8 organisations, uint64 seated, uint64 approving, uint32 epoch)
    {
        Charter memory charter = _charter;
        return (charter.threshold, charter.organisations, charter.seated, charter.approving, charter.epoch);
    }

    /// @notice The organisation behind a bit of the bitmaps.
    /// @param index The bit, 0 to 63.
    /// @return org Its identity, or 0 if the bit was never given out.
    function organisationAt(uint8 index) external view returns (bytes32 org) {
        return _organisations[index];
    }

    /// @notice The votes of an open ballot.
    /// @param action The ballot, as `Voted` names it.
    /// @return votes Bitmap of the organisations that have voted; 0 once it passed.
    function ballot(bytes32 action) external view returns (uint64 votes) {
        return _ballots[action];
    }

    /// @dev Counts a vote for `call` about `subject` from the caller, whose seat is `seat`. True if this completed the
    /// quorum: whoever asked must then execute the call.
    function _vote(Seat memory seat, bytes32 subject, bytes memory call) internal returns (bool passed) {
        Charter memory charter = _charter;
        uint64 nonce = _nonces[subject];
        bytes32 action = keccak256(abi.encode(keccak256(call), nonce, charter.epoch));
        bytes32 org = _organisations[seat.org];
        uint64 bit = uint64(1) << seat.org;
        uint64 votes = _ballots[action];
        if (votes & bit != 0) revert AlreadyVoted(action, org);
        votes |= bit;
        uint8 count = _count(votes);
        passed = count >= charter.threshold;
        if (passed) {
            _nonces[subject] = nonce + 1;
            delete _ballots[action];
        } else {
            _ballots[action] = votes;
        }
        emit Voted(action, org, msg.sender, count, call);
    }

    /// @dev The caller's seat, or `NotMember`.
    function _requireMember() internal view returns (Seat memory seat) {
        seat = _seats[msg.sender];
        if (seat.roles == 0) revert NotMember(msg.sender);
    }

    /// @dev The caller's seat, or `NotMember` or `MissingRole`.
    function _requireRole(uint8 role) internal view returns (Seat memory seat) {
        seat = _requireMember();
        if (seat.roles & role == 0) revert MissingRole(msg.sender, role);
    }

    /// @dev The seat of any account; all zero if it never had one.
    function _seatOf(address account) internal view returns (Seat memory) {
        return _seats[account];
    }

    /// @dev The account with this number.
    function _accountAt(uint32 number) internal view returns (address) {
        return _accounts[number];
    }

    /// @dev The identity of the organisation with this index.
    function _organisation(uint8 index) internal view returns (bytes32) {
        return _organisations[index];
    }

    /// @dev The rule that holds now: threshold and epoch.
    function _rule() internal view returns (uint8 threshold, uint32 epoch) {
        Charter memory charter = _charter;
        return (charter.threshold, charter.epoch);
    }

    /// @dev How many bits are set (Kernighan's method: one turn per bit that is set, and these are few).
    function _count(uint64 bitmap) internal pure returns (uint8 count) {
        for (; bitmap != 0; bitmap &= bitmap - 1) ++count;
    }

    /// @dev Works out what giving `account` these roles would change; refuses what is malformed or changes nothing.
    function _plan(address account, bytes32 org, uint8 roles) private view returns (Move memory move) {
        if (account == address(0)) revert ZeroValue("account");
        if (org == 0) revert ZeroValue("org");
        if (roles > ALL_ROLES) revert BadRoles(roles);
        move.charter = _charter;
        move.old = _seats[account];
        move.next = Seat({number: move.old.number, org: _place(move, org), roles: roles});
        if (move.next.number == 0) move.next.number = ++move.charter.accounts;
        if (move.old.roles == 0 && roles == 0) revert Unchanged();
        if (roles == 0 && move.next.org != move.old.org) revert NotOfOrganisation(account, org);
        if (move.old.org == move.next.org && move.old.roles == roles) revert Unchanged();
        move.loses = move.old.roles != 0 && (move.old.org != move.next.org || move.old.roles & ~roles != 0);
        _leave(move);
        _join(move);
    }

    /// @dev The index of `org`, taking the next free one for an organisation seen for the first time.
    function _place(Move memory move, bytes32 org) private view returns (uint8 index) {
        uint256 known = _indices[org];
        if (known != 0) return uint8(known - 1);
        index = move.charter.organisations;
        if (index == MAX_ORGANISATIONS) revert TooManyOrganisations();
        move.charter.organisations = index + 1;
        move.newOrganisation = true;
    }

    /// @dev Takes the old seat out of its organisation's head count and out of the bitmaps.
    function _leave(Move memory move) private view {
        if (move.old.roles == 0) return;
        move.left = _headcounts[move.old.org];
        --move.left.members;
        if (move.old.roles & APPROVER != 0) --move.left.approvers;
        uint64 bit = uint64(1) << move.old.org;
        if (move.left.members == 0) move.charter.seated &= ~bit;
        if (move.left.approvers == 0) move.charter.approving &= ~bit;
    }

    /// @dev Adds the new seat to its organisation's head count and to the bitmaps.
    function _join(Move memory move) private view {
        bool stays = move.old.roles != 0 && move.old.org == move.next.org;
        Headcount memory there = stays ? move.left : _headcounts[move.next.org];
        move.joined = Headcount({members: there.members, approvers: there.approvers});
        if (move.next.roles == 0) return;
        uint64 bit = uint64(1) << move.next.org;
        ++move.joined.members;
        move.charter.seated |= bit;
        if (move.next.roles & APPROVER == 0) return;
        ++move.joined.approvers;
        move.charter.approving |= bit;
    }

    /// @dev Writes a change that `_plan` worked out.
    function _seat(address account, bytes32 org, Move memory move) private {
        if (move.newOrganisation) {
            _indices[org] = uint256(move.next.org) + 1;
            _organisations[move.next.org] = org;
        }
        if (move.old.number == 0) _accounts[move.next.number] = account;
        if (move.old.roles != 0) _headcounts[move.old.org] = move.left;
        _headcounts[move.next.org] = move.joined;
        _seats[account] = move.next;
        _charter = move.charter;
        emit MemberSet(account, org, move.next.roles);
    }

    /// @dev Ends every open ballot and unfinished approval round.
    function _startEpoch() private {
        emit EpochStarted(++_charter.epoch);
    }

    /// @dev Refuses a rule that nobody could satisfy. Whoever can approve can vote, so those who approve are decisive.
    function _requireReachable(Charter memory charter) private pure {
        if (charter.threshold == 0) revert ZeroValue("threshold");
        uint8 reach = _count(charter.approving);
        if (charter.threshold > reach) revert QuorumUnreachable(charter.threshold, reach);
    }
}
