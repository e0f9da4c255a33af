"""On Debian 12's kernel, where a pid that only leads a session is known differently to pidfd_open(2)."""

import sys

from tests.kernel import debian

_TESTS = "tests/kernel/test_any_kernel.py tests/kernel/test_pidfds.py"
_PYTEST = f"-m pytest -n 0 -q --tb short -p no:cacheprovider {_TESTS}"
_WITHIN_SECONDS = 420.0


def test_all_that_holds_on_this_kernel_holds_on_that_of_debian_12() -> None:
    ran = debian.run(f"uname -r; exec {sys.executable} {_PYTEST}", _WITHIN_SECONDS)
    assert ran.said.startswith("6.1."), ran
    assert ran.code == 0, ran
