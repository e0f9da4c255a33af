"""The table of routes: what the API answers, from which requests are served and the API described.

A handler is a function of a `Call` and of what its path, body and query hold. Its signature is its entry in the table:
the types of `body` and `query` say what is accepted, the type it returns says what is answered, its docstring says what
it does. The scope is enforced, the body read and checked, and the answer written, in `wsgi`, once for all.
"""

import inspect
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

from pydantic import BaseModel

from lackey.domain.refusals import Refusal
from lackey.web.schemas.base import Body

# Ids that are none (too long for the database, letters) lead to no route, and so to 404.
PATH_ID = "[0-9]{1,18}"

Handler = Callable[..., Any]
H = TypeVar("H", bound=Handler)


@dataclass(frozen=True)
class Raw:
    """An answer that is no JSON document: text, a page, or nothing. `length` in bytes."""

    content_type: str
    body: Any
    length: int
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Route:
    """A row of the table. `log_field` is set for reports, which come with a run's token instead of a key.

    `may` are the refusals beside those that the scope, the path, the body and the query can lead to. `table_field`: the
    field of its body that may be a table, sent as a file or as the body itself; such a body may have `SWEEP_BYTES`.
    """

    methods: tuple[str, ...]
    path: str
    scope: str | None
    handler: Handler
    status: int
    takes_forms: bool
    log_field: str | None
    content_type: str
    may: Sequence[type[Refusal]]
    table_field: str | None = None

    @property
    def is_report(self) -> bool:
        """Whether it takes a run's report about itself."""
        return self.log_field is not None

    @cached_property
    def body(self) -> type[Body] | None:
        """What is accepted as body."""
        model: type[Body] | None = self._model("body")
        return model

    @cached_property
    def query(self) -> type[BaseModel] | None:
        """What is accepted behind the `?`."""
        model: type[BaseModel] | None = self._model("query")
        return model

    @cached_property
    def answer(self) -> type[BaseModel] | None:
        """What is answered, if it is JSON."""
        model = inspect.signature(self.handler).return_annotation
        return model if isinstance(model, type) and issubclass(model, BaseModel) else None

    @property
    def summary(self) -> str:
        """What it does, in a sentence."""
        return (inspect.getdoc(self.handler) or "").partition("\n\n")[0].replace("\n", " ")

    @property
    def description(self) -> str:
        """What else is to be known about it."""
        return (inspect.getdoc(self.handler) or "").partition("\n\n")[2]

    @property
    def path_names(self) -> list[str]:
        """The names of the parts of the path that vary."""
        return re.findall(r"<(\w+)", self.path)

    def _model(self, name: str) -> Any:
        parameter = inspect.signature(self.handler).parameters.get(name)
        return None if parameter is None else parameter.annotation


TABLE: list[Route] = []


def route(
    methods: str,
    path: str,
    *,
    scope: str | None,
    status: int = 200,
    takes_forms: bool = False,
    content_type: str = "application/json",
    may: Sequence[type[Refusal]] = (),
    table_field: str | None = None,
) -> Callable[[H], H]:
    """Enter a handler into the table. `path` in Bottle's syntax, `<name:id>` for ids; `scope` None: for anybody."""

    def enter(handler: H) -> H:
        methods_of = tuple(methods.split())
        row = Route(methods_of, path, scope, handler, status, takes_forms, None, content_type, may, table_field)
        TABLE.append(row)
        return handler

    return enter


def report(verb: str, *, log_field: str = "log", may: Sequence[type[Refusal]] = ()) -> Callable[[H], H]:
    """Enter the handler of a report into the table; it gets the `run_id`, the `body`, and the `log` beside them."""

    def enter(handler: H) -> H:
        path = f"/api/run/{verb}/<run_id>"
        TABLE.append(Route(("PUT", "POST"), path, None, handler, 200, True, log_field, "application/json", may))
        return handler

    return enter
