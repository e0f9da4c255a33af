"""Whatever form a path is typed or pasted in, it means one directory on one share, or is refused."""

from pathlib import PurePosixPath
from posixpath import normpath
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lackey.domain.paths import Share, SharePath, shown_paths
from lackey.domain.refusals import Invalid
from lackey.domain.typed_paths import share_path_of

LAB = Share("lab", "/srv/lab", r"\\fileserver\lab", drive="Z:")
STORE = Share("store", "/mnt/Our store", r"\\fileserver\Store$\group A", drive="S:")
LOCAL = Share("local", "/var/lib/lackey/share")
SHARES = {share.name: share for share in (LAB, STORE, LOCAL)}
NESTED = {**SHARES, "inner": Share("inner", "/srv/lab/inner", r"\\fileserver\lab\inner")}


def refusal(text: str, near: SharePath | None = None) -> str:
    """What is said of a path that is refused."""
    with pytest.raises(Invalid) as refused:
        share_path_of(text, SHARES, near, "where")
    (error,) = refused.value.errors
    assert error.field == "where"
    return error.message


@pytest.mark.parametrize(
    "text",
    [
        *(r"\\fileserver\lab\heat\a b", "//fileserver/lab/heat/a b", r"\\fileserver/lab\heat/a b\\"),
        *(r"\/fileserver\lab/heat/a b", r"\\fileserver\\lab\.\heat\a b"),
        *(r"\\FILESERVER\Lab\heat\a b", r"\\?\UNC\fileserver\lab\heat\a b", "//?/unc/FileServer/LAB/heat/a b"),
        *("smb://fileserver/lab/heat/a b", "smb://fileserver/lab/heat/a%20b/", "SMB://FileServer:445/LAB//heat/./a%20b"),
        *("smb://anna@fileserver/lab/heat/a b", "smb://WORK;anna:s%40x@fileserver:445/lab/heat/a%20b"),
        *("smb://WORK\\anna:pw@fileserver/lab/heat/a b", "smb://fileserver/l%61b/h%65at/a b"),
        *(r"smb:\\fileserver\lab\heat\a b", "smb://fileserver:/lab/heat/a b"),
        *("file://fileserver/lab/heat/a%20b", "file:///srv/lab/heat/a%20b", "file://localhost/Z:/heat/a%20b"),
        *(r"Z:\heat\a b", "z:/heat/a b", r"Z:\\heat\/a b" + "\\", r"\\?\Z:\heat\a b", r"\\.\z:\heat\a b"),
        *("/srv/lab/heat/a b", "/srv//lab/./heat/a b/", r"\srv\lab\heat\a b", "///srv/lab/heat/a b"),
        *("lab:heat/a b", "LAB:heat\\a b", "heat/a b", r".\heat\a b"),
    ],
)  # fmt: skip
def test_every_form_means_the_same_directory_in_quotes_and_without(text: str) -> None:
    assert share_path_of(text, SHARES) == share_path_of(f'"{text}"', SHARES) == SharePath("lab", "heat/a b")


@pytest.mark.parametrize(
    "text",
    ["", '""', ".", r"\\fileserver\lab", "smb://fileserver/lab/", "Z:", "z:\\", "/srv/lab", "lab:", "file:///Z:"],
)
def test_a_share_alone_means_its_top(text: str) -> None:
    assert share_path_of(text, SHARES) == SharePath("lab", "")


@pytest.mark.parametrize(
    "text",
    [
        *(r"\\fileserver\store$\GROUP a\Heat\50%#1~2", "smb://fileserver/Store%24/group%20A/Heat/50%25%231~2"),
        *(r"s:\Heat\50%#1~2", "/mnt/Our store/Heat/50%#1~2", "store:Heat/50%#1~2"),
    ],
)
def test_a_directory_keeps_its_case_and_an_odd_share_is_found_all_the_same(text: str) -> None:
    assert share_path_of(text, SHARES) == SharePath("store", "Heat/50%#1~2")


def test_an_8_3_name_is_a_name_like_any_other() -> None:
    assert share_path_of(r"Z:\PROGRA~1\HEAT~2.OLD", SHARES) == SharePath("lab", "PROGRA~1/HEAT~2.OLD")


def test_a_relative_directory_counts_from_where_the_asker_says() -> None:
    assert share_path_of("fine", SHARES, SharePath("store", "heat/explicit")) == SharePath(
        "store", "heat/explicit/fine"
    )
    assert share_path_of("", SHARES, SharePath("gone", "heat")) == SharePath("gone", "heat")
    assert share_path_of("Z:\\fine", SHARES, SharePath("store", "heat")) == SharePath("lab", "fine")


def test_of_shares_in_one_another_the_innermost_counts_unless_the_asker_is_on_the_outer_one() -> None:
    assert share_path_of("/srv/lab/inner/heat", NESTED) == SharePath("inner", "heat")
    assert share_path_of(r"\\fileserver\lab\Inner\heat", NESTED) == SharePath("inner", "heat")
    assert share_path_of("/srv/lab/innermost", NESTED) == SharePath("lab", "innermost")
    assert share_path_of("/srv/lab/inner/heat", NESTED, SharePath("lab", "inner")) == SharePath("lab", "inner/heat")
    assert share_path_of("/srv/lab/inner/heat", NESTED, SharePath("store", "")) == SharePath("inner", "heat")


def test_a_share_of_one_letter_is_told_from_a_drive() -> None:
    shares = {**SHARES, "x": Share("x", "/srv/x"), "y": Share("y", "/srv/y", drive="Y:")}
    assert share_path_of("x:heat", shares) == SharePath("x", "heat")
    assert share_path_of("y:heat", shares) == share_path_of("Y:\\heat", shares) == SharePath("y", "heat")
    with pytest.raises(Invalid, match="begin with a slash"):
        share_path_of("X:/heat", shares)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (r"\\other\x\y", r"\\other\x is on none of the shares here"),
        (r"\\fileserver\other\y", r"\\fileserver\other is on none of the shares here"),
        (r"\\fileserver.example\lab\heat", r"\\fileserver.example\lab is on none of the shares here"),
        ("//fileserver/Store$/heat", r"\\fileserver\Store$ is on none of the shares here"),
        (r"\\?\UNC\other\x", r"\\other\x is on none of the shares here"),
        (r"\\?\GLOBALROOT\Device", r"\\?\GLOBALROOT is on none of the shares here"),
        (r"\\.\PhysicalDrive0", r"\\?\PhysicalDrive0 is on none of the shares here"),
        (r"\\..\fileserver\lab", r"\\..\fileserver is on none of the shares here"),
        ("smb://other:445/lab/heat", r"\\other\lab is on none of the shares here"),
        ("smb://fileserver/lab%2Fheat", r"\\fileserver\lab/heat is on none of the shares here"),
        ("file://other/lab/heat", r"\\other\lab is on none of the shares here"),
        ("/etc/passwd", "/etc/passwd is on none of the shares here"),
        ("/srv/labour", "/srv/labour is on none of the shares here"),
        ("/SRV/lab", "/SRV/lab is on none of the shares here"),
        ("/srv/../srv/lab", "/srv/../srv/lab is on none of the shares here"),
        ("/etc/\x1b[2J", r"'/etc/\x1b[2J' is on none of the shares here"),
        ("/etc/\ud800", r"'/etc/\ud800' is on none of the shares here"),
        ("file:///etc", "/etc is on none of the shares here"),
        ("Q:\\heat", "no share here is drive Q:"),
        ("q:heat", "no share here is drive Q:"),
        ("file:///Q:/heat", "no share here is drive Q:"),
        ("lob:heat", "there is no share 'lob' here, and no name on a share holds a colon"),
        ("heat:stream", "there is no share 'heat' here, and no name on a share holds a colon"),
        (":heat", "there is no share '' here, and no name on a share holds a colon"),
    ],
)
def test_what_is_on_no_share_is_refused_in_words_that_say_which_shares_there_are(text: str, words: str) -> None:
    known = rf"lab (/srv/lab, \\fileserver\lab, Z:), store (/mnt/Our store, {STORE.unc}, S:), local ({LOCAL.path})"
    assert refusal(text) == f"{words}; there are: {known}"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Z:heat", r"wherever drive Z: stands just now; did you mean Z:\heat?"),
        ("z:heat/fine", r"did you mean z:\heat\fine?"),
        (r"\\fileserver", "names a share of it too"),
        ("smb://fileserver/", "names a share of it too"),
        ("smb:///lab/heat", "names no server"),
        ("smb://[::1]/lab", "names no server"),
        ("smb://fileserver:https/lab", "names no server"),
        ("https://fileserver/lab/heat", "https:// can not be followed here"),
        ("lab://heat", "lab:// can not be followed here"),
        ("smb://fileserver/lab/100%", "%25"),
        ("smb://fileserver/lab/%zz", "%25"),
        ("smb://fileserver/lab/W%E4rme", "UTF-8"),
        ("lab:/heat", "not begin with a slash"),
    ],
)
def test_what_is_half_understood_is_refused_with_a_hint(text: str, words: str) -> None:
    assert words in refusal(text)


# What may stand before a directory.
TOPS = ["", "lab:", "/srv/lab/", "//fileserver/lab/", "//?/UNC/fileserver/lab/", "Z:/", "smb://fileserver/lab/"]
TOPS += ["file:///srv/lab/", "file:///Z:/"]


@pytest.mark.parametrize("top", TOPS)
@pytest.mark.parametrize(
    "rest",
    [
        *("..", "../x", "a/../b", "a\\..\\b", "a/..", "./..", "a/.. /b", "../../../etc/passwd", "..\\..\\x"),
        *("a:stream", "a::$DATA", "a/b:stream", "C:/x/y:z"),
        *("nul", "a/NUL", "CON.txt", "com1", "aux .txt", "COM¹/x", "a.", "a /b", "...", "a/b. "),
        *("a\0b", "a\nb", "a\x7fb", "a?b", "a*", 'a"b', "<a>", "a|b"),
        *("\ud800", "a/\udfffb", "x" * 256, "ä" * 128, "/".join(["abcdefgh"] * 120)),
    ],
)  # fmt: skip
def test_behind_no_top_is_anything_accepted_that_could_leave_the_share_or_cannot_exist_on_it(
    top: str, rest: str
) -> None:
    for text in (top + rest, (top + rest).replace("/", "\\")):
        assert refusal(text)


@pytest.mark.parametrize(
    "rest",
    [
        *("%2e%2e", "%2E./x", "a/%2e%2e/b", "a%2F..%2F..", "a%2fb", "a%5Cb", "%5c%5cother"),
        *("a%00b", "a%0Ab", "%ED%A0%80", "a%3Ab", "%43ON", "a%20", "a%2e"),
    ],
)
@pytest.mark.parametrize("top", ["smb://fileserver/lab/", "file://fileserver/lab/", "file:///srv/lab/", "file:///Z:/"])
def test_no_encoding_hides_what_would_be_refused_plain(top: str, rest: str) -> None:
    assert refusal(top + rest)


def test_what_is_encoded_twice_is_decoded_once() -> None:
    assert share_path_of("smb://fileserver/lab/%252e%252e", SHARES) == SharePath("lab", "%2e%2e")
    assert share_path_of("/srv/lab/%2e%2e", SHARES) == SharePath("lab", "%2e%2e")


@pytest.mark.parametrize(
    "rest", ["other/lab", "fileserver/none", "fileserver/lab/..", "fileserver/lab/%", "", "[::1]/lab"]
)
@pytest.mark.parametrize("user", ["anna:secret@", "WORK;anna:secret@", "WORK\\anna:secret@"])
def test_a_password_in_an_address_is_never_repeated(rest: str, user: str) -> None:
    assert "secret" not in refusal(f"smb://{user}{rest}")
    assert "secret" not in refusal(f"ftp://{user}{rest}")


def test_what_is_too_long_together_is_refused() -> None:
    directory = "/".join(["abcdefgh"] * 70)
    assert "longer than 1024 bytes" in refusal(directory, SharePath("lab", directory))


NAMES = st.text(st.sampled_from("aAzß .%~#&+@;=!$'[]äÄ明-_09İK\u00a0")).map(lambda name: name.rstrip(" .") or "x")
DIRECTORIES = st.lists(NAMES, max_size=4).map("/".join)
# What begins a path, and what may follow.
TOPS_AND_NEARLY = [
    *TOPS,
    "//fileserver/lab/../",
    "smb://anna@FILESERVER:445/LAB/",
    "z:",
    "Z:\\",
    "store:",
    "/srv/",
    '"',
]
PIECES = [
    "..",
    ".",
    "/",
    "\\",
    "//",
    ":",
    "%2e%2e",
    "%2F",
    "%5C",
    "%25",
    '"',
    " ",
    "\0",
    "\ud800",
    "CON",
    "heat",
    "inner",
]
PIECES += ["fileserver", "lab", "LAB", "Z:", "smb://", "file://", "anna@", "?", "UNC", "srv", "store:", "etc"]
RESTS = st.lists(st.sampled_from(PIECES), max_size=6).map("".join)
TYPED = st.tuples(st.sampled_from(TOPS_AND_NEARLY), RESTS).map("".join)


@given(TYPED | st.text(), st.sampled_from([None, *NESTED]))
@example("smb:////fileserver/lab/..", None)
@example("lab:..", "lab")
@example("//fileserver/lab/inner/../../..", None)
def test_what_is_accepted_lies_beneath_its_share_and_is_understood_again_as_it_is_shown(
    text: str, name: str | None
) -> None:
    near = None if name is None else SharePath(name, "")
    try:
        place = share_path_of(text, NESTED, near)
    except Invalid:
        return
    share = NESTED[place.share]
    whole = normpath(f"{share.path}/{place.directory}")
    assert PurePosixPath(whole).is_relative_to(share.path)
    assert whole == str(PurePosixPath(share.path, place.directory)), "it has one form"
    for form in (str(place), *filter(None, shown_paths(share, place.directory).values())):
        assert share_path_of(form, NESTED, SharePath(place.share, "")) == place


@given(st.sampled_from(list(SHARES)), DIRECTORIES)
def test_what_is_shown_in_any_form_is_the_same_directory_when_it_is_typed_or_pasted(name: str, directory: str) -> None:
    place = share_path_of(f"{name}:{directory}", SHARES)
    shown = shown_paths(SHARES[name], directory)
    assert place == SharePath(name, directory)
    pasted = [form for form in shown.values() if form] + [f"file://{quote(shown['posix'] or '')}", str(place)]
    for form in pasted:
        assert share_path_of(form, SHARES) == share_path_of(f'"{form}"', SHARES) == place
