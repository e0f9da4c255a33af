"""Looks at the structure of the code: who imports whom, what shares a name, how long it is, what lies at the top.

The rules are the tables below. `python scripts/check_structure.py` prints a line for each fault and exits with 1 if
there is any.
"""

import ast
import io
import sys
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

MODULE_LINES = 400
FUNCTION_LINES = 40
# Comments, docstrings and blank lines do not count, and migrations are exempt: each is written once and never changed.
SIZED = ("lackey", "scripts", "tests", "deploy", "setup.py")
EXEMPT = ("lackey/store/migrations/versions",)

TOP_LEVEL = {
    "lackey",
    "scripts",
    "tests",
    "deploy",
    "README.md",
    "CHANGELOG.md",
    "LICENSE",
    "setup.py",
    "requirements.txt",
}
# Made by use and ignored by git, as dot files may be.
GENERATED = {"__pycache__", "build", "dist", "lackey.egg-info", "lackey.toml", "var"}

# Which parts of lackey a part may import, beside itself and the version in `lackey`.
_SERVICES = {"domain", "store"}
_WEB = _SERVICES | {"services", "files", "wake"}
_BELOW = {"executors", "shares", "notify", "files", "settings", "wake", "accounts", "kernel", "heap", "privileges"}
_SCHEDULER = _SERVICES | {"services"} | _BELOW
MAY_IMPORT: dict[str, set[str]] = {
    "domain": set(),
    "privileges": set(),
    "accounts": {"privileges"},
    "confined": set(),
    "kernel": {"confined"},
    "wake": set(),
    "log_lines": set(),
    "restarts": set(),
    "heap": set(),
    "host_zone": set(),
    "examples": set(),
    "client": set(),
    "config_file": set(),
    "settings": {"domain", "config_file"},
    "store": {"domain"},
    "services": _SERVICES,
    "files": {"domain", "wake"},
    "notify": {"domain"},
    "shares": {"domain", "accounts", "restarts", "confined", "wake"},
    "executors": {"domain", "accounts", "confined", "host_zone", "kernel", "wake"},
    "web": _WEB,
    "scheduler": _SCHEDULER,
    "app": _WEB | _SCHEDULER | {"web", "scheduler", "host_zone"},
    "cli": _WEB | _SCHEDULER | {"web", "scheduler", "app", "restarts", "client", "log_lines", "config_file"},
    "__main__": {"cli"},
    "__init__": set(),
}
# What some parts may import from outside beside the standard library; the others are free.
MAY_IMPORT_FROM_OUTSIDE: dict[str, set[str]] = {
    "domain": {"cronsim", "tzdata"},
    "privileges": set(),
    "accounts": set(),
    "confined": set(),
    "kernel": set(),
    "wake": set(),
    "log_lines": set(),
    "restarts": set(),
    "heap": set(),
    "host_zone": set(),
    "config_file": set(),
    "examples": set(),
    "client": {"requests"},
    "files": set(),
    "shares": set(),
    "executors": {"psutil"},
}
# Packages that stay in one part, and the names of theirs that may be passed through the others.
KEPT_IN: dict[str, tuple[str, set[str]]] = {
    "bottle": ("web", set()),
    "sqlalchemy": ("store", {"Engine", "Connection"}),
}


@dataclass(frozen=True, order=True)
class Fault:
    """A place that breaks a rule. A line of 0 means the file as a whole."""

    path: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.message}"


@dataclass(frozen=True)
class Import:
    """One imported module; `name` is what was taken from it, empty for the module itself."""

    line: int
    module: str
    name: str


def part_of(module: str) -> str:
    """`lackey.web.api.run` belongs to `web`; `lackey` alone to `__init__`."""
    return (module.split(".") + ["__init__"])[1]


def find_imports(tree: ast.Module, package: str) -> Iterator[Import]:
    """Every import in a file, wherever it stands; relative ones resolved against `package`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (Import(node.lineno, alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            module = ".".join([*parents, *([node.module] if node.module else [])])
            for alias in node.names:
                # `from lackey import store` imports a part; `from lackey import __version__` does not.
                inside = module == "lackey" and alias.name in MAY_IMPORT
                yield Import(node.lineno, f"lackey.{alias.name}" if inside else module, alias.name)


def import_faults(path: str, source: str) -> Iterator[Fault]:
    """What a file of lackey's imports and may not. `path` is relative to the project's root."""
    parents = path.removesuffix(".py").split("/")
    part = part_of(".".join(parents))
    if part not in MAY_IMPORT:
        yield Fault(path, 0, f"{part} is no known part of lackey; MAY_IMPORT in scripts/check_structure.py lists them")
        return
    for found in find_imports(ast.parse(source), ".".join(parents[:-1])):
        message = _inner_fault(part, found) if found.module.split(".")[0] == "lackey" else _outer_fault(part, found)
        if message:
            yield Fault(path, found.line, message)


def _inner_fault(part: str, found: Import) -> str:
    target = part_of(found.module)
    if target in MAY_IMPORT[part] | {part, "__init__"}:
        return ""
    return f"{part} may not import {found.module}"


def _outer_fault(part: str, found: Import) -> str:
    package = found.module.split(".")[0]
    home, passed = KEPT_IN.get(package, (part, set()))
    if part != home and not (found.module == package and found.name in passed):
        allowed = f", but for {' and '.join(sorted(passed))}" if passed else ""
        return f"only {home} may import {package}{allowed}"
    outside = package not in sys.stdlib_module_names
    if outside and package not in MAY_IMPORT_FROM_OUTSIDE.get(part, {package}):
        return f"{part} may not import {package}"
    return ""


def circle_faults(sources: dict[str, str]) -> Iterator[Fault]:
    """Modules that import one another in a circle, also where an import is late or for types alone."""
    modules = {_module(path): path for path in sources}
    graph = {}
    for module, path in modules.items():
        package = module if path.endswith("/__init__.py") else module.rpartition(".")[0]
        found = find_imports(ast.parse(sources[path]), package)
        named = {
            f"{each.module}.{each.name}" if f"{each.module}.{each.name}" in modules else each.module for each in found
        }
        graph[module] = {each for each in named if each in modules and each != module}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        yield Fault(modules[error.args[1][0]], 0, f"a circle of imports: {' → '.join(error.args[1])}")


def name_faults(sources: dict[str, str]) -> Iterator[Fault]:
    """Classes that have the name of another one: what has one name is taken for one thing."""
    seen: dict[str, str] = {}
    for path, source in sorted(sources.items()):
        for node in ast.parse(source).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                if node.name in seen:
                    yield Fault(path, node.lineno, f"there is a class {node.name} in {seen[node.name]} already")
                seen[node.name] = path


def _module(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def code_lines(source: str, tree: ast.Module) -> set[int]:
    """The numbers of the lines that hold code: neither blank nor only a comment or docstring."""
    layout = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in layout:
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and ast.get_docstring(
            node
        ):
            lines.difference_update(range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1))
    return lines


def size_faults(path: str, source: str) -> Iterator[Fault]:
    """Modules and functions that are too long."""
    tree = ast.parse(source)
    lines = code_lines(source, tree)
    if len(lines) > MODULE_LINES:
        yield Fault(path, 0, f"{len(lines)} lines of code; {MODULE_LINES} is the most")
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = len(lines.intersection(range(node.lineno, (node.end_lineno or 0) + 1)))
            if length > FUNCTION_LINES:
                yield Fault(path, node.lineno, f"{node.name} has {length} lines of code; {FUNCTION_LINES} is the most")


def top_level_faults(root: Path) -> Iterator[Fault]:
    """What lies at the top of the project and does not belong there."""
    for entry in root.iterdir():
        if entry.name not in TOP_LEVEL | GENERATED and not entry.name.startswith("."):
            yield Fault(entry.name, 0, "does not belong at the top of the project")


def _python_files(root: Path, where: str) -> Iterator[Path]:
    start = root / where
    yield from [start] if start.is_file() else start.rglob("*.py")


def find_faults(root: Path) -> list[Fault]:
    """All faults of the project in `root`, sorted by place."""
    faults = list(top_level_faults(root))
    sources: dict[str, str] = {}
    for file in (file for where in SIZED for file in _python_files(root, where)):
        path, source = file.relative_to(root).as_posix(), file.read_text(encoding="utf-8")
        if "node_modules" in file.parts:
            continue
        if not path.startswith(EXEMPT):
            faults += size_faults(path, source)
        if path.startswith("lackey/"):
            sources[path] = source
            faults += import_faults(path, source)
    return sorted([*faults, *circle_faults(sources), *name_faults(sources)])


if __name__ == "__main__":
    found_faults = find_faults(Path(__file__).resolve().parent.parent)
    for fault in found_faults:
        print(fault)
    sys.exit(bool(found_faults))
