"""Directories stay on their share, and can exist there for those who come from Windows."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lackey.domain.paths import Share, SharePath, join, relative_directory, shown_paths
from lackey.domain.refusals import Invalid


@pytest.mark.parametrize(
    ("text", "directory"),
    [
        ("heat/explicit", "heat/explicit"),
        ("heat\\explicit", "heat/explicit"),
        ("./heat//explicit/.", "heat/explicit"),
        ("", ""),
        (".", ""),
        ("Wärme/明/a b", "Wärme/明/a b"),
        (".hidden/...x", ".hidden/...x"),
        ("console/com10/nullarbor", "console/com10/nullarbor"),
    ],
)
def test_a_directory_is_brought_to_its_one_form(text: str, directory: str) -> None:
    assert relative_directory(text) == directory


@pytest.mark.parametrize(
    "text",
    [
        *("..", "../x", "a/../b", "a\\..\\b", "a/..", "./..", "a/.. /b"),
        *("/etc", "\\etc", "\\\\server\\share", "//server/share", "C:\\x", "c:x", "x:stream"),
        *("nul", "a/NUL", "CON.txt", "com1", "LPT9.x.y", "aux .txt", "PRN/x", "COM¹"),
        *("a.", "a /b", "a/b.", "..."),
        *("a\0b", "a\nb", "a\x7fb", "a?b", "a*", '"a"', "<a>", "a|b"),
        *("\ud800", "a/\udfffb"),
        *("x" * 256, "ä" * 128, "/".join(["abcdefgh"] * 120)),
    ],
)
def test_what_could_leave_the_share_or_cannot_exist_on_it_is_refused(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        relative_directory(text, "where")
    assert [error.field for error in refused.value.errors] == ["where"]


@given(st.text(st.sampled_from("./\\ aC:\0nul\ud800")) | st.text())
@example("a/./../..")
def test_what_is_accepted_stays_below_the_share(text: str) -> None:
    try:
        directory = relative_directory(text)
    except Invalid:
        return
    names = directory.split("/") if directory else []
    assert not directory.startswith("/") and "\\" not in directory
    assert all(name not in ("", ".", "..") for name in names)
    assert relative_directory(directory) == directory


def test_an_application_lies_below_its_project() -> None:
    assert join("heat", "explicit") == "heat/explicit"
    assert (join("", "explicit"), join("heat", ""), join("", "")) == ("explicit", "heat", "")


@pytest.mark.parametrize(
    ("share", "directory", "shown"),
    [
        (
            Share("lab", "/srv/lab", r"\\server\lab", drive="Z:"),
            "heat/a b",
            ("/srv/lab/heat/a b", r"\\server\lab\heat\a b", r"Z:\heat\a b", "smb://server/lab/heat/a%20b"),
        ),
        (
            Share("lab", "/srv/lab", r"\\server\Our lab\x", drive="Z:"),
            "",
            ("/srv/lab", r"\\server\Our lab\x", "Z:\\", "smb://server/Our%20lab/x"),
        ),
        (
            Share("lab", "/", r"\\server\lab"),
            "Wärme/50%#1",
            ("/Wärme/50%#1", r"\\server\lab\Wärme\50%#1", None, "smb://server/lab/W%C3%A4rme/50%25%231"),
        ),
        (Share("lab", "/srv/lab"), "heat", ("/srv/lab/heat", None, None, None)),
    ],
)
def test_paths_are_shown_as_their_users_type_them(share: Share, directory: str, shown: tuple[str | None, ...]) -> None:
    assert shown_paths(share, directory) == dict(zip(("posix", "unc", "drive", "smb"), shown, strict=True))


@pytest.mark.parametrize(
    ("place", "directory"),
    [
        (SharePath("lab", "heat"), ""),
        (SharePath("lab", "heat/explicit/fine"), "explicit/fine"),
        (SharePath("lab", ""), None),
        (SharePath("lab", "heater"), None),
        (SharePath("lab", "Heat/explicit"), None),
        (SharePath("store", "heat/explicit"), None),
    ],
)
def test_a_place_lies_within_another_name_by_name(place: SharePath, directory: str | None) -> None:
    assert place.within(SharePath("lab", "heat")) == directory
    assert place.within(SharePath(place.share, "")) == place.directory
