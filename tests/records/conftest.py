"""What the tests of records share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

from mooring.errors import RecordError

Refuses = Callable[[str], AbstractContextManager[None]]


@pytest.fixture(scope="session")
def refuses() -> Refuses:
    """A context that must raise RecordError with the given code and with a hint."""

    @contextmanager
    def check(code: str) -> Iterator[None]:
        with pytest.raises(RecordError) as caught:
            yield
        assert caught.value.code == code
        assert caught.value.hint
        assert caught.value.definite

    return check
