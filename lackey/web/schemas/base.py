"""What the schemas have in common."""

from typing import Annotated, Any, ClassVar, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from lackey.web.schemas.types import Cursor

Item = TypeVar("Item")


class Body(BaseModel):
    """What is sent to the API; a field that it does not know is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def given(self) -> dict[str, Any]:
        """The fields that were sent, and they alone."""
        return self.model_dump(exclude_unset=True)

    @staticmethod
    def from_form(fields: dict[str, Any]) -> dict[str, Any]:
        """What a form sent, as JSON would have it."""
        return fields


class Query(BaseModel):
    """What stands behind the `?`; a name that it does not know is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Limit(Query):
    """How much of a list."""

    limit: Annotated[int, Field(ge=1, le=1000, description="how many at most")] = 100


class PageQuery(Limit):
    """Which part of a list."""

    cursor: Annotated[Cursor, Field(description="`next` of the page before")] = None


class Answer(BaseModel):
    """What the API answers. A resource that can be made says in `PATH` below which path its id stands."""

    model_config = ConfigDict(frozen=True)

    PATH: ClassVar[str] = ""


class Page(Answer, Generic[Item]):
    """A part of a list, and the cursor of the next one."""

    items: list[Item]
    next: Annotated[str | None, Field(description="the `cursor` of the next page; null on the last one")] = None


class Paths(Answer):
    """A directory as its users type it; null where the settings of its share do not tell."""

    posix: Annotated[str, Field(description="on lackey's hosts: /srv/lab/heat")]
    unc: Annotated[str | None, Field(description=r"on Windows: \\fileserver\lab\heat")]
    drive: Annotated[str | None, Field(description=r"on Windows, by the share's drive: Z:\heat")]
    smb: Annotated[str | None, Field(description="on macOS and in file managers: smb://fileserver/lab/heat")]
