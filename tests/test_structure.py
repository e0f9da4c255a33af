"""The structure of the code is as the design says; and a fault in it would be found."""

from pathlib import Path

import pytest

from scripts.check_structure import circle_faults, find_faults, import_faults, name_faults, size_faults

ROOT = Path(__file__).resolve().parent.parent


def test_the_project_has_no_fault_of_structure() -> None:
    assert [str(fault) for fault in find_faults(ROOT)] == []


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("lackey/domain/run.py", "import lackey.store.runs"),
        ("lackey/domain/run.py", "from .. import store"),
        ("lackey/domain/run.py", "import pydantic"),
        ("lackey/store/runs.py", "from lackey.services import reporting"),
        ("lackey/services/reporting.py", "from lackey import executors"),
        ("lackey/services/reporting.py", "from sqlalchemy import select"),
        ("lackey/services/reporting.py", "from sqlalchemy.engine import Engine"),
        ("lackey/services/reporting.py", "import bottle"),
        ("lackey/web/api/run.py", "from lackey.scheduler import tick"),
        ("lackey/web/api/run.py", "def late():\n    from ...shares import Readers"),
        ("lackey/web/api/run.py", "from lackey.settings import Settings"),
        ("lackey/executors/local.py", "from lackey.shares import Readers"),
        ("lackey/executors/local.py", "import requests"),
        ("lackey/scheduler.py", "from lackey.web import api"),
        ("lackey/scheduler/tick.py", "from lackey.web import api"),
        ("lackey/app.py", "from lackey.cli import main"),
        ("lackey/confined.py", "from lackey.domain import paths"),
        ("lackey/client/http.py", "from lackey.settings import Settings"),
        ("lackey/strangers.py", "import os"),
    ],
)
def test_an_import_against_the_layers_is_found(path: str, line: str) -> None:
    assert [fault.path for fault in import_faults(path, line)] == [path]


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("lackey/services/reporting.py", "from sqlalchemy import Connection, Engine"),
        ("lackey/services/reporting.py", "from lackey.store import runs"),
        ("lackey/web/api/run.py", "from ..auth import scope"),
        ("lackey/web/api/run.py", "import bottle"),
        ("lackey/web/api/run.py", "from lackey import __version__"),
        ("lackey/scheduler/tick.py", "from lackey.executors.protocol import Launch"),
        ("lackey/executors/guard.py", "import psutil"),
        ("lackey/executors/guard.py", "from lackey.confined import open_beneath"),
        ("lackey/cli/serve.py", "from lackey.app import make_app"),
        ("lackey/app.py", "import lackey.web.api"),
    ],
)
def test_an_import_that_the_layers_allow_is_no_fault(path: str, line: str) -> None:
    assert list(import_faults(path, line)) == []


def test_a_circle_of_imports_is_found_however_late_they_are() -> None:
    sources = {
        "lackey/cli/a.py": "from lackey.cli import b",
        "lackey/cli/b.py": "from lackey.cli.c import Thing",
        "lackey/cli/c.py": "def late():\n    from lackey.cli import a",
    }
    assert [fault.message.count("→") for fault in circle_faults(sources)] == [3]
    assert list(circle_faults({**sources, "lackey/cli/c.py": "import os"})) == []


def test_two_classes_of_one_name_are_found() -> None:
    sources = {"lackey/cli/a.py": "class Trouble:\n    pass", "lackey/domain/b.py": "class Trouble:\n    pass"}
    assert [(fault.path, fault.line) for fault in name_faults(sources)] == [("lackey/domain/b.py", 1)]
    assert (
        list(name_faults({"lackey/cli/a.py": "class _Memory:\n    pass", "lackey/b.py": "class _Memory:\n    pass"}))
        == []
    )


def test_a_long_function_is_found_where_it_begins() -> None:
    source = "x = 1\n\n\ndef endless():\n" + "    x = 1\n" * 40
    assert [str(fault) for fault in size_faults("a.py", source)] == [
        "a.py:4: endless has 41 lines of code; 40 is the most"
    ]


def test_docstrings_comments_and_blank_lines_do_not_count() -> None:
    remarks = '    """First.\n\n    More.\n    """\n' + "    # why\n\n" * 40
    assert list(size_faults("a.py", "def short():\n" + remarks + "    x = 1\n" * 39)) == []


def test_a_long_module_is_found() -> None:
    assert list(size_faults("a.py", "x = 1\n" * 400)) == []
    assert [fault.line for fault in size_faults("a.py", "x = 1\n" * 401)] == [0]


def test_a_stray_file_at_the_top_is_found(tmp_path: Path) -> None:
    for name in ("README.md", ".gitignore", "notes.txt"):
        (tmp_path / name).touch()
    assert [fault.path for fault in find_faults(tmp_path)] == ["notes.txt"]
