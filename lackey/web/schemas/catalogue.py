"""Projects and applications."""

from datetime import datetime
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field

from lackey.web.schemas.base import Answer, Body, Page, PageQuery, Paths
from lackey.web.schemas.types import (
    SHELL_TEXT,
    Cpus,
    Executor,
    Gpus,
    LongText,
    Memory,
    Name,
    ParameterValue,
    Reference,
    Retries,
    RetryOn,
    RetryWait,
    Seconds,
    Shell,
    ShellText,
    ShortText,
    Variable,
)

# The longest directory there can be, percent-encoded, and what stands before it.
Directory = Annotated[str, Field(max_length=4096)]
_FORMS = r"\\fileserver\lab\heat, smb://fileserver/lab/heat, Z:\heat, /srv/lab/heat, lab:heat"
# Lines that end as on Windows would give the shell words that end in a carriage return.
_UnixLines = AfterValidator(lambda text: text.replace("\r\n", "\n"))
Command = Annotated[str, Field(min_length=1, max_length=SHELL_TEXT), _UnixLines]
_PLACEHOLDERS = (
    "for its shell; `{name}` stands for a parameter's value, in words, here-documents and `$(…)`, and an integer's in "
    "`$((…))`; it is quoted by itself. Within quotes or of an undeclared name it is refused. `{{name}}` stands for "
    "`{name}` itself; what others have between '…' is left alone, unless it names a parameter"
)


class ProjectChange(Body):
    """The fields of a project that are to change."""

    name: Name = ""
    title: ShortText = ""
    description: LongText = ""
    share: Annotated[str, Field(max_length=63, description="left out, the one of the directory, or the first")] = ""
    directory: Annotated[Directory, Field(description=f"{_FORMS}, or relative to the share; left out, its top")] = ""


class NewProject(ProjectChange):
    """A project to make."""

    name: Name


class ProjectOut(Answer):
    """A project."""

    PATH: ClassVar[str] = "/api/project"

    id: int
    name: str
    title: str
    description: str
    share: str
    directory: str
    paths: Paths | None
    created_at: datetime
    archived_at: datetime | None


class Projects(Page[ProjectOut]):
    """Projects, newest first."""


class ParameterIn(Body):
    """A parameter that an application takes. Without a default it has to be given."""

    name: Variable
    default: ParameterValue | None = None
    kind: Literal["text", "integer", "number", "boolean", "choice"] = "text"
    choices: Annotated[list[ParameterValue], Field(max_length=200)] = []


class ApplicationChange(Body):
    """The fields of an application that are to change. Limits are in seconds."""

    project: Annotated[Reference, Field(description="id or name")] = ""
    name: Name = ""
    description: LongText = ""
    directory: Annotated[Directory, Field(description=f"relative to the project's, or in it: {_FORMS}")] = ""
    command: Annotated[Command, Field(description=_PLACEHOLDERS)] = ""
    parameters: Annotated[list[ParameterIn], Field(max_length=200)] = []
    environment: Annotated[dict[Variable, ShellText], Field(description="taken as it is, $NAME and {name} too")] = {}
    executor: Executor = "local"
    time_limit: Seconds | None = None
    start_grace: Seconds | None = None
    silence: Seconds | None = None
    retries: Retries = 0
    retry_on: RetryOn | None = None
    retry_wait: RetryWait | None = None
    max_running: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    workdir: Literal["application", "run"] = "application"
    shell: Annotated[
        Shell | None, Field(description="what runs the command: `/bin/bash -l`; null: the executor's own shell")
    ] = None
    cpus: Cpus | None = None
    memory_bytes: Annotated[Memory | None, Field(alias="memory")] = None
    gpus: Gpus = 0


class NewApplication(ApplicationChange):
    """An application to make."""

    project: Annotated[Reference, Field(description="id or name")]
    name: Name
    command: Annotated[Command, Field(description=_PLACEHOLDERS)]


class ParameterOut(Answer):
    """A parameter that an application takes."""

    name: str
    default: str | None
    kind: str
    choices: list[str]


class ApplicationOut(Answer):
    """An application. `project` is its project's name; `full_name` is `project/name`."""

    PATH: ClassVar[str] = "/api/application"

    id: int
    project: str
    name: str
    full_name: str
    description: str
    share: str
    directory: str
    paths: Paths | None
    command: str
    parameters: list[ParameterOut]
    environment: dict[str, str]
    executor: str
    time_limit: float | None
    start_grace: float | None
    silence: float | None
    retries: int
    retry_on: list[str] | None
    retry_wait: float | None
    max_running: int | None
    workdir: str
    shell: str | None
    cpus: int | None
    memory: Annotated[int | None, Field(description="bytes; null: not counted")]
    gpus: int
    created_at: datetime
    archived_at: datetime | None


class CheckedApplication(ApplicationOut):
    """An application, with a sentence for each thing in its command or environment that is likely not meant."""

    warnings: list[str]


class Applications(Page[ApplicationOut]):
    """Applications, newest first."""


class ApplicationQuery(PageQuery):
    """Which applications."""

    project: Annotated[Reference | None, Field(description="id or name")] = None
