"""The log ledger: what it records, who witnesses it, and how it finds out that its log was tampered with."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from tests.ledger.accounts import Accounts, founders
from tests.ledger.logs import ORIGIN, LogKey, Witness, open_log, tlog

from mooring.errors import BusyError, ConfigError, LedgerError, LedgerLied, LedgerRefused, LedgerUnknown, StorageError
from mooring.ledger import entry
from mooring.ledger.port import Call, Cursor, Finality, Query, State, Submission
from mooring.ledger.registry import NOBODY, asset_id
from mooring.ledger.tlog import TlogLedger, TlogSettings, log_chain
from mooring.proofs.anchor import LogEvidence
from mooring.proofs.checkpoint import open_checkpoint
from mooring.storage.filelog import FileLog

CHAIN = log_chain(ORIGIN)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[FileLog]:
    with open_log(tmp_path / "log") as log:
        yield log


@pytest.fixture
def ledger(log: FileLog, accounts: Accounts) -> TlogLedger:
    ledger = tlog(log, accounts)
    ledger.found("deployer", "Test", founders(accounts), 2)
    return ledger


def create(name: str, sender: str = "a0") -> Call:
    return Call("AssetRegistry", "createAsset", (1, name, NOBODY, 0), sender, f"create {name}")


def assets(ledger: TlogLedger, level: Finality) -> int:
    kinds = (ledger.read(Query("AssetRegistry", "kindOf", (asset_id(name),)), level)[0] for name in ("one", "two"))
    return sum(kinds)  # type: ignore[arg-type]  # uint8


def test_it_says_that_it_enforces_nothing_and_who_refused(ledger: TlogLedger) -> None:
    profile = ledger.profile
    assert (profile.kind, profile.enforces, profile.finality_depth, profile.contracts) == ("tlog", False, 0, {})
    assert profile.chain == CHAIN
    with pytest.raises(LedgerRefused, match=r"NotMember.*only this software refuses it.*stops no stranger") as caught:
        ledger.submit([create("one", "stranger")])
    assert caught.value.code == "not-member"


def test_it_is_founded_once_and_not_otherwise_again(log: FileLog, ledger: TlogLedger, accounts: Accounts) -> None:
    ledger.found("deployer", "Test", founders(accounts), 2)
    assert log.size == 1
    with pytest.raises(LedgerRefused) as caught:
        ledger.found("deployer", "Test", founders(accounts), 3)
    assert caught.value.code == "key-reused"
    again = Call("AssetRegistry", "constructor", ("Test", tuple(founders(accounts)), 2), "deployer", "another key")
    with pytest.raises(ConfigError) as refused:
        ledger.submit([again])
    assert refused.value.code == "founded"


def test_nothing_happens_before_it_is_founded_and_a_bad_founding_is_refused(log: FileLog, accounts: Accounts) -> None:
    ledger = tlog(log, accounts)
    with pytest.raises(ConfigError) as caught:
        ledger.submit([create("one")])
    assert caught.value.code == "not-founded"
    for members, threshold, code in ((founders(accounts), 4, "quorum-unreachable"), ([("x",)], 1, "arguments")):
        with pytest.raises(LedgerRefused) as refused:
            ledger.found("deployer", "Test", members, threshold)  # type: ignore[arg-type]  # malformed on purpose
        assert refused.value.code == code
    assert log.size == 0
    assert ledger.follow(None).caught_up


def test_an_entry_is_final_only_when_enough_witnesses_cosigned_it(log: FileLog, accounts: Accounts) -> None:
    key = LogKey(ORIGIN).public
    witnesses = [Witness(key, f"witness.example/{number}") for number in range(3)]
    ledger = tlog(log, accounts, witnesses, 2)
    ledger.found("deployer", "Test", founders(accounts), 2)
    (one,) = ledger.submit([create("one")])
    assert ledger.confirm(one, Finality.FINAL, 0).state == State.FINAL
    witnesses[0].down = witnesses[1].down = True
    (two,) = ledger.submit([create("two")])
    waiting = ledger.confirm(two, Finality.FINAL, 0.1)
    assert (waiting.state, waiting.reason) == (
        State.INCLUDED,
        "witness-down: witness witness.example/1 does not answer",
    )
    assert (assets(ledger, Finality.FINAL), assets(ledger, Finality.INCLUDED)) == (1, 2)
    step = ledger.follow(None)
    assert (step.head, step.final) == (2, 1)
    witnesses[0].down = False
    assert ledger.confirm(two, Finality.FINAL, 5).state == State.FINAL
    evidence = ledger.prove(ledger.follow(None).events[-1])
    assert isinstance(evidence, LogEvidence)
    keys = [witness.key.public for witness in witnesses]
    assert len(open_checkpoint(evidence.checkpoint, key, keys, 2).cosignatures) >= 2


def test_a_witness_that_saw_another_history_does_not_sign(log: FileLog, accounts: Accounts) -> None:
    witness = Witness(LogKey(ORIGIN).public, "witness.example/1", size=1, root=b"\x01" * 32)
    ledger = tlog(log, accounts, [witness], 1)
    ledger.found("deployer", "Test", founders(accounts), 2)
    outcome = ledger.confirm(Submission("constructor", ""), Finality.FINAL, 0.1)
    assert outcome.state == State.INCLUDED
    assert outcome.reason.startswith("consistency-proof")


def test_what_is_durable_but_not_sealed_is_pending_and_shown_to_nobody(log: FileLog, accounts: Accounts) -> None:
    key = LogKey(ORIGIN)
    failing = iter([True])

    def seal(text: str) -> object:
        if next(failing, False):
            raise StorageError("the key store does not answer", code="key-io")
        return key.seal(text)

    ledger = TlogLedger(log, TlogSettings(key.public, seal), accounts)  # type: ignore[arg-type]  # fails on purpose
    ledger.found("deployer", "Test", founders(accounts), 2)
    pending = ledger.confirm(Submission("constructor", ""), Finality.ACCEPTED, 0)
    assert (pending.state, pending.reason) == (State.PENDING, "key-io: the key store does not answer")
    assert ledger.follow(None).events == ()
    with pytest.raises(LedgerError) as caught:
        ledger.prove(pending.events[0])
    assert caught.value.code == "not-sealed"
    assert ledger.confirm(Submission("constructor", ""), Finality.FINAL, 5).state == State.FINAL


def test_a_disk_that_fails_leaves_nothing_behind(tmp_path: Path, log: FileLog, accounts: Accounts) -> None:
    class Full:
        """The log's own store, on a disk that is full when `broken` says so."""

        broken: StorageError | None = None

        def __getattr__(self, name: str) -> object:
            if name == "append" and self.broken is not None:
                raise self.broken
            return getattr(log, name)

    disk = Full()
    ledger = tlog(disk, accounts)  # type: ignore[arg-type]  # the same log
    ledger.found("deployer", "Test", founders(accounts), 2)
    disk.broken = StorageError("the disk is full", code="log-full")
    with pytest.raises(LedgerError) as caught:
        ledger.submit([create("one")])
    assert (caught.value.code, caught.value.definite) == ("log-full", True)
    disk.broken = StorageError("the disk went away", code="log-io", definite=False)
    with pytest.raises(LedgerUnknown):
        ledger.submit([create("one")])
    disk.broken = None
    assert assets(ledger, Finality.ACCEPTED) == 0
    assert ledger.submit([create("one")])
    assert assets(ledger, Finality.FINAL) == 1


def test_a_reader_sees_what_the_writer_sealed(
    tmp_path: Path, log: FileLog, ledger: TlogLedger, accounts: Accounts
) -> None:
    with open_log(tmp_path / "log", read_only=True) as copy:
        reader = TlogLedger(copy, TlogSettings(LogKey(ORIGIN).public), accounts)
        ledger.submit([create("one")])
        assert assets(reader, Finality.FINAL) == 1
        with pytest.raises(LedgerError) as caught:
            reader.submit([create("two")])
        assert caught.value.code == "read-only"


def test_a_second_writer_is_told_who_is_in_the_way(tmp_path: Path, log: FileLog, accounts: Accounts) -> None:
    with open_log(tmp_path / "log", read_only=True) as copy:

        def write() -> AbstractContextManager[FileLog]:
            return FileLog(tmp_path / "log", ORIGIN)

        other = tlog(copy, accounts, write=write)
        with pytest.raises(BusyError):
            other.found("deployer", "Test", founders(accounts), 2)


# tampering


def _rewritten(tmp_path: Path, accounts: Accounts, change: Callable[[bytes], bytes]) -> str:
    """Copy a log, entry by entry, with its third entry changed; return how a ledger that opens the copy protests."""
    with open_log(tmp_path / "original") as log:
        ledger = tlog(log, accounts)
        ledger.found("deployer", "Test", founders(accounts), 2)
        ledger.submit([create("one"), create("two")])
        entries = list(log.entries(0, 3))
    with open_log(tmp_path / "copy") as copy:
        copy.append([*entries[:2], change(entries[2])])
        copy.seal(LogKey(ORIGIN).seal)
        with pytest.raises(LedgerLied) as caught:
            tlog(copy, accounts)
    return caught.value.code


def _edit(path: tuple[object, ...], value: object) -> Callable[[bytes], bytes]:
    def change(data: bytes) -> bytes:
        fields = target = json.loads(data)
        for step in path[:-1]:
            target = target[step]
        target[path[-1]] = value
        return json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()

    return change


@pytest.mark.parametrize(
    "change",
    [
        _edit(("events", 1, "args", "owner"), NOBODY),
        _edit(("events", 1, "name"), "Approved"),
        _edit(("events",), []),
        _edit(("events", 0, "contract"), "CheckpointAnchor"),
        _edit(("call", "args", 1), "three"),
        _edit(("call", "args", 0, "int"), "01"),
        _edit(("call", "args", 0), 1),
        _edit(("call", "key"), "create one"),
        _edit(("call", "ledger"), "tlog:elsewhere"),
        _edit(("sender",), NOBODY),
        _edit(("signature",), "00" * 65),
        _edit(("publicKey",), "02" * 33),
        _edit(("time",), -1),
        _edit(("type",), "urn:other"),
        _edit(("more",), 1),
        lambda data: data + b" ",
        lambda data: b"{}",
        lambda data: b"\xff",
        lambda data: b"[1]",
    ],
)
def test_an_altered_entry_is_found_out_when_the_log_is_read(
    tmp_path: Path, accounts: Accounts, change: Callable[[bytes], bytes]
) -> None:
    assert _rewritten(tmp_path, accounts, change) == "log-entry"


def test_a_call_that_the_rules_refuse_is_found_out_however_well_it_is_signed(
    tmp_path: Path, accounts: Accounts
) -> None:
    def forged(data: bytes) -> bytes:
        signed = entry.sign(accounts, CHAIN, create("forged", "stranger"))
        _, time_s, effects = entry.read(data, CHAIN)
        return entry.write(signed, time_s, "AssetRegistry", effects)

    assert _rewritten(tmp_path, accounts, forged) == "log-entry"


def test_a_call_repeated_under_its_key_is_found_out(tmp_path: Path, accounts: Accounts) -> None:
    def repeated(data: bytes) -> bytes:
        signed = entry.sign(
            accounts, CHAIN, Call("AssetRegistry", "createAsset", (1, "3", NOBODY, 0), "a0", "create one")
        )
        _, time_s, effects = entry.read(data, CHAIN)
        return entry.write(signed, time_s, "AssetRegistry", effects)

    assert _rewritten(tmp_path, accounts, repeated) == "log-entry"


def test_a_log_that_forks_or_shrinks_behind_a_follower_is_found_out(tmp_path: Path, accounts: Accounts) -> None:
    def made(folder: str, *names: str) -> tuple[Cursor, TlogLedger, AbstractContextManager[FileLog]]:
        lent = open_log(tmp_path / folder)
        ledger = tlog(lent.__enter__(), accounts)
        ledger.found("deployer", "Test", founders(accounts), 2)
        for name in names:
            ledger.submit([create(name)])
        return ledger.follow(None).cursor, ledger, lent

    cursor, _, one = made("one", "a", "b")
    _, forked, two = made("two", "c", "b", "a")
    _, shrunk, three = made("three", "a")
    for ledger, code in ((forked, "log-forked"), (shrunk, "log-shrunk")):
        with pytest.raises(LedgerLied) as caught:
            ledger.follow(cursor)
        assert caught.value.code == code
    for lent in (one, two, three):
        lent.__exit__(None, None, None)


def test_a_checkpoint_by_another_key_is_found_out(tmp_path: Path, accounts: Accounts) -> None:
    with open_log(tmp_path / "log") as log:
        other = LogKey(f"{ORIGIN}/other")
        TlogLedger(log, TlogSettings(other.public, None), accounts)
        log.append([b"{}"])
        log.seal(other.seal)
        with pytest.raises(LedgerLied) as caught:
            tlog(log, accounts)
        assert caught.value.code in ("log-entry", "log-checkpoint")


# several processes

CHILD = """
import sys
sys.path.insert(0, {root!r})
from pathlib import Path
from mooring.ledger.port import Call
from mooring.ledger.registry import NOBODY
from tests.ledger.accounts import Accounts
from tests.ledger.logs import open_log, tlog
folder = Path({folder!r})
with open_log(folder, read_only=True) as copy:
    ledger = tlog(copy, Accounts(), write=lambda: open_log(folder))
    for name in {names!r}:
        ledger.submit([Call("AssetRegistry", "createAsset", (1, name, NOBODY, 0), "a0", "create " + name)])
"""


@pytest.mark.slow
def test_two_processes_take_turns_and_each_decides_on_what_the_other_wrote(tmp_path: Path, accounts: Accounts) -> None:
    with open_log(tmp_path / "log") as log:
        tlog(log, accounts).found("deployer", "Test", founders(accounts), 2)
    root = str(Path(__file__).parents[2])
    names = [[f"{process}{number}" for number in range(6)] for process in "xy"]
    scripts = [
        textwrap.dedent(CHILD.format(root=root, folder=str(tmp_path / "log"), names=[*mine, "same"])) for mine in names
    ]
    children = [subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE) for script in scripts]
    for child in children:
        _, errors = child.communicate(timeout=120)
        assert child.returncode == 0, errors.decode()
    with open_log(tmp_path / "log") as log:
        events = tlog(log, accounts).follow(None).events
    created = [str(event.args["name"]) for event in events if event.name == "AssetCreated"]
    assert sorted(created) == sorted([*names[0], *names[1], "same"])
