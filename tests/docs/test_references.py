"""What the code reads, answers and counts stands in the documentation, and the documentation invents nothing."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import msgspec
import pytest
from prometheus_client.core import Metric
from tests.docs.conftest import ROOT

from mooring.entrypoints.cli.output import EXIT_CODES
from mooring.entrypoints.gateway import problem
from mooring.entrypoints.gateway.meter import Meter
from mooring.proofs.bundle import Bundle
from mooring.proofs.report import Claim
from mooring.proofs.trust import Trust
from mooring.records.predicates import PREDICATES
from mooring.records.shape import from_json
from mooring.wiring.config import ROLES, Config, parse
from mooring.workflows.serve import ReceiptLine, RecoveryLine, RefusalLine

GUIDE = (ROOT / "docs/guide.md").read_text()
OPERATIONS = (ROOT / "docs/operations.md").read_text()
EVIDENCE = (ROOT / "docs/evidence.md").read_text()
SOURCES = sorted((ROOT / "src/mooring").rglob("*.py"))


def section(text: str, title: str) -> str:
    """Return one section of a page."""
    return text.split(f"\n## {title}\n")[1].split("\n## ")[0]


@cache
def documented_configuration() -> str:
    return re.search(r"```toml\n(.*?)```", section(GUIDE, "The configuration file"), re.DOTALL)[1]  # type: ignore[index]


# --- Configuration ----------------------------------------------------------------------------------------------------


def fields(kind: type, prefix: str = "") -> Iterator[str]:
    """Yield the dotted name of every field of a configuration, as TOML writes it."""
    for field in msgspec.structs.fields(kind):
        inner = next(
            (item for item in _types(field.type) if isinstance(item, type) and issubclass(item, msgspec.Struct)), None
        )
        name = f"{prefix}{field.encode_name}"
        if inner is None:
            yield name
        else:
            yield from fields(inner, f"{name}.")


def _types(kind: object) -> tuple[object, ...]:
    return (kind, *getattr(kind, "__args__", ()))


def _written(value: object, prefix: str = "") -> Iterator[str]:
    if isinstance(value, dict) and not prefix.endswith("callers."):
        for name, item in value.items():
            yield from _written(item, f"{prefix}{name}.")
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for item in value:
            yield from _written(item, prefix)
    else:
        yield prefix.rstrip(".")


def test_the_guide_shows_every_field_of_the_configuration_and_none_that_is_not_there() -> None:
    shown = set(_written(tomllib.loads(documented_configuration())))
    assert shown == set(fields(Config))


def test_the_configuration_in_the_guide_is_one_that_the_program_takes() -> None:
    config = parse(documented_configuration().encode())
    assert config.threshold == 2
    with pytest.raises(Exception, match="colour"):
        parse(b'colour = "red"\n' + documented_configuration().encode())


def test_the_values_in_the_guide_are_the_defaults() -> None:
    shown = parse(documented_configuration().encode())
    short = parse(
        b"deployment = 'x'\nthreshold = 1\n"
        b"[[organisation]]\nname = 'a'\nmember = [{name = 'b', roles = ['approver']}]\n"
    )
    for part in ("ledger", "storage", "partition"):
        assert getattr(shown, part) == getattr(short, part)
    assert msgspec.structs.replace(shown.gateway, callers={}) == short.gateway


@pytest.mark.parametrize("page", ["guide.md", "guide/production.md"])
def test_every_configuration_that_a_page_shows_has_known_fields_only(page: str) -> None:
    known = set(fields(Config))
    for block in re.findall(r"```toml\n(.*?)```", (ROOT / "docs" / page).read_text().replace("\n   ", "\n"), re.DOTALL):
        assert set(_written(tomllib.loads(block))) <= known


def test_every_role_is_explained() -> None:
    for role in ROLES:
        assert f"| `{role}` |" in section(GUIDE, "Approvals and roles")


# --- Environment ------------------------------------------------------------------------------------------------------


def variables() -> set[str]:
    """Return the environment variables that the code names."""
    found = set[str]()
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found |= set(re.findall(r"MOORING_[A-Z_]+[A-Z]_?", node.value))
    return found


def test_every_environment_variable_is_explained_and_none_is_invented() -> None:
    table = section(GUIDE, "Environment variables")
    documented = set(re.findall(r"^\| `(MOORING_[A-Z_]+)", table, re.MULTILINE))
    assert documented == variables()


# --- What programs match on -------------------------------------------------------------------------------------------


def test_every_exit_code_is_explained() -> None:
    page = (ROOT / "docs/cli.md").read_text()
    for code, meaning in EXIT_CODES.items():
        assert f"| {code} | {meaning} |" in page


def test_every_problem_of_the_gateway_stands_under_its_status() -> None:
    rows = re.findall(r"^\| (\d{3}) \| (.+) \|$", section(GUIDE, "Serving"), re.MULTILINE)
    documented = {code: int(status) for status, codes in rows for code in re.findall(r"`([a-z-]+)`", codes)}
    assert documented == problem._STATUS


def test_the_members_of_a_problem_are_explained() -> None:
    text = section(GUIDE, "Serving")
    for member in ("code", "type", "rule", "hint", "error", "detail"):
        assert f"`{member}`" in text


def test_every_metric_is_explained_and_none_is_invented() -> None:
    code = "\n".join(path.read_text() for path in (ROOT / "src/mooring/entrypoints").rglob("*.py"))
    gauges = set(re.findall(r'gauges\["([a-z_]+)"\]', code)) | set(re.findall(r'Gauge\(\s*"([a-z_]+)"', code))
    meter = Meter()
    meter.model("m", "1")
    names = {_metric(metric) for metric in meter.collect()} | gauges
    documented = set(
        re.findall(r"`([a-z_]+)(?:\{[a-z,_]+\})?`", _first_column(section(OPERATIONS, "Metrics and alerts")))
    )
    assert documented == names


def _metric(metric: Metric) -> str:
    return f"{metric.name}_total" if metric.type == "counter" else metric.name


def _first_column(table: str) -> str:
    return "\n".join(row.split("|")[1] for row in table.splitlines() if row.startswith("| `"))


def codes() -> set[str]:
    """Return every error code that the code may raise, and every problem code of the gateway."""
    found = set(problem._STATUS)
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.add(node.value)
    return found


def test_operations_explains_only_error_codes_that_exist() -> None:
    named = re.findall(r"`([a-z-]+…?)`", _first_column(section(OPERATIONS, "What the error says")))
    assert len(named) > 40
    known = codes()
    missing = [code for code in named if not any(item.startswith(code.rstrip("…")) for item in known)]
    assert missing == []


def test_every_claim_of_the_verifier_is_explained() -> None:
    kinds = set(re.findall(r"`([a-z]+)`", (Claim.__doc__ or "").split("(")[1].split(")")[0]))
    documented = set(re.findall(r"^\| `([a-z]+)` \|", section(GUIDE, "Exporting and verifying"), re.MULTILINE))
    assert documented == kinds


# --- Formats ----------------------------------------------------------------------------------------------------------


def camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)


def test_every_predicate_is_described_with_all_its_fields() -> None:
    rows = dict(
        re.findall(r"^\| `(urn:mooring:[a-z-]+:v1)` \| `([A-Za-z? ]+)`", section(EVIDENCE, "Statement"), re.MULTILINE)
    )
    expected = {uri: {camel(field) for field in kind.__dataclass_fields__} for uri, kind in PREDICATES.items()}
    assert {uri: set(text.replace("?", "").split()) for uri, text in rows.items()} == expected


@pytest.mark.parametrize(("title", "kind"), [("Trust root", Trust), ("Bundle", Bundle)])
def test_every_field_of_a_file_is_described(title: str, kind: type) -> None:
    text = section(EVIDENCE, title)
    for name in _deep(kind):
        assert f"`{camel(name)}" in text, name


def _deep(kind: type) -> Iterator[str]:
    for field in kind.__dataclass_fields__.values():  # type: ignore[attr-defined]
        yield field.name
        for inner in re.findall(r"\b(Trusted\w+|Entry|Opening|BlockEvidence|LogEvidence)\b", str(field.type)):
            module = __import__(kind.__module__, fromlist=["x"])
            yield from getattr(module, inner).__dataclass_fields__


@pytest.mark.parametrize("line", [ReceiptLine, RefusalLine, RecoveryLine])
def test_every_field_of_an_entry_of_the_receipts_log_is_described(line: type[msgspec.Struct]) -> None:
    row = {ReceiptLine: "receipt", RefusalLine: "refusal", RecoveryLine: "recovery"}[line]
    text = next(
        text
        for text in section(EVIDENCE, "Receipts").splitlines()
        if text.startswith("|") and row in text.split("|")[1]
    )
    assert {name for name in line.__struct_fields__ if f"`{name}`" not in text} - {"kind"} == set()


def test_a_trust_root_with_a_field_that_the_page_does_not_name_is_refused() -> None:
    with pytest.raises(Exception, match="colour"):
        from_json(Trust, {"colour": "red"}, "trust")


def test_the_documentation_names_no_file_of_the_machine_that_made_it() -> None:
    own = re.compile(r"/(?:work|tmp|root|home)/")
    pages: list[Path] = [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")]
    assert [page.name for page in pages if own.search(page.read_text())] == []
