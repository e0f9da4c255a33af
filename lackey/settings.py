"""Settings: `lackey.toml` and `LACKEY_<TABLE>__<KEY>`; frozen, and loud about what it does not know.

Where the file is: `--config`, `LACKEY_CONFIG`, `./lackey.toml`, `/etc/lackey/lackey.toml`; none is needed to begin.
"""

import codecs
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from lackey.config_file import DATA_DIR, find
from lackey.domain import sizes
from lackey.domain.paths import Share
from lackey.domain.resources import Capacity
from lackey.domain.shell.program import DEFAULT_SHELL, checked_shell
from lackey.domain.typed_paths import checked_drive, checked_unc

_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
# Names that begin like settings and are none: what a launched simulation finds, and what the command line goes by.
_NO_SETTINGS = ("LACKEY_PARAM_",)


class SettingsError(Exception):
    """The configuration can't be used; `str()` says which key of which file, and why."""


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ServerSettings(_Table):
    """`[server]`. `url` is how simulations reach the service; `data_dir` belongs on a local disk.

    `trust_remote_user`: under uWSGI, who the web server says has signed in (`REMOTE_USER`) may do what
    `remote_user_scope` says, without a key.
    """

    url: str | None = None
    data_dir: Path = DATA_DIR
    log_limit: Annotated[int, Field(ge=1024)] = 10 * 1024 * 1024
    trust_remote_user: bool = False
    remote_user_scope: Literal["read", "run", "manage", "admin"] = "run"


class DatabaseSettings(_Table):
    """`[database]`. Left out, an SQLite file in `data_dir`."""

    url: str | None = None

    @field_validator("url")
    @classmethod
    def _known(cls, url: str | None) -> str | None:
        if url is not None and not url.startswith(("sqlite:///", "postgresql+psycopg://")):
            raise ValueError("must begin with sqlite:/// or postgresql+psycopg://")
        return url


class ShareSettings(_Table):
    """One `[[share]]`. `unc` and `drive`: where Windows users have it (`\\\\fileserver\\lab`, `Z:`)."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$")]
    path: Path
    unc: Annotated[str, AfterValidator(checked_unc)] | None = None
    drive: Annotated[str, AfterValidator(checked_drive)] | None = None
    must_be_mounted: bool = False

    @field_validator("path")
    @classmethod
    def _usable(cls, path: Path) -> Path:
        if "\0" in str(path):
            raise ValueError("holds a NUL character")
        return path


def _memory(value: Any) -> Any:
    return sizes.parse(value) if isinstance(value, str) else value


def _hosts_memory() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


class LocalExecutorSettings(_Table):
    """`[executor.local]`: what its runs may take together, and how they are run.

    `memory` in bytes, or as `"60 GiB"`; `gpus` are the ids of devices, as CUDA_VISIBLE_DEVICES has them; `slots`: how
    many runs at a time, None for as many as the rest allows. `kill_grace`: seconds between TERM and KILL, for a
    simulation to save what it has. `shell`: what runs the commands of applications that name none of their own.
    """

    cpus: Annotated[int, Field(ge=1)] = Field(default_factory=lambda: os.cpu_count() or 1)
    memory: Annotated[int, Field(ge=1), BeforeValidator(_memory)] = Field(default_factory=_hosts_memory)
    gpus: tuple[Annotated[str, Field(pattern=r"^[^,\s\x00]+$")], ...] = ()
    slots: Annotated[int, Field(ge=1)] | None = None
    user: str | None = None
    kill_grace: Annotated[float, Field(ge=0)] = 10.0
    shell: Annotated[str, AfterValidator(checked_shell)] = DEFAULT_SHELL

    @field_validator("gpus")
    @classmethod
    def _told_apart(cls, gpus: tuple[str, ...]) -> tuple[str, ...]:
        _each_once("id", list(gpus))
        return gpus

    @property
    def capacity(self) -> Capacity:
        """What there is for runs."""
        return Capacity(self.cpus, self.memory, self.gpus, self.slots)


class ExecutorSettings(_Table):
    """`[executor]`."""

    local: LocalExecutorSettings = LocalExecutorSettings()


class Settings(BaseSettings):
    """All of it. Made by `load`; paths are absolute."""

    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, env_prefix="LACKEY_", env_nested_delimiter="__", env_ignore_empty=True
    )

    server: ServerSettings = ServerSettings()
    database: DatabaseSettings = DatabaseSettings()
    share: tuple[ShareSettings, ...] = ()
    executor: ExecutorSettings = ExecutorSettings()

    @field_validator("share")
    @classmethod
    def _told_apart(cls, shares: tuple[ShareSettings, ...]) -> tuple[ShareSettings, ...]:
        # A path begins with the name of a share or with a drive (`lab:heat`, `Z:\heat`); the case of neither counts.
        _each_once("name", [share.name.lower() for share in shares])
        _each_once("drive", [share.drive for share in shares if share.drive])
        _each_once("unc", [share.unc.lower() for share in shares if share.unc])
        for share in shares:
            if any(other.drive == f"{share.name.upper()}:" for other in shares if other is not share):
                raise ValueError(f"the name of one is the drive of another: {share.name}")
        return shares

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment comes before the file, and nothing else counts."""
        return (env_settings, init_settings)

    @property
    def data_dir(self) -> Path:
        """Where the database, tickets and sockets are."""
        return self.server.data_dir

    @property
    def database_url(self) -> str:
        """As given, or an SQLite file in `data_dir`."""
        return self.database.url or f"sqlite:///{self.data_dir / 'lackey.sqlite3'}"

    @property
    def database_file(self) -> Path | None:
        """The file of an SQLite database; None: it is another one."""
        kind, _, path = self.database_url.partition("sqlite:///")
        return Path(path.partition("?")[0]) if not kind else None

    @property
    def missing_database_file(self) -> Path | None:
        """The file of the SQLite database, if it isn't there."""
        file = self.database_file
        return file if file is not None and not file.exists() else None

    @property
    def own_places(self) -> list[Path]:
        """The directories that lackey itself works in."""
        return [self.data_dir, *([self.database_file.parent] if self.database_file else [])]

    @property
    def shares(self) -> dict[str, Share]:
        """By name, in the order of the file; without any, one called `local` in `data_dir`."""
        if not self.share:
            return {"local": Share("local", _normal(self.data_dir / "share"))}
        return {s.name: Share(s.name, str(s.path), s.unc, s.must_be_mounted, s.drive) for s in self.share}

    def make_own_share(self) -> None:
        """Make the directory of the share that there is without any `[[share]]`; it lies in `data_dir`."""
        if not self.share:
            (self.data_dir / "share").mkdir(parents=True, exist_ok=True)


def load(config: Path | None = None) -> Settings:
    """Read the settings. `config` None: look where they may be. Raises SettingsError."""
    path = find(config)
    table = {} if path is None else _read(path)
    _check_environment(os.environ)
    try:
        settings = Settings(**table)
    except ValidationError as error:
        raise SettingsError(_explain(error, path)) from error
    settings = _absolute(settings, (path.parent if path else Path()).absolute())
    try:
        _each_once("path", [str(share.path) for share in settings.share])
    except ValueError as error:
        raise SettingsError(f"{path}: share: {error}") from error
    _check_paths(settings)
    return settings


def _check_paths(settings: Settings) -> None:
    """Names that are no text can be told to nobody: not to SQLite, not to a reader, not over HTTP."""
    for used in (*settings.own_places, *(share.path for share in settings.share)):
        try:
            str(used).encode()
        except UnicodeEncodeError as error:
            shown = os.fsencode(used).decode(errors="backslashreplace")
            raise SettingsError(
                f"{shown}: the name of this directory is not in UTF-8, which lackey needs; rename it, or use another "
                "(if it looks right here, the locale is at fault: set LC_ALL=C.UTF-8)"
            ) from error


def _each_once(key: str, values: list[str]) -> None:
    if twice := sorted({value for value in values if values.count(value) > 1}):
        raise ValueError(f"two have one {key}: {', '.join(twice)}")


def _read(path: Path) -> dict[str, Any]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SettingsError(f"{path}: can't be read: {error.strerror}") from error
    if content.startswith(_UTF16):
        raise SettingsError(f"{path}: is in UTF-16; save it as UTF-8")
    try:
        # Editors on Windows begin UTF-8 with a byte order mark.
        return tomllib.loads(content.decode("utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: is no TOML: {error}") from error


def _check_environment(environment: Mapping[str, str]) -> None:
    """Unknown names are refused here, since the settings' source passes over what it does not know.

    So are whole tables: it would take them for JSON, which nothing says.
    """
    for name in environment:
        parts = name.removeprefix("LACKEY_").lower().split("__")
        if not name.startswith("LACKEY_") or name.startswith(_NO_SETTINGS):
            continue
        if len(parts) == 1 and parts[0] not in Settings.model_fields:
            continue
        model: Any = Settings
        for part in parts:
            field = model.model_fields.get(part) if hasattr(model, "model_fields") else None
            if field is None:
                raise SettingsError(f"{name} is no setting of lackey")
            model = field.annotation
        if len(parts) == 1 or hasattr(model, "model_fields"):
            raise SettingsError(f"{name} is no setting of lackey but a table of them; write {name}__<KEY>")


def _explain(error: ValidationError, path: Path | None) -> str:
    where = f"{path}: " if path else ""
    lines = []
    for problem in error.errors(include_url=False):
        key = ".".join(str(part) for part in problem["loc"])
        unknown = problem["type"] == "extra_forbidden"
        lines.append(f"{where}{key}: " + ("is no setting of lackey" if unknown else problem["msg"]))
    return "\n".join(lines)


def _absolute(settings: Settings, base: Path) -> Settings:
    """Relative paths count from the file's directory, else from the working directory."""
    server = settings.server.model_copy(update={"data_dir": base / settings.server.data_dir})
    shares = tuple(share.model_copy(update={"path": Path(_normal(base / share.path))}) for share in settings.share)
    url = settings.database.url
    if url is not None and url.startswith("sqlite:///"):
        url = f"sqlite:///{base / url.removeprefix('sqlite:///')}"
    database = settings.database.model_copy(update={"url": url})
    return settings.model_copy(update={"server": server, "share": shares, "database": database})


def _normal(path: Path) -> str:
    """The path of a share, as people will type it: `..` goes up from the name before it, even if that is a link."""
    return "/" + os.path.normpath(path).lstrip("/")
