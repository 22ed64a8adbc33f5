"""What a browser gets: the list, the page of a run with what keeps it live, a comparison.

Texts of models and users are escaped by the templates. Each page lets exactly its own style and
its own script work, by their hash.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from typing import TYPE_CHECKING, Any, get_args
from urllib.parse import quote

from llmopt.core.formatting import clock, counted, p_value
from llmopt.core.store import Status
from llmopt.errors import DISTRIBUTION
from llmopt.evidence.words import SIGNS
from llmopt.history.readable_solution import in_words
from llmopt.web.pages.payload import packed
from llmopt.web.pages.run_page import (
    Served,
    asset,
    hash_of,
    in_room,
    page,
    spelled,
    templates,
)
from llmopt.web.pages.run_rows import (
    ORDERS,
    PAGE,
    ListQuery,
    Rows,
)
from llmopt.web.pages.score_text import FIXED, amount, points

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jinja2 import Environment
    from markupsafe import Markup

    from llmopt.core.presentation import Presentation
    from llmopt.evidence.scores import Score
    from llmopt.history.compare import RunComparison
    from llmopt.history.compared_run import Compared
    from llmopt.web.server.events import News

_SHARED = ("preserve-state.js", "events.js")  # of every page that is live
_LISTING = ("base.js",)  # of the report's page, for the list
_COMPARED = ("base.js", "chart.js", "download.js", "sweep.js")  # for curves
_FIRST_ITEMS = 12  # of the items that differ between runs; the others are folded
_MOST_ITEMS = 200  # of those that differ between runs; the command prints all of them
_MARKS = re.compile("</?span[^>]*>")
_POLICY = re.compile(r'http-equiv="Content-Security-Policy" content="([^"]+)"')
_SIGNS = SIGNS | {"no gain": ("even", "◆")}


def listing(rows: Rows, asked: ListQuery) -> str:
    """Return the list of runs."""
    return made_page(
        "runs.html",
        scripts=(*(asset(name) for name in _LISTING), *map(_own, (*_SHARED, "runs.js"))),
        title="Runs · llmopt",
        rows=rows,
        asked=asked,
        orders=ORDERS,
        states=get_args(Status),
        more=asked.most + PAGE,
        signs=_SIGNS,
    )


def run_page(record: Mapping[str, Any], news: News | None) -> str:
    """Return the page of a run or a sweep, with a bar on top, and a script that keeps it live.

    Args:
        record: What :func:`llmopt.history.document.record` gives.
        news: How the run stood before that was read.
    """
    bar = _environment().get_template("bar.html").render(record=record, news=news)
    script = "\n".join(map(_own, (*_SHARED, "run.js")))
    return page(record, Served(bar, _own("view.css"), script))


def comparison(found: RunComparison, *, alone: bool = False) -> str:
    """Return a page with runs beside each other.

    Args:
        found: The runs.
        alone: Whether it is a file of its own, which links to nothing and asks no server.
    """
    names = [f"[{n}] {row.run}" for n, row in enumerate(found.runs, 1)]
    curves = [
        {"task": "", "variant": name, "step": step, "mean": score, "sd": None}
        for name, row in zip(names, found.runs, strict=True)
        for step, score in enumerate(row.curve)
    ]
    several = any(row.corrected is not None for row in found.runs)
    return made_page(
        "compare.html",
        scripts=(
            *map(asset, _COMPARED),
            *map(_own, ("curves.js",) if alone else (*_SHARED, "curves.js", "compare.js")),
        ),
        alone=alone,
        title=f"{' and '.join(row.run for row in found.runs)} compared · llmopt",
        found=found,
        names=names,
        curves=packed(
            {"points": curves, "shares": found.shown.shares, "decimals": found.shown.decimals}
        ),
        columns=[
            name
            for name in ("train", "validation", "test")
            if any(getattr(row, name) is not None for row in found.runs)
        ],
        tested=any(row.difference for row in found.runs),
        methods=sorted({row.difference.method for row in found.runs if row.difference}),
        several=several,
        changed=found.changed[:_MOST_ITEMS],
        first=_FIRST_ITEMS,
        scored=lambda score: _scored(score, found.shown),
        shown=lambda value: amount(value, found.shown),
        points=lambda value: points(value, found.shown),
        worth=lambda score: worth_of(score, found.shown),
        chance=lambda value: p_value(value, blank=FIXED),
        counted=counted,
        in_words=in_words,
        clock=clock,
        caps=_caps,
        signs=_SIGNS,
    )


def message(title: str, sentences: tuple[str, ...], link: str = "") -> str:
    """Return a page that says why there is no other; `link` is the name of a run to go to."""
    return made_page("message.html", title=title, sentences=sentences, link=link)


def policy_of(html: str) -> str:
    """Return the content security policy of a page."""
    found = _POLICY.search(html)
    assert found  # noqa: S101 - every page of ours has one
    return found[1]


def _scored(score: Score | None, shown: Presentation) -> dict[str, str] | None:
    if score is None:
        return None
    low, high = (amount(end, shown) for end in (score.interval.low, score.interval.high))
    spread = f"{low} to {high}, n = {score.items}" if score.planned > 1 else ""
    return {"mean": amount(score.mean, shown), "interval": spread}


def worth_of(score: float | None, shown: Presentation) -> tuple[str, str]:
    """Return the class and the words for what an answer to an item scored."""
    if score is None:
        return "even", "not measured"
    if shown.shares and score in (0, 1):
        return ("good", "right") if score else ("bad", "wrong")
    return "even", amount(score, shown)


def _caps(row: Compared) -> str:
    return ", ".join(f"{most:,g} {cap}" for cap, most in row.caps.items()) or "none"


def made_page(
    name: str, scripts: tuple[str, ...] = (), *, alone: bool = False, **values: Any
) -> str:
    """Fill a template; every text in `values` is escaped there.

    Args:
        name: The template.
        scripts: What its script consists of; the files are the caller's own.
        alone: Whether the page is a file of its own, which asks no server.
        values: What the template shows.
    """
    from markupsafe import Markup

    script = in_room(*scripts) if scripts else ""
    style = asset("page.css") + _own("view.css")
    allowed = f" script-src '{hash_of(script)}'; img-src blob:;" if script else ""
    asked = " connect-src 'self';" if script and not alone else ""
    sent = "'none'" if alone else "'self'"
    policy = (
        f"default-src 'none'; style-src '{hash_of(style)}';{allowed}{asked} base-uri 'none'; "
        f"form-action {sent}"
    )
    return (
        _environment()
        .get_template(name)
        .render(
            **values,
            alone=alone,
            version=version(DISTRIBUTION),
            policy=Markup(policy),  # noqa: S704 - our own words and two hashes
            style=Markup(style),  # noqa: S704 - our own files
            script=Markup(script),  # noqa: S704 - our own files
        )
    )


@cache
def _environment() -> Environment:
    made = templates()
    made.filters |= {"attribute": _attribute, "quoted": _quoted}
    return made


def _attribute(text: str) -> Markup:
    """Return a text for an attribute: there, no element can mark what is spelled out."""
    from markupsafe import Markup, escape

    # Escaping leaves what is escaped already, and then the only elements are those marks.
    return Markup(_MARKS.sub("", escape(spelled(text))))  # noqa: S704 - escaped


def _quoted(text: str) -> str:
    """Return a text as a part of an address."""
    return quote(text, safe="", errors="surrogatepass")


@cache
def _own(name: str) -> str:
    return files("llmopt.web").joinpath("static").joinpath(name).read_text("utf-8")
