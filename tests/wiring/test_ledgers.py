"""Which ledger: the chain is the configured one with our contracts, or nothing is done; one process holds it."""

from __future__ import annotations

import json
import multiprocessing
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.workflows.stage import Stages

from mooring.errors import BusyError, MooringError
from mooring.ledger.embedded.lock import ChainLock
from mooring.wiring import ledgers
from mooring.wiring.home import Home
from mooring.wiring.ledgers import load_contracts, require_unheld
from mooring.wiring.session import open_session


def problem(act: Callable[[], object]) -> MooringError:
    with pytest.raises(MooringError) as caught:
        act()
    return caught.value


def opened(home: Path) -> None:
    with open_session(Home(home)) as session:
        session.deployment.follow()


def contracts(home: Path, **changes: Any) -> None:
    path = home / "contracts.json"
    value = {**json.loads(path.read_bytes()), **changes}
    path.write_text(json.dumps(value))


def edit(home: Path, given: str, instead: str) -> None:
    path = home / "mooring.toml"
    text = path.read_text()
    assert given in text
    path.write_text(text.replace(given, instead))


def test_the_contracts_file_says_where_the_contracts_stand_and_what_they_cost(home: Path) -> None:
    found = load_contracts(Home(home))
    assert set(found.contracts) == set(found.gas) == {"AssetRegistry", "CheckpointAnchor"}
    assert (found.chain_id, found.start_block > 0) == (20231, True)


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"[]", b"\xff", b'{"contracts": {"AssetRegistry": 1}}', b'{"contracts": {}, "chain": 1}', b"{}"],
)
def test_a_contracts_file_that_is_damaged_is_refused_by_name(home: Path, data: bytes) -> None:
    (home / "contracts.json").write_bytes(data)
    error = problem(lambda: opened(home))
    assert error.code in ("config", "contracts")
    assert "contracts" in error.message


def test_without_a_contracts_file_there_is_no_deployment(home: Path) -> None:
    (home / "contracts.json").unlink()
    error = problem(lambda: opened(home))
    assert (error.code, error.hint) == ("no-deployment", "run: mooring init")


def test_an_address_without_our_contract_is_refused(home: Path) -> None:
    found = load_contracts(Home(home)).contracts
    nowhere = {**found, "AssetRegistry": "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"}
    contracts(home, contracts=nowhere)
    assert problem(lambda: opened(home)).code == "no-contract"
    swapped = {"AssetRegistry": found["CheckpointAnchor"], "CheckpointAnchor": found["AssetRegistry"]}
    contracts(home, contracts=swapped)
    assert problem(lambda: opened(home)).code == "wrong-contract"
    contracts(home, contracts={"AssetRegistry": found["AssetRegistry"]})
    assert problem(lambda: opened(home)).code == "contracts"
    contracts(home, contracts={**found, "AssetRegistry": found["AssetRegistry"][:-1]})
    assert problem(lambda: opened(home)).code == "contracts"


def test_another_chain_id_is_refused_wherever_it_is_written(home: Path) -> None:
    edit(home, "chain_id = 20231", "chain_id = 1")
    error = problem(lambda: opened(home))
    assert error.code == "chain-id"
    assert "20231" in error.message
    edit(home, "chain_id = 1 ", "chain_id = 20231 ")
    contracts(home, chain_id=5)
    assert problem(lambda: opened(home)).code == "chain-id"


def test_another_chain_id_is_refused_when_both_files_say_so(home: Path) -> None:
    edit(home, "chain_id = 20231", "chain_id = 7")
    contracts(home, chain_id=7)
    assert problem(lambda: opened(home)).definite


def test_a_chain_that_was_lost_is_not_made_anew_in_silence(home: Path) -> None:
    shutil.rmtree(home / "chain")
    assert problem(lambda: opened(home)).code == "no-contract"


def test_a_chain_file_that_is_damaged_is_reported_as_such(home: Path) -> None:
    path = home / "chain" / "chain.sqlite"
    data = bytearray(path.read_bytes())
    data[4096:8192] = b"\0" * 4096
    path.write_bytes(data)
    assert problem(lambda: opened(home)).code == "chain-corrupt"
    path.write_bytes(b"no database at all" * 1000)
    assert problem(lambda: opened(home)).code == "chain-corrupt"


def test_a_node_that_does_not_answer_is_named(home: Path) -> None:
    edit(home, "embedded:///chain", "http://127.0.0.1:9")
    error = problem(lambda: opened(home))
    assert (error.code, "127.0.0.1:9" in error.message) == ("rpc-unreachable", True)


def hold(folder: str, ready: Any, seconds: float) -> None:
    lock = ChainLock.acquire(Path(folder))
    ready.set()
    time.sleep(seconds)
    lock.release()


def held(home: Path, seconds: float) -> multiprocessing.process.BaseProcess:
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    process = context.Process(target=hold, args=(str(home / "chain"), ready, seconds))
    process.start()
    assert ready.wait(30)
    return process


def test_a_command_waits_for_another_one_to_let_go_of_the_chain(home: Path) -> None:
    process = held(home, 1.0)
    begun = time.monotonic()
    opened(home)
    assert time.monotonic() - begun > 0.3
    process.join()


def test_who_holds_the_chain_for_longer_is_named(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    process = held(home, 5.0)
    monkeypatch.setattr(ledgers, "_PATIENCE_S", 0.2)
    error = problem(lambda: opened(home))
    assert isinstance(error, BusyError)
    assert f"process {process.pid}" in error.message
    process.terminate()
    process.join()


def test_the_chain_is_reached_through_the_process_that_serves_it(home: Path) -> None:
    with open_session(Home(home)) as session, session.serve_chain(0) as url:
        assert session.node is not None
        with open_session(Home(home)) as second:
            assert (second.node, second.url) == (None, url)
            second.deployment.follow()
            assert second.deployment.ledger.profile.contracts == session.deployment.ledger.profile.contracts
            with pytest.raises(BusyError) as caught:
                second.serve_chain(0)
            assert caught.value.code == "chain-busy"


def test_two_sessions_act_at_the_same_time_on_one_chain(stages: Stages, tmp_path: Path) -> None:
    from tests.workflows.acts import agree
    from tests.workflows.stage import MODEL

    home = Home(stages.copy("registered", tmp_path / "h"))
    errors: list[BaseException] = []

    def act(member: str) -> None:
        try:
            with open_session(home) as session:
                agree(session, MODEL, by=(member,))
        except BaseException as error:  # noqa: BLE001  # handed to the test
            errors.append(error)

    with open_session(home) as session, session.serve_chain(0):
        threads = [threading.Thread(target=act, args=(name,)) for name in ("bob", "carol")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert errors == []
        session.deployment.follow()
        assert len([event for event in session.deployment.events() if event.name == "Approved"]) == 2


def test_nobody_holds_a_chain_that_is_not_embedded(home: Path) -> None:
    from mooring.wiring.config import load

    config = load(home / "mooring.toml")
    require_unheld(Home(home), config)
    lock = ChainLock.acquire(home / "chain")
    with pytest.raises(BusyError):
        require_unheld(Home(home), config)
    edit(home, "embedded:///chain", "tlog:///ledger")
    require_unheld(Home(home), load(home / "mooring.toml"))
    lock.release()
