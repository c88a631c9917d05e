from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mooring.errors import BusyError, StorageError
from mooring.ledger.embedded.lock import ChainLock, find_endpoint

_HOLD = """
import sys
from pathlib import Path
from mooring.ledger.embedded.lock import ChainLock
lock = ChainLock.acquire(Path(sys.argv[1]))
lock.announce(sys.argv[2])
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def _held_by_another_process(folder: Path, url: str = "") -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", textwrap.dedent(_HOLD), str(folder), url]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_the_second_process_is_told_who_holds_the_chain_and_what_to_do(tmp_path: Path) -> None:
    with _held_by_another_process(tmp_path, "http://127.0.0.1:8545") as holder:
        with pytest.raises(BusyError) as refusal:
            ChainLock.acquire(tmp_path)
        assert f"held by process {holder.pid}" in refusal.value.message
        assert "http://127.0.0.1:8545" in refusal.value.hint
        assert "stop that process" in refusal.value.hint
        assert refusal.value.code == "chain-busy"


def test_a_killed_holder_leaves_the_chain_free(tmp_path: Path) -> None:
    with _held_by_another_process(tmp_path, "http://127.0.0.1:8545") as holder:
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()
        assert find_endpoint(tmp_path) is None
        ChainLock.acquire(tmp_path).release()


def test_the_endpoint_is_found_while_its_process_holds_the_chain_and_not_after(tmp_path: Path) -> None:
    assert find_endpoint(tmp_path) is None
    with _held_by_another_process(tmp_path, "http://127.0.0.1:8545"):
        assert find_endpoint(tmp_path) == "http://127.0.0.1:8545"
    assert find_endpoint(str(tmp_path)) is None


def test_a_holder_that_serves_nothing_has_no_endpoint(tmp_path: Path) -> None:
    with _held_by_another_process(tmp_path):
        assert find_endpoint(tmp_path) is None


def test_looking_for_the_endpoint_does_not_take_or_lose_the_lock(tmp_path: Path) -> None:
    lock = ChainLock.acquire(tmp_path)
    assert find_endpoint(tmp_path) is None
    with pytest.raises(BusyError):
        ChainLock.acquire(tmp_path)
    lock.release()
    assert find_endpoint(tmp_path) is None
    ChainLock.acquire(tmp_path).release()


def test_a_lock_is_released_once_and_released_again_without_harm(tmp_path: Path) -> None:
    lock = ChainLock.acquire(tmp_path)
    lock.release()
    other = ChainLock.acquire(tmp_path)
    lock.release()
    with pytest.raises(BusyError):
        ChainLock.acquire(tmp_path)
    other.release()


def test_an_unreadable_note_still_says_that_somebody_holds_the_chain(tmp_path: Path) -> None:
    lock = ChainLock.acquire(tmp_path)
    (tmp_path / "chain.lock").write_bytes(b"{")
    with pytest.raises(BusyError, match="held by another process"):
        ChainLock.acquire(tmp_path)
    assert find_endpoint(tmp_path) is None
    lock.release()


def test_a_lock_file_that_cannot_be_opened_is_reported(tmp_path: Path) -> None:
    (tmp_path / "chain.lock").mkdir()
    with pytest.raises(StorageError, match="cannot lock the chain") as refusal:
        ChainLock.acquire(tmp_path)
    assert refusal.value.code == "chain-lock"


def test_an_endpoint_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    lock = ChainLock.acquire(tmp_path)
    with pytest.raises(StorageError, match="too long"):
        lock.announce("http://" + "a" * 600)
    lock.release()
