"""Commands killed between any two of their steps: run again, they end as if nothing had happened."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.entrypoints.commandline import Cli
from tests.workflows.stage import CSV, MODEL, Stages, onnx_model

from mooring.proofs import dsse
from mooring.records.statement import Statement
from mooring.wiring.home import Home
from mooring.wiring.session import open_session

DRIVER = """
import importlib, os, signal, sys

when, place, *words = sys.argv[1:]
module, _, name = place.rpartition(":")
owner = importlib.import_module(module)
*path, last = name.split(".")
for part in path:
    owner = getattr(owner, part)
whole = getattr(owner, last)

def broken(*args, **kwargs):
    if when == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    whole(*args, **kwargs)
    os.kill(os.getpid(), signal.SIGKILL)

setattr(owner, last, broken)
sys.argv = ["mooring", *words]
from mooring.entrypoints.cli import main
main()
"""
STEPS = {
    "attested, not yet known to the workflow": ("after", "mooring.storage.filelog:FileLog.append"),
    "attested, not yet indexed": ("before", "mooring.storage.index_sql:SqlIndex.add_attestations"),
    "kept, not yet sent": ("after", "mooring.ledger.outbox:Outbox.add"),
    "sent, not yet confirmed": ("after", "mooring.ledger.evm:EvmLedger.submit"),
    "confirmed, not yet followed": ("after", "mooring.ledger.evm:EvmLedger.confirm"),
    "followed, not yet indexed": ("before", "mooring.storage.index_sql:SqlIndex.apply"),
}
COMMANDS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "dataset": ("registered", "alice", ("dataset", "register", "rows.csv", "--name", "images@1")),
    "table": (
        "registered",
        "alice",
        ("dataset", "register", "people.csv", "--name", "people@1", "--subject-column", "patient"),
    ),
    "model": (
        "registered",
        "alice",
        (
            *("model", "register", "model.onnx", "--name", "tumour@2", "--dataset", "cells@1"),
            *("--code-commit", "c0ffee", "--metric", "auc=0.9"),
        ),
    ),
    "approve": ("registered", "bob", ("model", "approve", MODEL, "--comment", "fine")),
    "activate": ("approved", "alice", ("model", "activate", MODEL, "--purpose", "diagnosis")),
    "suspend": ("active", "carol", ("model", "suspend", MODEL, "--reason", "odd")),
    "retire": ("active", "alice", ("model", "retire", MODEL, "--reason", "old")),
    "anchor": ("active", "alice", ("anchor",)),
    "rotate": ("active", "alice", ("key", "rotate")),
}
NEVER = {
    ("anchor", "attested, not yet known to the workflow"),
    ("anchor", "attested, not yet indexed"),
    ("rotate", "attested, not yet known to the workflow"),
    ("rotate", "attested, not yet indexed"),
}
"""What these commands do not do: no statement is attested."""

DONE = {
    *(("approve", step) for step in STEPS if not step.startswith("attested")),
    *((verb, step) for verb in ("suspend", "retire") for step in STEPS if step.startswith("attested")),
}
"""Nothing was left to do: run again, the command is told that it was done."""

QUICK = {("dataset", "attested, not yet indexed"), ("approve", "sent, not yet confirmed")}


def cases() -> Iterator[object]:
    for command in COMMANDS:
        for step in STEPS:
            if (command, step) not in NEVER:
                marks = () if (command, step) in QUICK else (pytest.mark.slow,)
                yield pytest.param(command, step, id=f"{command}, {step}", marks=marks)


def told(home: Path) -> tuple[list[tuple[str, str]], list[str]]:
    """What log and ledger hold: kinds and subjects of the statements, names of the events."""
    with open_session(Home(home)) as session:
        session.deployment.follow()
        with session.read("records") as log:
            entries = [Statement.from_bytes(dsse.Envelope.from_canonical(e).payload) for e in log.entries(0, log.size)]
        session.check_index()
        return (
            [(entry.predicate_type, entry.subject.name) for entry in entries],
            [event.name for event in session.deployment.events()],
        )


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "rows.csv").write_text("1,2\n")
    (folder / "people.csv").write_bytes(CSV.replace(b"person", b"patient-"))
    (folder / "model.onnx").write_bytes(onnx_model(2.0))
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize(("command", "step"), list(cases()))
def test_a_command_that_was_killed_is_run_again_and_nothing_is_done_twice(
    stages: Stages, work: Path, tmp_path: Path, command: str, step: str
) -> None:
    stage, member, words = COMMANDS[command]
    whole, broken = stages.copy(stage, tmp_path / "whole"), stages.copy(stage, tmp_path / "broken")
    assert Cli(whole).json(*words, as_=member).code == 0
    when, place = STEPS[step]
    arguments = [when, place, "--home", str(broken), "--as", member, *words]
    killed = subprocess.run([sys.executable, "-c", DRIVER, *arguments], capture_output=True, timeout=120, check=False)
    assert killed.returncode == -signal.SIGKILL, (killed.returncode, killed.stderr.decode())
    again = Cli(broken).json(*words, as_=member)
    assert again.code == (3 if (command, step) in DONE else 0), again
    assert told(broken) == told(whole)
    third = Cli(broken).json(*words, as_=member)
    if command in ("dataset", "table", "model"):
        assert not third.value["new"]
    elif command == "anchor":
        assert not any(row["new"] for row in third.value)
    elif command != "rotate":
        assert third.code == 3
    if command != "rotate":
        assert told(broken) == told(whole)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "member"),
    [
        (("policy", "set", "policy.cedar"), "alice"),
        (("model", "revoke", MODEL, "--reason", "bad"), "bob"),
    ],
    ids=["policy", "revoke"],
)
def test_a_vote_that_was_killed_once_it_was_sent_counts_and_says_so(
    stages: Stages, work: Path, tmp_path: Path, words: tuple[str, ...], member: str
) -> None:
    from mooring.policy import DEFAULT_POLICY

    (work / "policy.cedar").write_text(DEFAULT_POLICY + "\n// another\n")
    home = stages.copy("active", tmp_path / "home")
    arguments = ["after", "mooring.ledger.evm:EvmLedger.confirm", "--home", str(home), "--as", member, *words]
    killed = subprocess.run([sys.executable, "-c", DRIVER, *arguments], capture_output=True, timeout=120, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert Cli(home).refused(*words, as_=member) == (3, "already-voted")
    assert told(home)[1].count("Voted") == told(stages.copy("active", tmp_path / "before"))[1].count("Voted") + 1


@pytest.mark.slow
def test_an_erasure_that_was_killed_between_key_and_log_is_attested_when_it_is_run_again(
    stages: Stages, work: Path, tmp_path: Path
) -> None:
    home = stages.copy("registered", tmp_path / "home")
    words = ("erase", "person-03", "--reason", "asked", "--yes")
    place = "mooring.storage.datakeys:DataKeys.destroy"
    arguments = ["after", place, "--home", str(home), "--as", "alice", *words]
    killed = subprocess.run([sys.executable, "-c", DRIVER, *arguments], capture_output=True, timeout=120, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert "person-03" not in Cli(home)("dataset", "read", "cells@1").out
    assert Cli(home).json(*words, as_="alice").problem["error"] == "person-unknown"
    kinds = [kind for kind, _ in told(home)[0]]
    assert kinds.count("urn:mooring:erasure:v1") == 1
    assert Cli(home).json(*words, as_="alice").problem["error"] == "person-unknown"
    assert [kind for kind, _ in told(home)[0]] == kinds
