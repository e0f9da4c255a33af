"""Who waits for word of a share hears it as soon as the share has gone, hangs or is back."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from lackey.files import ShareAway, ShareFiles, Unread
from tests.shares.hanging import mounted
from tests.shares.seen import WITHIN_SECONDS, answers, eventually, processes_of, reading

# Longer than anything is waited for here: word has to come of itself.
_LONG_SECONDS = 2 * WITHIN_SECONDS


@contextmanager
def waiting(files: ShareFiles, there: bool) -> Iterator["Future[None]"]:
    """Whoever is told once the share is there no more, or is there."""
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(files.turned, "lab", there, _LONG_SECONDS)


def test_it_is_told_when_the_share_has_gone_and_when_it_is_back(share: Path, files: ShareFiles) -> None:
    eventually(lambda: answers(files))
    with waiting(files, there=True) as word:
        share.rename(share.with_name("elsewhere"))
        with pytest.raises(ShareAway, match="No such file"):
            word.result(WITHIN_SECONDS)
    with waiting(files, there=False) as word:
        share.with_name("elsewhere").rename(share)
        word.result(WITHIN_SECONDS)


def test_it_is_told_when_the_share_hangs_and_when_it_goes_on(tmp_path: Path) -> None:
    files = ShareFiles(tmp_path / "readers")
    with (
        mounted(tmp_path / "served", tmp_path / "lab") as mount,
        reading({"lab": (str(mount.path), False)}, tmp_path / "readers"),
    ):
        eventually(lambda: answers(files))
        with waiting(files, there=True) as word:
            mount.hang()
            with pytest.raises(ShareAway, match="has not answered since"):
                word.result(WITHIN_SECONDS)
        with waiting(files, there=False) as word:
            mount.go_on()
            word.result(WITHIN_SECONDS)


def test_it_is_told_when_the_reader_has_ended(files: ShareFiles, tmp_path: Path) -> None:
    eventually(lambda: answers(files))
    with waiting(files, there=True) as word:
        for process in processes_of(tmp_path):
            process.kill()
        with pytest.raises(Unread):
            word.result(WITHIN_SECONDS)


def test_it_is_told_at_once_what_is_news_and_in_time_what_is_not(share: Path, files: ShareFiles) -> None:
    eventually(lambda: answers(files))
    files.turned("lab", there=True, seconds=0.01)
    with waiting(files, there=False) as word:
        word.result(WITHIN_SECONDS)
    share.rename(share.with_name("elsewhere"))
    eventually(lambda: not answers(files))
    with pytest.raises(ShareAway, match="No such file"):
        files.turned("lab", there=False, seconds=0.01)
