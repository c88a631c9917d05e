"""Every error Mooring raises, drawn once.

MooringError
├── RecordError          a value that may not be hashed or signed
├── ProofError           evidence that does not prove what it claims
├── PolicyError          a policy that cannot be used, or facts that do not fit its schema
├── PrivacyError         data that cannot be hidden or shown
│   └── ErasedError      the key was destroyed: nobody can read this again
├── LedgerError          a ledger that could not be used
│   ├── LedgerRefused    the ledger applied its rules and said no
│   ├── LedgerUnknown    sent, and the answer is not known yet
│   └── LedgerLied       the ledger's answer contradicts its own commitments
├── StorageError         bytes that could not be kept or read
│   ├── NotFoundError    nothing is kept under this name
│   ├── CorruptError     what is kept is not what was written
│   └── BusyError        another writer holds it
├── WorkflowError        a step whose precondition does not hold
└── ConfigError          a configuration that cannot be used
"""

from __future__ import annotations

__all__ = [
    "BusyError",
    "ConfigError",
    "CorruptError",
    "ErasedError",
    "LedgerError",
    "LedgerLied",
    "LedgerRefused",
    "LedgerUnknown",
    "MooringError",
    "NotFoundError",
    "PolicyError",
    "PrivacyError",
    "ProofError",
    "RecordError",
    "StorageError",
    "WorkflowError",
]


class MooringError(Exception):
    """An error as data.

    `code` is a stable lower-case slug that tests and programs may match; `hint` says what to do; `definite` says
    whether the effect that was asked for certainly did not happen.
    """

    def __init__(self, message: str, *, code: str, hint: str = "", definite: bool = True) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.hint = hint
        self.definite = definite


class RecordError(MooringError):
    """A value that may not be hashed or signed."""


class ProofError(MooringError):
    """Evidence that does not prove what it claims."""


class PolicyError(MooringError):
    """A policy that cannot be used, or facts that do not fit its schema."""


class PrivacyError(MooringError):
    """Data that cannot be hidden or shown."""


class ErasedError(PrivacyError):
    """The key was destroyed: nobody can read this again."""


class LedgerError(MooringError):
    """A ledger that could not be used."""


class LedgerRefused(LedgerError):
    """The ledger applied its rules and said no."""


class LedgerUnknown(LedgerError):
    """Sent, and the answer is not known yet; `definite` is false."""

    def __init__(self, message: str, *, code: str, hint: str = "") -> None:
        super().__init__(message, code=code, hint=hint, definite=False)


class LedgerLied(LedgerError):
    """The ledger's answer contradicts its own commitments."""


class StorageError(MooringError):
    """Bytes that could not be kept or read."""


class NotFoundError(StorageError):
    """Nothing is kept under this name."""


class CorruptError(StorageError):
    """What is kept is not what was written."""


class BusyError(StorageError):
    """Another writer holds it."""


class WorkflowError(MooringError):
    """A step whose precondition does not hold."""


class ConfigError(MooringError):
    """A configuration that cannot be used."""
