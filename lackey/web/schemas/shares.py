"""Shares and how they are."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from lackey.web.schemas.base import Answer, Page


class ShareHealthOut(Answer):
    """What the last thorough look at a share found, through the eyes of the user that simulations run as.

    `clock_difference_seconds`: how far the file server's clock is ahead; null where no file could be made.
    """

    at: datetime
    mounted: Annotated[bool, Field(description="whether something is mounted at its path")]
    readable: Annotated[bool, Field(description="whether its top can be listed")]
    writable: Annotated[bool, Field(description="whether a file could be made at its top, and removed")]
    free_bytes: int
    total_bytes: int
    clock_difference_seconds: float | None
    latency_seconds: Annotated[float, Field(description="how long the look took")]


class ShareOut(Answer):
    """A share, and how it is as seen from the host of the web service."""

    name: str
    path: Annotated[str, Field(description="on lackey's hosts")]
    unc: Annotated[str | None, Field(description="as Windows users know it")]
    drive: Annotated[str | None, Field(description="the letter under which Windows users have it")]
    must_be_mounted: bool
    there: Annotated[bool, Field(description="whether it can be used now; runs on it wait while it can't")]
    trouble: Annotated[str | None, Field(description="what is wrong with it")]
    mend: Annotated[str | None, Field(description="what to do about that")]
    health: ShareHealthOut | None


class Shares(Page[ShareOut]):
    """Shares, in the order of the configuration."""
