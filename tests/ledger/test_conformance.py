"""Every adapter keeps every promise of the port, and the same life ends in the same state on each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from tests.ledger.accounts import Accounts, founders
from tests.ledger.conformance import PROMISES, Subject, life
from tests.ledger.logs import open_log, tlog
from tests.ledger.places import Place, anvil_place, embedded_place

from mooring.ledger.registry import RegistryState


@contextmanager
def over_chain(place: Place, accounts: Accounts) -> Iterator[Subject]:
    settings, _ = place.found()
    with ExitStack() as stack:

        def again() -> object:
            ledger = place.ledger(settings)
            stack.callback(ledger.close)
            return ledger

        yield Subject(again(), accounts, again)  # type: ignore[arg-type]  # EvmLedger


@contextmanager
def over_log(folder: Path, accounts: Accounts) -> Iterator[Subject]:
    with open_log(folder / "ledger") as log:
        ledger = tlog(log, accounts)
        ledger.found("deployer", "Test", founders(accounts), 2)
        yield Subject(ledger, accounts, lambda: tlog(log, accounts))


@pytest.fixture(scope="module")
def embedded_chain(tmp_path_factory: pytest.TempPathFactory, accounts: Accounts) -> Iterator[Place]:
    with embedded_place(tmp_path_factory.mktemp("conformance"), accounts) as place:
        yield place


@pytest.fixture(scope="module")
def anvil_chain(tmp_path_factory: pytest.TempPathFactory, accounts: Accounts) -> Iterator[Place]:
    # A block each 0.1 s, so that what was sent becomes final without help.
    with anvil_place(tmp_path_factory.mktemp("anvil"), accounts, "--block-time", "0.1", depth=2) as place:
        yield place


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.__name__)
def test_the_embedded_chain_keeps_its_promise(
    promise: Callable[[Subject], None], embedded_chain: Place, accounts: Accounts
) -> None:
    with over_chain(embedded_chain, accounts) as subject:
        promise(subject)


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.__name__)
def test_the_log_keeps_its_promise(promise: Callable[[Subject], None], tmp_path: Path, accounts: Accounts) -> None:
    with over_log(tmp_path, accounts) as subject:
        promise(subject)


@pytest.mark.node
@pytest.mark.slow
@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.__name__)
def test_anvil_keeps_its_promise(promise: Callable[[Subject], None], anvil_chain: Place, accounts: Accounts) -> None:
    with over_chain(anvil_chain, accounts) as subject:
        promise(subject)


def _lived(subject: Subject) -> RegistryState:
    life(subject)
    return subject.state()


def test_the_same_life_ends_in_the_same_state_on_the_chain_and_in_the_log(
    embedded_chain: Place, tmp_path: Path, accounts: Accounts
) -> None:
    with over_chain(embedded_chain, accounts) as chain, over_log(tmp_path, accounts) as log:
        assert _lived(chain) == _lived(log)


@pytest.mark.node
@pytest.mark.slow
def test_the_same_life_ends_in_the_same_state_on_two_chains(
    embedded_chain: Place, anvil_chain: Place, accounts: Accounts
) -> None:
    with over_chain(embedded_chain, accounts) as one, over_chain(anvil_chain, accounts) as other:
        assert _lived(one) == _lived(other)
