"""Directories stay on their share, and can exist there for those who come from Windows."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lackey.domain.paths import Share, join, relative_directory, shown_paths
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
    ("share", "directory", "posix", "unc"),
    [
        (Share("lab", "/srv/lab", r"\\server\lab"), "heat/a b", "/srv/lab/heat/a b", r"\\server\lab\heat\a b"),
        (Share("lab", "/srv/lab/", "\\\\server\\lab\\"), "heat", "/srv/lab/heat", r"\\server\lab\heat"),
        (Share("lab", "/srv/lab", r"\\server\lab"), "", "/srv/lab", r"\\server\lab"),
        (Share("lab", "/srv/lab"), "heat", "/srv/lab/heat", None),
    ],
)
def test_paths_are_shown_as_their_users_type_them(share: Share, directory: str, posix: str, unc: str | None) -> None:
    assert shown_paths(share, directory) == {"posix": posix, "unc": unc}
