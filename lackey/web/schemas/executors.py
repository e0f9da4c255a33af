"""Executors and how they are."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from lackey.services.admin.executors import WAITING_AT_MOST
from lackey.web.schemas.base import Answer, Body, Page


class ExecutorChange(Body):
    """The fields of an executor that are to change."""

    paused: Annotated[bool, Field(description="whether nothing new is launched on it; what runs goes on")] = False


class ExecutorOut(Answer):
    """What runs are launched by, and how it is."""

    name: str
    slots: Annotated[
        int | None, Field(description="how many runs it has at once; null: as many as the rest allows, or nobody tells")
    ]
    taken: Annotated[int, Field(description="runs whose processes live")]
    cpus: Annotated[int | None, Field(description="how many its runs may take; null while no scheduler tells")]
    cpus_taken: int
    memory: Annotated[int | None, Field(description="bytes that its runs may take; null while no scheduler tells")]
    memory_taken: Annotated[int, Field(description="bytes, of those runs whose memory is counted")]
    gpus: Annotated[list[str] | None, Field(description="the ids of its devices; null while no scheduler tells")]
    gpus_taken: list[str]
    waiting: Annotated[int, Field(description=f"queued runs that nobody holds, counted up to {WAITING_AT_MOST}")]
    paused: Annotated[bool, Field(description="whether nothing new is launched on it; what runs goes on")]
    paused_by: str | None
    paused_since: datetime | None
    there: Annotated[bool, Field(description="whether a scheduler that launches on it has been heard from lately")]
    trouble: Annotated[str | None, Field(description="what is wrong with it")]
    mend: Annotated[str | None, Field(description="what to do about that")]


class Executors(Page[ExecutorOut]):
    """Executors."""
