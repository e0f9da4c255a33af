"""Settings come from lackey.toml and the environment; what lackey does not know is called by its name."""

import os
from pathlib import Path

import psutil
import pytest

from lackey.domain.paths import Share
from lackey.domain.resources import Capacity
from lackey.settings import Settings, SettingsError, load


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with nothing in it, and an environment without lackey."""
    place = tmp_path / "work"
    place.mkdir()
    monkeypatch.chdir(place)
    for name in [name for name in os.environ if name.startswith("LACKEY_")]:
        monkeypatch.delenv(name)
    return place


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "etc" / "lackey.toml"


def loaded(path: Path, text: str) -> Settings:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return load(path)


def test_nothing_needs_to_be_set_to_begin(nowhere: Path) -> None:
    settings = load()
    assert settings.data_dir == nowhere / "var"
    assert settings.database_url == f"sqlite:///{nowhere}/var/lackey.sqlite3"
    assert settings.shares == {"local": Share("local", f"{nowhere}/var/share")}
    assert settings.server.url is None
    has = settings.executor.local.capacity
    assert (has.cpus, has.gpus, has.slots) == (os.cpu_count(), (), None)
    assert has.memory_bytes == psutil.virtual_memory().total
    assert settings.executor.local.shell == "/bin/sh"
    assert settings.server.log_limit == 10 * 1024 * 1024
    settings.make_own_share()
    assert (nowhere / "var/share").is_dir()


FULL = r"""
[server]
url = "http://lackey.example:8000"
data_dir = "state"
[database]
url = "postgresql+psycopg://lackey@db/lackey"
[[share]]
name = "lab"
path = "/srv/lab"
unc = '//fileserver/lab/'
drive = "z"
must_be_mounted = true
[[share]]
name = "store"
path = "../store"
[executor.local]
cpus = 6
memory = "60 GiB"
gpus = ["0", "GPU-8f1c"]
slots = 3
user = "lackey-run"
kill_grace = 0.5
shell = "/bin/bash -l"
"""


def test_every_key_of_the_file_counts_and_its_paths_count_from_it(file: Path) -> None:
    settings = loaded(file, FULL)
    assert settings.server.url == "http://lackey.example:8000"
    assert settings.data_dir == file.parent / "state"
    assert settings.database_url == "postgresql+psycopg://lackey@db/lackey"
    assert settings.shares["lab"] == Share("lab", "/srv/lab", r"\\fileserver\lab", True, "Z:")
    assert settings.shares["store"] == Share("store", str(file.parent.parent / "store"))
    assert list(settings.shares) == ["lab", "store"]
    local = settings.executor.local
    assert (local.slots, local.user, local.kill_grace, local.shell) == (3, "lackey-run", 0.5, "/bin/bash -l")
    assert local.capacity == Capacity(6, 60 << 30, ("0", "GPU-8f1c"), 3)
    settings.make_own_share()
    assert not (file.parent / "state").exists(), "there is no share of its own to make"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("sqlite:///var/x.sqlite3", "sqlite:///{}/var/x.sqlite3"),
        ("sqlite:////srv/x.sqlite3", "sqlite:////srv/x.sqlite3"),
    ],
)
def test_a_database_file_counts_from_the_configuration_too(file: Path, url: str, expected: str) -> None:
    assert loaded(file, f'[database]\nurl = "{url}"').database_url == expected.format(file.parent)


def test_the_environment_comes_before_the_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LACKEY_SERVER__DATA_DIR", "elsewhere")
    monkeypatch.setenv("LACKEY_EXECUTOR__LOCAL__SLOTS", "7")
    monkeypatch.setenv("LACKEY_EXECUTOR__LOCAL__MEMORY", "1536MiB")
    monkeypatch.setenv("LACKEY_EXECUTOR__LOCAL__GPUS", '["7"]')
    monkeypatch.setenv("LACKEY_DATABASE__URL", "")
    settings = loaded(file, FULL)
    assert settings.data_dir == file.parent / "elsewhere"
    assert (settings.executor.local.slots, settings.executor.local.user) == (7, "lackey-run")
    assert settings.executor.local.capacity == Capacity(6, 1536 << 20, ("7",), 7)
    assert settings.database_url.startswith("postgresql"), "what is empty is not set"


def test_the_file_is_looked_for_in_its_places(nowhere: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (nowhere / "lackey.toml").write_text('server.url = "http://here"')
    assert load().server.url == "http://here"
    named = tmp_path / "named.toml"
    named.write_text('server.url = "http://named"')
    monkeypatch.setenv("LACKEY_CONFIG", str(named))
    assert load().server.url == "http://named"
    assert load(nowhere / "lackey.toml").server.url == "http://here"


@pytest.mark.parametrize("name", ["LACKEY_URL", "LACKEY_KEY", "LACKEY_PARAM_A__B", "LACKEY_RUN_ID", "LACKEY_TOKEN"])
def test_what_a_simulation_or_a_client_finds_is_no_setting(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "x")
    assert load().server.url is None


@pytest.mark.parametrize(
    "name",
    [
        *("LACKEY_SERVER__PORT", "LACKEY_SERVR__URL", "LACKEY_DATABASE__URL__X", "LACKEY_EXECUTOR__LOCAL__SLOT"),
        *("LACKEY_SHARE__0__NAME", "LACKEY_SERVER__", "LACKEY_SERVER", "LACKEY_SHARE", "LACKEY_EXECUTOR__LOCAL"),
    ],
)
def test_a_variable_that_lackey_does_not_know_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "x")
    with pytest.raises(SettingsError, match=f"^{name} is no setting"):
        load()


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("[server]\nport = 1", "server.port: is no setting"),
        ("[sever]\nurl = ''", "sever: is no setting"),
        ("[executor.slurm]\npartition = 'x'", "executor.slurm: is no setting"),
        ("[[share]]\nname = 'lab'\npath = '/x'\nunk = 1", "share.0.unk: is no setting"),
        ("[[share]]\nname = 'lab'", "share.0.path: Field required"),
        ("[[share]]\nname = 'a/b'\npath = '/x'", "share.0.name: "),
        ("[executor.local]\nslots = 0", "executor.local.slots: "),
        ("[executor.local]\nslots = 'many'", "executor.local.slots: "),
        ("[executor.local]\ncpus = 0", "executor.local.cpus: "),
        ("[executor.local]\nmemory = 'much'", "executor.local.memory: Value error, should be a number of bytes, or a"),
        ("[executor.local]\nmemory = 0", "executor.local.memory: "),
        ("[executor.local]\ngpus = ['0', '0']", "executor.local.gpus: Value error, two have one id: 0"),
        ("[executor.local]\ngpus = ['0,1']", "executor.local.gpus.0: "),
        ("[executor.local]\nshell = 'bash -l'", "executor.local.shell: Value error, should be the absolute path"),
        ("[executor.local]\nshell = ''", "executor.local.shell: "),
        ("[executor.local]\nshell = '/bin/bash \"-l'", "a quote that is not closed"),
        ("[database]\nurl = 'mysql://x'", "must begin with sqlite"),
        ("[server]\nlog_limit = 1", "server.log_limit: "),
        ('[[share]]\nname = "a"\npath = "/x\\u0000"', "share.0.path: Value error, holds a NUL"),
    ],
)
def test_what_is_wrong_in_the_file_is_named_with_the_file(file: Path, text: str, key: str) -> None:
    with pytest.raises(SettingsError) as refused:
        loaded(file, text)
    assert key in str(refused.value) and str(file) in str(refused.value)


SHARE = "[[share]]\nname = 'lab'\npath = '/srv/lab'\n"


@pytest.mark.parametrize(
    ("given", "unc"),
    [
        (r"\\fileserver\lab", r"\\fileserver\lab"),
        ("//fileserver/lab/", r"\\fileserver\lab"),
        (r"\\FS-1.example.org\Our lab$\a/b" + "\\", r"\\FS-1.example.org\Our lab$\a\b"),
    ],
)
def test_a_unc_path_may_have_any_slashes_and_is_kept_with_backslashes(file: Path, given: str, unc: str) -> None:
    assert loaded(file, f"{SHARE}unc = '{given}'").shares["lab"].unc == unc


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("", "two backslashes"),
        (r"\fileserver\lab", r"two backslashes, like '\\fileserver\lab' (in single quotes)"),
        ("smb://fileserver/lab", "two backslashes"),
        (r"\\fileserver", "a server and a share on it"),
        (r"\\?\UNC\fileserver\lab", "'?' is no name of a server"),
        (r"\\file server\lab", "'file server' is no name of a server"),
        (r"\\fileserver\lab\..", "'..' would leave"),
        (r"\\fileserver\la:b", "'la:b' holds a character"),
    ],
)
def test_a_unc_path_that_is_none_is_refused_in_words(file: Path, given: str, words: str) -> None:
    with pytest.raises(SettingsError, match=r"share\.0\.unc: ") as refused:
        loaded(file, f"{SHARE}unc = '{given}'")
    assert words in str(refused.value)


@pytest.mark.parametrize("given", ["Z", "z", "z:", "Z:"])
def test_a_drive_is_kept_as_windows_shows_it(file: Path, given: str) -> None:
    assert loaded(file, f"{SHARE}drive = '{given}'").shares["lab"].drive == "Z:"


@pytest.mark.parametrize("given", ["", ":", "ZZ:", "1:", "Z:\\", "Ä:", "Z: "])
def test_a_drive_that_is_none_is_refused(file: Path, given: str) -> None:
    with pytest.raises(SettingsError, match=r"share\.0\.drive: .*must be a drive's letter"):
        loaded(file, f"{SHARE}drive = '{given}'")


@pytest.mark.parametrize(
    ("one", "other", "words"),
    [
        ("name = 'a'\npath = '/x'", "name = 'A'\npath = '/y'", "two have one name: a"),
        ("name = 'a'\npath = '/x'\ndrive = 'Z:'", "name = 'b'\npath = '/y'\ndrive = 'z'", "two have one drive: Z:"),
        (
            "name = 'a'\npath = '/x'\nunc = '//h/Lab'",
            "name = 'b'\npath = '/y'\nunc = '\\\\H\\lab\\'",
            "two have one unc: \\\\h\\lab",
        ),
        ("name = 'a'\npath = '/x/../srv//lab/'", "name = 'b'\npath = '//srv/lab'", "two have one path: /srv/lab"),
        (
            "name = 'z'\npath = '/x'",
            "name = 'b'\npath = '/y'\ndrive = 'Z:'",
            "the name of one is the drive of another: z",
        ),
    ],
)
def test_no_two_shares_answer_to_one_name_or_lie_in_one_place(file: Path, one: str, other: str, words: str) -> None:
    with pytest.raises(SettingsError) as refused:
        loaded(file, f"[[share]]\n{one}\n[[share]]\n{other}")
    assert words in str(refused.value) and str(file) in str(refused.value)


def test_a_share_may_lie_in_another_and_be_named_like_its_own_drive(file: Path) -> None:
    shares = loaded(file, "[[share]]\nname='z'\npath='/x'\ndrive='Z:'\n[[share]]\nname='b'\npath='/x/y'").shares
    assert (shares["z"].drive, shares["b"].path) == ("Z:", "/x/y")


def test_all_that_is_wrong_is_named_at_once(file: Path) -> None:
    with pytest.raises(SettingsError) as refused:
        loaded(file, "[server]\nport = 1\n[executor.local]\nslots = 0")
    assert len(str(refused.value).splitlines()) == 2


@pytest.mark.parametrize("content", [b"[server", b"server.url = '\xff'", b"a = 1\na = 2"])
def test_a_file_that_is_no_toml_is_named(file: Path, content: bytes) -> None:
    file.parent.mkdir()
    file.write_bytes(content)
    with pytest.raises(SettingsError, match=f"{file}: is no TOML"):
        load(file)


def test_a_file_that_was_named_has_to_be_there(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match=f"{file}: can't be read: No such file"):
        load(file)
    monkeypatch.setenv("LACKEY_CONFIG", str(file))
    with pytest.raises(SettingsError, match="can't be read"):
        load()


def test_settings_cannot_be_changed_afterwards() -> None:
    with pytest.raises(Exception, match="frozen"):
        load().server.url = "http://other"


def test_a_file_with_a_byte_order_mark_is_read_and_one_in_utf_16_is_refused_in_words(tmp_path: Path) -> None:
    file = tmp_path / "lackey.toml"
    text = "[server]\nurl = 'http://example.org'\n"
    file.write_text(text, encoding="utf-8-sig")
    assert load(file).server.url == "http://example.org"
    file.write_text(text, encoding="utf-16")
    with pytest.raises(SettingsError, match="is in UTF-16; save it as UTF-8"):
        load(file)
