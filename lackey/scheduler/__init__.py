"""The scheduler: starts, watches and ends processes. Nobody else does."""

from lackey.scheduler.main import run
from lackey.scheduler.reader import read

__all__ = ["read", "run"]
