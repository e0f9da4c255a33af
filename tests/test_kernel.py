"""A kernel, or a sandbox, that lacks what lackey needs is told from one that has it."""

import os
from collections.abc import Callable
from errno import EMFILE, ENOSYS, EPERM

import pytest

from lackey import confined, kernel
from lackey.cli.checks import host
from lackey.settings import Settings


def failing(code: int) -> Callable[..., int]:
    def call(*_: object) -> int:
        raise OSError(code, os.strerror(code))

    return call


@pytest.fixture(params=["pidfd_open", "openat2"])
def lacking(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """A system call that this kernel does not have."""
    if request.param == "pidfd_open":
        monkeypatch.setattr(os, "pidfd_open", failing(ENOSYS))
    else:
        monkeypatch.setattr(confined, "OPENAT2", 100_000)  # no kernel knows a call of this number
    return str(request.param)


def test_a_kernel_that_runs_these_tests_will_do() -> None:
    assert kernel.unfit() is None


def test_what_a_kernel_lacks_is_named_and_found_by_the_doctor(lacking: str) -> None:
    why = kernel.unfit()
    assert why is not None and f"has no {lacking}: lackey needs Linux 5.6" in why
    (finding,) = host.kernel(Settings())
    assert (finding.level, finding.what) == ("trouble", why)


def test_a_call_that_a_sandbox_forbids_is_lacking_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "pidfd_open", failing(EPERM))
    why = kernel.unfit()
    assert why is not None and "has no pidfd_open:" in why


def test_want_of_descriptors_is_no_fault_of_the_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "pidfd_open", failing(EMFILE))
    assert kernel.unfit() is None
