"""Templates: what they may use, beside what they are given. All that is put into a page is escaped (autoescape).

Times are written in UTC into `<time>` elements, which `lackey.js` then shows in the viewer's zone.
"""

import signal
from datetime import UTC, datetime
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from lackey import __version__
from lackey.domain import durations, sizes
from lackey.domain.run import said_of_left_behind
from lackey.web.static_files import asset_urls
from lackey.web.visits import Visit

# Nothing but our own files, and no script or style within a page.
POLICY = "; ".join(
    [
        *("default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' data:", "connect-src 'self'"),
        *("form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'"),
    ]
)
# How lackey knows of an outcome, by the API's `outcome_source`.
KNOWN_BY = {"reported": "its own report", "observed": "the end of its process", "inferred": "its silence"}


def render(template: str, visit: Visit | None, shown: dict[str, Any]) -> str:
    """The page as text."""
    word = Markup('<input type="hidden" name="word" value="{}">').format(visit.word if visit else "")
    given = {"visit": visit, "version": __version__, "word": lambda: word, "asset": asset_urls()}
    return _environment().get_template(template).render(**given, **shown)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("lackey.web"),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"span": span, "moment": moment, "exact": exact, "size": size, "state": state}
    environment.filters["roughly"] = lambda seconds: durations.in_words(seconds, rough=True)
    environment.filters |= {"signal": signal_name, "known_by": KNOWN_BY.__getitem__, "left_behind": said_of_left_behind}
    environment.filters |= {"name": name, "bdi": bdi, "isolated": isolated}
    environment.filters["figure"] = figure
    environment.filters["prefix"] = lambda text, before: f"{before}{text}"
    return environment


def span(seconds: float | None) -> str:
    """A duration in words: `12.3 s`, `5 min 02 s`, `3 h 20 min`; a dash for none."""
    return "–" if seconds is None else durations.in_words(seconds)


def moment(at: datetime | None) -> Markup:
    """A time in UTC, which the page's script makes relative; a dash for none."""
    return _time(at, Markup('<time datetime="{}">{}</time>'))


def exact(at: datetime | None) -> Markup:
    """A time in UTC, which the page's script shows in full, and how far away it is beside it; a dash for none."""
    return _time(at, Markup('<time class="exact" datetime="{}">{}</time>'))


def _time(at: datetime | None, drawn: Markup) -> Markup:
    if at is None:
        return Markup("–")
    at = at.astimezone(UTC).replace(microsecond=0)
    return drawn.format(at.isoformat().replace("+00:00", "Z"), f"{at:%Y-%m-%d %H:%M:%S} UTC")


def figure(value: float | None) -> str:
    """The value of a metric, short enough for a cell of a table; nothing for none."""
    return "" if value is None else f"{value:.6g}"


def size(count: int | None) -> str:
    """Bytes in words; a dash for none."""
    return "–" if count is None else sizes.in_words(count)


def bdi(text: object) -> Markup:
    """Text from outside, so that letters that run from right to left reorder nothing around it; nothing for none."""
    return Markup() if text is None or text == "" else Markup("<bdi>{}</bdi>").format(text)


def name(text: str | None) -> Markup:
    """A name from outside, which a table may show in part; all of it at hand. `/` stands between its two parts,
    whichever way each of them runs.
    """
    if not text:
        return Markup()
    parts = Markup("/").join(bdi(part) for part in text.split("/"))
    return Markup('<span class="name" title="{}">{}</span>').format(isolated(text), parts)


def isolated(text: str) -> str:
    """What `bdi` does, where no element may stand (UAX #9: first strong isolate). ASCII runs one way alone."""
    return text if text.isascii() else f"\u2068{text}\u2069"


def state(name: str) -> Markup:
    """A state as a badge; the stylesheet puts a shape before the word."""
    return Markup('<span class="state state-{}">{}</span>').format(name, name.replace("_", " "))


def signal_name(number: int) -> str:
    """A signal by its name (signal(7)), and its number."""
    try:
        return f"{signal.Signals(number).name} ({number})"
    except ValueError:
        return str(number)
