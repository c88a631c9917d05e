"""The errors: the tree as drawn is the tree as it is, and every error is data."""

from __future__ import annotations

import inspect
import re
from collections import Counter

import pytest

from mooring import errors
from mooring.errors import LedgerUnknown, MooringError

CLASSES = {
    name: value
    for name, value in vars(errors).items()
    if isinstance(value, type) and issubclass(value, BaseException) and value.__module__ == errors.__name__
}
_LINE = re.compile(r"^(?P<indent>[│ ]*)(?:[├└]── )?(?P<name>\w+(?:Error|Refused|Unknown|Lied))\b *(?P<says>.*)$")


def drawn() -> dict[str, tuple[str, str]]:
    """Name → (name of the parent, description), as the module's docstring draws them."""
    tree: dict[str, tuple[str, str]] = {}
    path: list[str] = []
    for line in inspect.getdoc(errors).splitlines()[1:]:
        match = _LINE.match(line)
        if match is None:
            continue
        depth = match.start("name") // 4
        path = [*path[:depth], match["name"]]
        tree[match["name"]] = (path[-2] if depth else "Exception", match["says"])
    return tree


def test_every_error_is_drawn_where_it_stands() -> None:
    assert {name: parent for name, (parent, _) in drawn().items()} == {
        name: kind.__bases__[0].__name__ for name, kind in CLASSES.items()
    }


def test_every_error_says_in_its_docstring_what_is_drawn() -> None:
    for name, (_, says) in drawn().items():
        promise = inspect.getdoc(CLASSES[name]).splitlines()[0]
        assert not says or re.split("[;.]", promise)[0].lower() == says.lower()


def test_every_error_is_public() -> None:
    assert sorted(CLASSES) == errors.__all__


def test_no_error_has_more_than_three_subclasses_but_the_root() -> None:
    counts = Counter(kind.__bases__[0] for kind in CLASSES.values())
    del counts[MooringError]
    assert max(counts.values()) <= 3


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_an_error_carries_its_message_code_and_hint(name: str) -> None:
    error = CLASSES[name]("what happened", code="what-happened", hint="what to do")
    assert (error.message, str(error), error.code, error.hint) == (
        "what happened",
        "what happened",
        "what-happened",
        "what to do",
    )
    assert error.definite is (name != "LedgerUnknown")


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_an_error_without_a_code_cannot_be_made(name: str) -> None:
    with pytest.raises(TypeError, match="code"):
        CLASSES[name]("what happened")


def test_an_effect_may_be_said_to_have_happened() -> None:
    assert MooringError("sent", code="sent", definite=False).definite is False


def test_an_unknown_outcome_can_never_be_called_definite() -> None:
    with pytest.raises(TypeError, match="definite"):
        LedgerUnknown("sent", code="sent", definite=True)  # type: ignore[call-arg]
