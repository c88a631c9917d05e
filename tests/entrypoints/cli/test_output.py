"""What the command line prints, and the exit code of every error."""

from __future__ import annotations

import io
import json
import sys
from dataclasses import dataclass

import pytest

from mooring import errors
from mooring.entrypoints.cli.output import EXIT_CODES, Output, exit_code, plain_value
from mooring.records.digest import sha256


@dataclass(frozen=True)
class Row:
    name: str
    count: int
    good: bool
    digest: object
    more: object = None


ROW = Row("x", 3, True, sha256(b""), {"a": [1, b"\xff"], "b": None})


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (errors.MooringError, 1),
        (errors.ConfigError, 2),
        (errors.RecordError, 2),
        (errors.PolicyError, 2),
        (errors.LedgerRefused, 3),
        (errors.WorkflowError, 3),
        (errors.NotFoundError, 4),
        (errors.BusyError, 6),
        (errors.CorruptError, 7),
        (errors.ProofError, 7),
        (errors.LedgerError, 1),
        (errors.StorageError, 1),
        (errors.PrivacyError, 1),
    ],
)
def test_every_kind_of_error_has_its_exit_code(kind: type[errors.MooringError], code: int) -> None:
    assert exit_code(kind("x", code="some-thing")) == code
    assert code in EXIT_CODES


def test_what_is_unknown_is_not_found_and_what_was_sent_is_not_failed() -> None:
    assert exit_code(errors.WorkflowError("x", code="unknown-version")) == 4
    assert exit_code(errors.LedgerUnknown("x", code="unconfirmed")) == 5


def test_results_are_aligned_for_people_and_whole_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    Output(as_json=False).result(ROW)
    assert capsys.readouterr().out.splitlines() == [
        "name    x",
        "count   3",
        "good    yes",
        f"digest  sha256:{sha256(b'').hex}",
        "more    a=1, ff, b=",
    ]
    Output(as_json=True).result(ROW)
    assert json.loads(capsys.readouterr().out) == {
        "name": "x",
        "count": 3,
        "good": True,
        "digest": f"sha256:{sha256(b'').hex}",
        "more": {"a": [1, "ff"], "b": None},
    }
    Output(as_json=False).result(ROW, ["in other words"])
    Output(as_json=False).result("just text")
    assert capsys.readouterr().out == "in other words\njust text\n"


def test_tables_have_columns_or_say_that_they_are_empty(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output(as_json=False)
    output.table([ROW, {"name": "longer", "count": 10}], ("name", "count"), "none")
    assert capsys.readouterr().out == "NAME    COUNT\nx       3\nlonger  10\n"
    output.table([], ("name",), "none")
    assert capsys.readouterr().out == "none\n"
    Output(as_json=True).table([], ("name",), "none")
    assert json.loads(capsys.readouterr().out) == []


def test_notes_are_for_people_who_want_them(capsys: pytest.CaptureFixture[str]) -> None:
    Output(as_json=False).note("so far so good")
    Output(as_json=False, quiet=True).note("quiet")
    Output(as_json=True).note("quiet")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "so far so good\n")


def test_an_error_is_printed_with_its_remedy_or_as_one_value(capsys: pytest.CaptureFixture[str]) -> None:
    error = errors.LedgerUnknown("it was sent", code="unconfirmed", hint="run it again")
    assert Output(as_json=False).fail(error) == 5
    assert capsys.readouterr().err == "error: it was sent [unconfirmed]\n  hint: run it again\n"
    assert Output(as_json=True).fail(error) == 5
    assert json.loads(capsys.readouterr().err) == {
        "error": "unconfirmed",
        "message": "it was sent",
        "hint": "run it again",
        "definite": False,
        "exit": 5,
    }
    Output(as_json=False).fail(errors.StorageError("x", code="y"))
    assert capsys.readouterr().err == "error: x [y]\n"


def test_values_of_any_kind_become_plain() -> None:
    assert plain_value({1: (b"\0", frozenset({"a"})), "e": errors.MooringError}) == {
        "1": ["00", ["a"]],
        "e": str(errors.MooringError),
    }


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_shown_on_a_terminal_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for output, shown in ((Output(as_json=False), True), (Output(as_json=True), False)):
        terminal = Terminal()
        monkeypatch.setattr(sys, "stderr", terminal)
        monkeypatch.setenv("TERM", "xterm")
        with output.progress("hashing", 100) as advance:
            advance(40)
            advance(60)
        assert bool(terminal.getvalue()) == shown
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with Output(as_json=False).progress("hashing", None) as advance:
        advance(1)
    assert sys.stderr.getvalue() == ""  # type: ignore[attr-defined]  # set just above
