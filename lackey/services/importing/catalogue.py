"""Projects and applications of lackey 1.0."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

from lackey.domain import lackey_1
from lackey.domain.application import Application
from lackey.domain.lackey_1 import OldApplication, OldProject
from lackey.domain.taking_over import possible_names, project_part, runnable, share_path_of, split_off
from lackey.services.importing.takeover import Takeover
from lackey.store import applications

RENAMED = "{}s that are called otherwise now, for their names were not allowed or came twice"
NO_PROJECT = "applications left out, which had no project any more; their runs are kept, and named after them"
AT_TOP = "projects whose directory lies on no share: their new one is the top of the share"
NO_DIRECTORY = "applications archived, whose directory lies on no share or not in their project's"
NO_COMMAND = "applications archived, whose command was empty"
BRACES = "applications whose command has braces that would be placeholders here: it is run as it was, by eval"

_DEFAULTS: dict[str, Any] = {"parameters": [], "executor": "local", "retries": 0, "workdir": "application"}
# So many of the names that an import gives are tried when one is looked for again.
_NAMES_TRIED = 5


def take_over(takeover: Takeover) -> dict[int, OldApplication | Application]:
    """Take over projects and applications; by their old ids, what runs belong to.

    That is an application as it is here now, or an old one that was left out.
    """
    read = takeover.understood("project", takeover.old.rows("project"), lambda cells, _: lackey_1.read_project(cells))
    projects = {one.id: one for one in read}
    _Projects(takeover).take_over(projects)
    rows = takeover.old.rows("application")
    found = takeover.understood("application", rows, lambda cells, _: lackey_1.read_application(cells))
    return _Applications(takeover, projects).take_over(list(found))


class _Names:
    """Names within one namespace: those here, by id, and those that this import has given."""

    def __init__(self, takeover: Takeover, kind: str, here: dict[int, str]) -> None:
        self._takeover, self._kind, self.here = takeover, kind, here
        self._ids = {name: known for known, name in here.items()}
        self._given: set[str] = set()

    def is_known(self, old_id: int, text: str) -> bool:
        """Whether this one is here already."""
        here = self.here.get(old_id)
        if here is None or here not in islice(possible_names(old_id, text, self._kind), _NAMES_TRIED):
            return False
        self._given.add(here)
        return True

    def give(self, old_id: int, text: str) -> str:
        """A name for a new one. If another one has it here, that is in the way."""
        name = next(name for name in possible_names(old_id, text, self._kind) if name not in self._given)
        self._given.add(name)
        if name in self._ids:
            holder = f"{self._kind} {self._ids[name]}"
            self._takeover.refuse(f"{self._kind} {old_id}: its name {name!r} is that of {holder} here")
        if name != text:
            self._takeover.note(RENAMED.format(self._kind), f"{old_id} ({name})")
        return name


def _described(description: str, **old: str | None) -> str:
    """The description, and what of the old one is to be found nowhere else."""
    lines = [f"In lackey 1.0 its {what} was {value!r}." for what, value in old.items() if value is not None]
    return "\n\n".join([*([description] if description else []), *(["\n".join(lines)] if lines else [])])


class _Projects:
    def __init__(self, takeover: Takeover) -> None:
        self._takeover = takeover
        self._names = _Names(takeover, "project", applications.project_names(takeover.connection))

    def take_over(self, projects: dict[int, OldProject]) -> None:
        for old in projects.values():
            here = self._names.here.get(old.id)
            if self._names.is_known(old.id, old.name):
                self._takeover.projects.known += 1
            elif here is not None:
                self._takeover.refuse(f"project {old.id} ({old.name!r}): {here!r} has its id here")
            else:
                self._add(old, self._names.give(old.id, old.name))

    def _add(self, old: OldProject, name: str) -> None:
        takeover = self._takeover
        path = share_path_of(project_part(old.directory), takeover.shares, takeover.options.share)
        if path is None:
            takeover.note(AT_TOP, f"{old.id} ({name})")
        lost = {"name": None if name == old.name else old.name, "directory": None if path else old.directory}
        share, directory = path or (takeover.options.share, "")
        takeover.projects.new += 1
        if takeover.may_write:
            values = {"id": old.id, "name": name, "title": old.title, "share": share, "directory": directory}
            values |= {"description": _described(old.description, **lost), "created_at": takeover.now}
            applications.add_project(takeover.connection, values)


class _Applications:
    def __init__(self, takeover: Takeover, projects: dict[int, OldProject]) -> None:
        self._takeover, self._projects = takeover, projects
        self._here = applications.application_names(takeover.connection)
        self._names: dict[int, _Names] = {}

    def take_over(self, found: list[OldApplication]) -> dict[int, OldApplication | Application]:
        for old in found:
            if old.project_id in self._projects:
                self._take_over(old, self._projects[old.project_id])
            else:
                self._takeover.note(NO_PROJECT, f"{old.id} ({old.name})")
        return dict(self._of_runs(found))

    def _of_runs(self, found: list[OldApplication]) -> Iterator[tuple[int, OldApplication | Application]]:
        for old in found:
            if old.project_id not in self._projects:
                yield old.id, old
            elif self._takeover.may_write:
                yield old.id, applications.application(self._takeover.connection, old.id)

    def _take_over(self, old: OldApplication, project: OldProject) -> None:
        names = self._names_of(project.id)
        if names.is_known(old.id, old.name):
            self._takeover.applications.known += 1
        elif old.id in self._here:
            here = self._here[old.id][1]
            self._takeover.refuse(f"application {old.id} ({old.name!r}): {here!r} has its id here")
        else:
            self._add(old, project, names.give(old.id, old.name))

    def _names_of(self, project_id: int) -> _Names:
        if project_id not in self._names:
            here = {known: name for known, (of, name) in self._here.items() if of == project_id}
            self._names[project_id] = _Names(self._takeover, "application", here)
        return self._names[project_id]

    def _add(self, old: OldApplication, project: OldProject, name: str) -> None:
        takeover = self._takeover
        takeover.applications.new += 1
        if not takeover.may_write:
            return
        directory = self._directory(old, project)
        command, environment = runnable(old.command)
        lost = {
            "name": None if name == old.name else old.name,
            "directory": project.directory + old.directory if directory is None else None,
        }
        empty = not command.strip()
        for what, is_so in ((NO_DIRECTORY, directory is None), (NO_COMMAND, empty), (BRACES, bool(environment))):
            if is_so:
                takeover.note(what, f"{old.id} ({name})")
        values = {"id": old.id, "project_id": project.id, "name": name, "directory": directory or ""}
        values |= {"description": _described(old.description, **lost), "command": command, "environment": environment}
        values |= {"created_at": takeover.now, "archived_at": takeover.now if directory is None or empty else None}
        applications.add_application(takeover.connection, {**_DEFAULTS, **values})

    def _directory(self, old: OldApplication, project: OldProject) -> str | None:
        """Where it lies, from the directory that its project has here; None if it does not lie there."""
        takeover = self._takeover
        path = share_path_of(project.directory + old.directory, takeover.shares, takeover.options.share)
        here = applications.project(takeover.connection, project.id)
        if path is None or path[0] != here.share:
            return None
        return split_off(path[1], here.directory)
