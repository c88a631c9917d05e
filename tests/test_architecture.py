"""The architecture holds: rooms, adapters, pure rooms, quiet imports, dependencies and their licences."""

from __future__ import annotations

import ast
import configparser
import json
import os
import pkgutil
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import mooring

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src/mooring"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

# --- The contracts, each with violations that it must catch -----------------------------------------------------------

Violation = tuple[str, ...]
"""Modules, each of which is made to import the next one; the broken contract must name them all."""

PLANTED: dict[str, list[Violation]] = {
    "rooms": [
        ("mooring.errors", "mooring.records"),
        ("mooring.records.planted", "mooring.proofs"),
        ("mooring.proofs.planted", "mooring.policy"),
        ("mooring.policy.planted", "mooring.proofs"),
        ("mooring.proofs.planted", "mooring.storage.port"),
        ("mooring.storage.planted", "mooring.ledger.port"),
        ("mooring.ledger.planted", "mooring.storage.port"),
        ("mooring.privacy.planted", "mooring.ledger.port"),
        ("mooring.storage.planted", "mooring.privacy"),
        ("mooring.ledger.planted", "mooring.workflows"),
        ("mooring.workflows.planted", "mooring.wiring"),
        ("mooring.wiring.planted", "mooring.entrypoints"),
        ("mooring.workflows.planted", "mooring.bench.planted"),
        ("mooring.entrypoints.planted", "mooring.bench.planted"),
        ("mooring.stowaway",),
    ],
    "entrypoints": [
        ("mooring.entrypoints.planted", "mooring.ledger.port"),
        ("mooring.entrypoints.planted", "mooring.storage.log"),
        ("mooring.entrypoints.planted", "mooring.privacy"),
        ("mooring.entrypoints.planted", "mooring.policy"),
    ],
    "policy-readers": [
        ("mooring.ledger.planted", "mooring.policy"),
        ("mooring.storage.planted", "mooring.policy"),
        ("mooring.privacy.planted", "mooring.policy"),
    ],
    "ledger-adapters": [
        ("mooring.workflows.planted", "mooring.ledger.newcomer"),
        ("mooring.workflows.planted", "mooring.ledger.newcomer.deeper"),
        ("mooring.entrypoints.planted", "mooring.ledger.newcomer"),
    ],
    "storage-adapters": [
        ("mooring.workflows.planted", "mooring.storage.newcomer"),
        ("mooring.entrypoints.planted", "mooring.storage.newcomer"),
    ],
    "ports": [
        ("mooring.ledger.port", "socket"),
        ("mooring.ledger.registry", "eth_abi"),
        ("mooring.ledger.rules", "mooring.ledger.newcomer", "sqlite3"),
        ("mooring.storage.port", "pathlib"),
        ("mooring.storage.log", "mooring.storage.newcomer", "os"),
    ],
    "workflows": [
        ("mooring.workflows.planted", "httpx"),
        ("mooring.workflows.planted", "sqlite3"),
        ("mooring.workflows.planted", "web3"),
    ],
    "pure": [
        ("mooring.records.planted", "time"),
        ("mooring.records.planted", "datetime"),
        ("mooring.proofs.planted", "random"),
        ("mooring.proofs.planted", "pathlib"),
        ("mooring.policy.planted", "socket"),
        ("mooring.policy.planted", "secrets"),
        ("mooring.errors", "os"),
    ],
    "records-libraries": [("mooring.records.planted", "cryptography"), ("mooring.errors", "logging")],
    "proofs-libraries": [("mooring.proofs.planted", "web3"), ("mooring.proofs.planted", "msgspec")],
    "policy-libraries": [("mooring.policy.planted", "cryptography"), ("mooring.policy.planted", "itertools")],
    "chain-libraries": [
        ("mooring.storage.planted", "eth_keys"),
        ("mooring.workflows.planted", "eth_abi"),
        ("mooring.wiring.planted", "eth"),
    ],
    "storage-clients": [("mooring.wiring.planted", "sqlalchemy"), ("mooring.ledger.planted", "obstore")],
    "foreign-clients": [("mooring.ledger.planted", "web3"), ("mooring.entrypoints.planted", "requests")],
}


@cache
def contracts() -> dict[str, configparser.SectionProxy]:
    """Contract id → its section of `.importlinter`."""
    parser = configparser.ConfigParser()
    parser.read(ROOT / ".importlinter")
    prefix = "importlinter:contract:"
    return {name.removeprefix(prefix): parser[name] for name in parser.sections() if name.startswith(prefix)}


def lint(source: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run import-linter from the project's root over the package in `source`."""
    command = [Path(sys.executable).parent / "lint-imports", "--no-logo", *options]
    environment = os.environ | {"PYTHONPATH": str(source), "COLUMNS": "1000", "NO_COLOR": "1"}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a copy of the package, to plant violations in."""
    folder = tmp_path_factory.mktemp("planted")
    shutil.copytree(PACKAGE, folder / "mooring", ignore=shutil.ignore_patterns("__pycache__", "node_modules"))
    return folder


def module_file(source: Path, module: str) -> Path:
    path = source.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


@contextmanager
def planted(source: Path, violations: list[Violation]) -> Iterator[None]:
    """Make each module of a violation import the next one, and take that back afterwards."""
    before: dict[Path, str | None] = {}
    folders: list[Path] = []
    for violation in violations:
        for module, imported in zip(violation, (*violation[1:], ""), strict=True):
            if not module.startswith("mooring."):
                continue
            path = module_file(source, module)
            if not path.parent.exists():
                folders.append(path.parent)
                path.parent.mkdir(parents=True)
                (path.parent / "__init__.py").touch()
            text = path.read_text() if path.exists() else None
            before.setdefault(path, text)
            path.write_text((text or "") + (f"import {imported}\n" if imported else ""))
    try:
        yield
    finally:
        for path, text in before.items():
            path.unlink() if text is None else path.write_text(text)
        for folder in folders:
            shutil.rmtree(folder)


def numbered(violations: list[Violation]) -> list[Violation]:
    """Give every planted importer a name of its own, so that the report shows which violations were seen."""
    return [
        (violation[0].replace(".planted", f".planted{n}_"), *violation[1:]) for n, violation in enumerate(violations)
    ]


def test_the_package_keeps_every_contract() -> None:
    result = lint(ROOT / "src", "--no-cache")
    assert result.returncode == 0, result.stdout + result.stderr
    for section in contracts().values():
        assert f"{section['name']} KEPT" in result.stdout


def test_every_contract_has_a_violation_planted_here() -> None:
    assert sorted(PLANTED) == sorted(contracts())
    assert all(PLANTED.values())


@pytest.mark.parametrize("contract", PLANTED)
def test_each_planted_violation_breaks_the_contract_that_forbids_it(copy: Path, contract: str) -> None:
    violations = numbered(PLANTED[contract])
    with planted(copy, violations):
        result = lint(copy, "--contract", contract, "--cache-dir", str(copy / "cache"))
    assert result.returncode == 1
    assert f"{contracts()[contract]['name']} BROKEN" in result.stdout, result.stdout + result.stderr
    reported = result.stdout.partition("Broken contracts")[2]
    assert [violation for violation in violations if not all(module in reported for module in violation)] == []


def test_the_copy_without_violations_keeps_what_the_package_keeps(copy: Path) -> None:
    verdicts = [re.findall(" (KEPT|BROKEN)", lint(source, "--no-cache").stdout) for source in (copy, ROOT / "src")]
    assert verdicts[0] == verdicts[1]
    assert len(verdicts[0]) == len(contracts())


def test_every_room_is_told_which_chain_and_storage_libraries_are_not_for_it() -> None:
    rooms = {f"mooring.{module.name}" for module in pkgutil.iter_modules([str(PACKAGE)])}
    for contract, owner in (("chain-libraries", "mooring.ledger"), ("storage-clients", "mooring.storage")):
        assert set(contracts()[contract]["source_modules"].split()) == rooms - {owner}


# --- Modules ----------------------------------------------------------------------------------------------------------

MODULES = sorted(path for path in PACKAGE.rglob("*.py") if "node_modules" not in path.parts)


def test_every_folder_with_modules_is_a_package() -> None:
    assert {path.parent for path in MODULES} == {path.parent for path in MODULES if path.name == "__init__.py"}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_says_in_all_what_it_offers(path: Path) -> None:
    tree = ast.parse(path.read_text())
    assigned = {
        target.id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign | ast.AnnAssign)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name)
    }
    defined = {
        node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    }
    public = {name for name in {*assigned, *defined} if not name.startswith("_")}
    if public:
        offered = ast.literal_eval(assigned["__all__"])
        imported = {
            alias.asname or alias.name for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names
        }
        assert len(set(offered)) == len(offered)
        assert set(offered) <= {*assigned, *defined, *imported}


QUIET = """
import importlib, os, pkgutil, sys

WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_TRUNC
LOUD = (
    "socket.", "subprocess.", "shutil.", "tempfile.", "sqlite3.", "_thread.start", "os.chmod", "os.exec", "os.fork",
    "os.link", "os.mkdir", "os.posix_spawn", "os.remove", "os.rename", "os.rmdir", "os.symlink", "os.system",
    "os.truncate", "http.", "urllib.",
)
heard = []

def hook(event, arguments):
    writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITES
    if writes or event.startswith(LOUD):
        heard.append((module, event, repr(arguments)[:200]))

module = "mooring"
sys.addaudithook(hook)
import mooring
for found in pkgutil.walk_packages(mooring.__path__, "mooring."):
    module = found.name
    importlib.import_module(module)
assert not heard, heard
print(module)
"""


def run_python(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1", "HOME": str(folder)}
    return subprocess.run([sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True)


def test_importing_every_module_opens_no_socket_starts_nothing_and_writes_no_file(tmp_path: Path) -> None:
    result = run_python(QUIET, tmp_path)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("mooring.")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "noise",
    [
        "open('x', 'w')",
        "__import__('socket').socket()",
        "__import__('subprocess').run(['true'])",
        "__import__('os').mkdir('x')",
    ],
)
def test_a_module_that_does_something_when_imported_is_heard(noise: str, tmp_path: Path) -> None:
    (tmp_path / "noisy").mkdir()
    (tmp_path / "noisy/__init__.py").touch()
    (tmp_path / "noisy/module.py").write_text(noise + "\n")
    result = run_python(QUIET.replace("mooring", "noisy"), tmp_path)
    assert result.returncode == 1
    assert "AssertionError: [('noisy.module'" in result.stderr


OFFLINE = """
import importlib, pkgutil, sys
before = set(sys.modules)
for room in ("records", "proofs"):
    package = importlib.import_module(f"mooring.{room}")
    for module in pkgutil.walk_packages(package.__path__, f"mooring.{room}."):
        importlib.import_module(module.name)
print(*sorted({name.partition(".")[0] for name in set(sys.modules) - before} - sys.stdlib_module_names))
"""


def test_verifying_needs_cryptography_and_keccak_and_no_other_library(tmp_path: Path) -> None:
    result = run_python(OFFLINE, tmp_path)
    assert result.returncode == 0, result.stderr
    loaded = {name for name in result.stdout.split() if not name.startswith("_")}
    assert {"mooring", "cryptography", "Crypto"} <= loaded <= {"mooring", "cryptography", "Crypto", "cffi", "pycparser"}


# --- Dependencies -----------------------------------------------------------------------------------------------------

LOCKS = [ROOT / "locks/demo.txt", ROOT / "locks/dev.txt"]
NPM_LOCK = ROOT / "contracts/package-lock.json"
_ADDRESS = re.compile(
    r"--(?:extra-)?index-url|--find-links|--trusted-host|@ *\w+://|\"resolved\"|registry *=|"
    r"registry\.|pypi\.|pythonhosted"
)


def lock_files() -> list[Path]:
    skipped = {".venv", "node_modules", ".git"}
    names = ("*.lock", "*lock.json", "*lock.yaml", "locks/*", ".npmrc", "pip.conf", "uv.toml", "requirements*.txt")
    found = {path for name in names for path in ROOT.rglob(name) if not skipped & set(path.relative_to(ROOT).parts)}
    return sorted(found)


def test_lock_files_name_no_registry() -> None:
    assert {*LOCKS, NPM_LOCK} <= set(lock_files())
    for path in lock_files():
        assert not _ADDRESS.search(path.read_text()), path


@pytest.mark.parametrize(
    "line",
    [
        "--index-url https://example.org/simple",
        '"resolved": "x"',
        "registry=x",
        "a @ http://example.org/a.whl",
        "https://registry.npmjs.org/solc",
        "https://files.pythonhosted.org/packages/a.whl",
    ],
)
def test_a_registry_in_a_lock_file_would_be_found(line: str) -> None:
    assert _ADDRESS.search(line)


@cache
def pinned(lock: Path) -> dict[str, Requirement]:
    """Name → requirement, for every line of a lock file that applies here."""
    lines = lock.read_text().replace("\\\n", " ").splitlines()
    wanted = [Requirement(line.partition("--hash")[0]) for line in lines if re.match("[A-Za-z0-9]", line)]
    return {canonicalize_name(item.name): item for item in wanted if item.marker is None or item.marker.evaluate()}


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_every_package_is_pinned_by_version_and_hash(lock: Path) -> None:
    lines = lock.read_text().replace("\\\n", " ").splitlines()
    for line in lines:
        if re.match("[A-Za-z0-9]", line):
            assert re.search(r"==\S+", line), line
            assert "--hash=sha256:" in line, line


def test_the_demo_installs_no_other_versions_than_the_tests() -> None:
    demo, dev = (pinned(lock) for lock in LOCKS)
    assert {name: str(item.specifier) for name, item in demo.items()}.items() <= {
        name: str(item.specifier) for name, item in dev.items()
    }.items()


PERMISSIVE = re.compile(
    r"\b(MIT|MIT-0|BSD|0BSD|Apache|ISC|PSF|Python Software Foundation|CC0|Zlib|Public Domain|Unlicense|CNRI-Python)\b"
)
COPYLEFT = re.compile(r"GPL|Affero|\bMPL\b|Mozilla Public|SSPL|BUSL|Business Source|EUPL|CDDL|\bEPL\b|Commons Clause")
EXCEPTIONS = {
    "cedarpy": "declares nothing; the LICENSE file that it ships is Apache-2.0",
    "certifi": "MPL-2.0 is copyleft file by file: we ship none of its files and change none",
    "hypothesis": "MPL-2.0, in tests only: we ship none of its files and change none",
    "pathspec": "MPL-2.0, in tools only: we ship none of its files and change none",
    "scipy": "BSD; its wheel carries libgfortran, GPL-3.0 with the GCC Runtime Library Exception made for just that",
}
NPM_UNPINNED = {
    f"node_modules/@foundry-rs/anvil-{platform}": "anvil for a platform that CI does not have: npm skips it there"
    for platform in ("darwin-amd64", "darwin-arm64", "linux-arm64", "win32-amd64")
}
NPM_EXCEPTIONS = {
    "node_modules/memorystream": "MIT, declared in the old form `licenses`, which the lock file leaves out"
}


def declared_licence(name: str) -> str:
    """All that a package says of its licence."""
    facts = metadata(name)
    classifiers = [text for text in facts.get_all("Classifier") or [] if text.startswith("License ::")]
    return "\n".join([facts.get("License-Expression") or "", facts.get("License") or "", *classifiers]).strip()


def is_permissive(text: str) -> bool:
    return PERMISSIVE.search(text) is not None and COPYLEFT.search(text) is None


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_every_pinned_package_is_permissively_licensed_or_has_a_reason(lock: Path) -> None:
    assert len(pinned(lock)) > 50
    for name in pinned(lock):
        text = declared_licence(name)
        assert is_permissive(text) or name in EXCEPTIONS, f"{name} declares {text[:200]!r}"


def test_no_licence_exception_has_lost_its_reason() -> None:
    for name in EXCEPTIONS:
        try:
            assert not is_permissive(declared_licence(name)), f"{name} needs no exception any more"
        except PackageNotFoundError:
            pytest.fail(f"{name} is no longer installed")


@pytest.mark.parametrize(
    "text", ["GPL-3.0-only", "LGPL-2.1", "AGPL-3.0", "MPL-2.0", "MIT AND GPL-2.0-only", "", "UNKNOWN"]
)
def test_a_copyleft_or_missing_licence_is_not_permissive(text: str) -> None:
    assert not is_permissive(text)


def test_every_npm_package_is_permissively_licensed_and_pinned_by_hash() -> None:
    packages = json.loads(NPM_LOCK.read_text())["packages"]
    assert len(packages) > 3
    for name, facts in packages.items():
        if name:
            assert is_permissive(facts.get("license", "")) or name in NPM_EXCEPTIONS, name
            assert facts.get("integrity", "").startswith("sha512-") or (name in NPM_UNPINNED and facts["optional"]), (
                name
            )


DOCUMENT = ROOT / "docs/dependencies.md"


def documented() -> list[str]:
    """The packages that have a line of their own in docs/dependencies.md."""
    return re.findall(r"^\| `([^`]+)`(?: \([^)]*\))? \|", DOCUMENT.read_text(), re.MULTILINE)


def direct_dependencies() -> set[str]:
    lines = [*PROJECT["dependencies"], *(line for extra in PROJECT["optional-dependencies"].values() for line in extra)]
    npm = json.loads((ROOT / "contracts/package.json").read_text())["devDependencies"]
    return {canonicalize_name(Requirement(line).name) for line in lines} | set(npm)


def test_every_direct_dependency_has_its_line_in_the_documentation_and_no_other_has() -> None:
    assert sorted(documented()) == sorted(direct_dependencies())


def test_a_documented_dependency_says_what_for_why_this_one_what_else_and_its_licence() -> None:
    rows = [line for line in DOCUMENT.read_text().splitlines() if line.startswith("| `")]
    for row in rows:
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        assert len(cells) == 5, row
        assert all(cells), row


def test_the_version_of_the_package_is_that_of_the_project() -> None:
    assert mooring.__version__ == PROJECT["version"]
