"""What is kept of a log.txt that the run itself has removed, by `rm -rf *`, say, or `git clean -xfd`.

As long as its guard holds a descriptor of it, the file is there, though it has no name any more. So at the end, when
nothing of the run writes to it, the guard writes it again: as log.txt, or beside whatever bears that name now.
"""

import os
from contextlib import suppress
from dataclasses import replace
from typing import BinaryIO

from lackey.confined import open_beneath, open_root
from lackey.executors.local.directories import IDENTITY, LOG, NEW_FILE, RUNS, RunDirectories, add_file, identity_of
from lackey.executors.local.tickets import KeptLog
from lackey.executors.protocol import Launch

# Of a longer one, so much of head and tail together. The second, where there is no room for the first.
_LIMITS = (256 << 20, 1 << 20)
_PIECE = 1 << 20
_DIRECTORY = os.O_PATH | os.O_DIRECTORY


class OwnLog:
    """The log.txt of a run that has ended, as its guard holds it. All of this may hang with its share."""

    def __init__(self, launch: Launch, directories: RunDirectories) -> None:
        """Nothing is looked at yet."""
        self._launch = launch
        self.directories = directories
        self._aside = f"log-{launch.run_uid[:8]}.txt"

    def is_there(self) -> bool:
        """Whether the file still has its name, or another. Raises OSError if the share does not say."""
        held = os.fstat(self.directories.log)
        try:
            named = os.stat(LOG, dir_fd=self.directories.run, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return (held.st_dev, held.st_ino) == (named.st_dev, named.st_ino) or held.st_nlink > 0

    def keep(self) -> KeptLog:
        """Write it again, beside where it was: what has come of it once `put_back` is done. Raises no OSError."""
        size = 0
        with suppress(OSError):
            size = os.fstat(self.directories.log).st_size
            for limit in _LIMITS:
                with suppress(OSError):
                    self._write_aside(size, limit)
                    return KeptLog(self._aside if self._is_taken() else LOG, size)
        return KeptLog(None, size)

    def put_back(self, kept: KeptLog) -> None:
        """Give it its name again. Raises OSError."""
        if kept.name == LOG:
            run = self.directories.run
            try:
                os.link(self._aside, LOG, src_dir_fd=run, dst_dir_fd=run, follow_symlinks=False)
                os.unlink(self._aside, dir_fd=run)
            except FileExistsError:
                pass
            except OSError:  # a file system without hard links
                if not self._is_taken():
                    os.rename(self._aside, LOG, src_dir_fd=run, dst_dir_fd=run)

    def _is_taken(self) -> bool:
        try:
            os.stat(LOG, dir_fd=self.directories.run, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return True

    def _write_aside(self, size: int, limit: int) -> None:
        try:
            target = open_beneath(self.directories.run, self._aside, NEW_FILE)
        except FileNotFoundError:
            self._make_directory()
            target = open_beneath(self.directories.run, self._aside, NEW_FILE)
        try:
            with open(target, "wb") as file:
                if size <= limit:
                    self._copy(0, size, file)
                else:
                    self._copy(0, limit // 2, file)
                    file.write(f"\n[lackey: {size - limit} bytes left out]\n".encode())
                    self._copy(size - limit // 2, size, file)
        except OSError:
            os.unlink(self._aside, dir_fd=self.directories.run)
            raise

    def _copy(self, start: int, end: int, target: BinaryIO) -> None:
        while start < end and (piece := os.pread(self.directories.log, min(_PIECE, end - start), start)):
            start += target.write(piece)

    def _make_directory(self) -> None:
        """Make the run directory anew, where it was: it was removed as well."""
        root = open_root(self._launch.share_path)
        try:
            application = open_beneath(root, self._launch.directory or ".", _DIRECTORY, links=True)
        finally:
            os.close(root)
        try:
            with suppress(FileExistsError):
                os.mkdir(RUNS, dir_fd=application)
            runs = open_beneath(application, RUNS, _DIRECTORY)
        finally:
            os.close(application)
        try:
            name = os.path.basename(self.directories.run_directory)
            os.mkdir(name, dir_fd=runs)
            run = open_beneath(runs, name, _DIRECTORY)
        finally:
            os.close(runs)
        self.directories = replace(self.directories, run=run)
        add_file(run, IDENTITY, identity_of(self._launch))
