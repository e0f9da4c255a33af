"""The scheduler: starts, watches and ends processes. Nobody else does."""

from lackey.scheduler.main import run

__all__ = ["run"]
