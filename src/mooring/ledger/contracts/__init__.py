"""The compiled contracts that ship with Mooring: a user needs no compiler."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from types import MappingProxyType
from typing import cast

from mooring.errors import ConfigError

__all__ = ["NAMES", "Artifact", "artifact"]

NAMES = ("AssetRegistry", "CheckpointAnchor")


@dataclass(frozen=True, slots=True)
class Artifact:
    """One contract as the compiler left it; `sources` maps each source's name to the hex SHA-256 of its text."""

    name: str
    abi: tuple[Mapping[str, object], ...]
    bytecode: bytes
    deployed_bytecode: bytes
    compiler: str
    settings: Mapping[str, object]
    sources: Mapping[str, str]


def artifact(name: str) -> Artifact:
    """Return the artifact of the contract `name`, one of `NAMES`; `ConfigError` for any other."""
    if name not in NAMES:
        raise ConfigError(
            f"contract {name!r} does not ship with Mooring",
            code="artifact-unknown",
            hint=f"use one of {', '.join(NAMES)}",
        )
    record = json.loads(files(__name__).joinpath("build", f"{name}.json").read_text("utf-8"))
    return Artifact(
        name=cast(str, record["contract"]),
        abi=tuple(record["abi"]),
        bytecode=bytes.fromhex(record["bytecode"][2:]),
        deployed_bytecode=bytes.fromhex(record["deployedBytecode"][2:]),
        compiler=f"{record['compiler']['name']} {record['compiler']['version']}",
        settings=MappingProxyType(record["compiler"]["settings"]),
        sources=MappingProxyType(record["sources"]),
    )
