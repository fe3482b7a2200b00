"""The report: templates filled with the facts, into one file that needs nothing else."""

import re
from collections.abc import Iterable
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from analysis.claims import page as claims_page
from analysis.claims.verdict import KINDS, VERDICTS, Entry, counts
from analysis.names import SCALE
from analysis.paper import LAST_YEAR
from analysis.paper.claims import Claim
from analysis.quality import table1_page
from analysis.quality.training import readings, share_with_range
from analysis.report import landscape
from analysis.report.chart import Axis, Chart, around
from analysis.report.facts import Answer, Report, gather, with_local
from analysis.report.numbers import Number, minus, together
from analysis.report.pictures import NAMES
from analysis.report.quality import VIEWS, bicubic_share
from analysis.report.sources import anchor, machines, path_of
from analysis.text import shorten
from replication import crops
from replication.files import write_text
from replication.images.metrics import NAMED
from replication.records import METRICS, Detail, load

NAME, LOCAL_NAME = "report.html", "report_local.html"
SHORT = 120
"""Letters of a claim's sentence in the list of claims; its quotations are whole."""
SCRIPTS = ("origins.js", "charts.js", "compare.js", "claims.js", "calculator.js", "page.js")


class Origins:
    """The origins of the numbers on the page, each once, in the order in which they are first needed."""

    def __init__(self) -> None:
        self._places: dict[str, int] = {}
        self.entries: list[dict[str, Any]] = []

    def link(self, number: Number) -> Markup:
        """A number as a link to its origin: the record's card, or the file that computes it."""
        entry = {
            "what": number.what,
            "records": [anchor(path) for path in number.records],
            "metric": number.metric,
            "code": number.code,
            "command": number.command,
            "claims": list(number.claims),
        }
        place = self.place(entry)
        target = f"#{anchor(number.records[0])}" if number.records else f"../{number.code}"
        shown = together(minus(number.text))
        return Markup('<a class="n" href="{}" data-origin="{}">{}</a>').format(target, place, shown)

    def place(self, entry: dict[str, Any]) -> int:
        """The number under which the page keeps an origin."""
        entry = {**entry, "what": minus(entry["what"])}
        key = repr(entry)
        if key not in self._places:
            self._places[key] = len(self.entries)
            self.entries.append(entry)
        return self._places[key]


def text(value: object) -> object:
    """What a template prints: plain text with minus signs, anything else as it is."""
    return minus(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def code(words: str) -> Markup:
    """Words in which Markdown's `code` is shown as code."""
    return Markup(re.sub("`([^`]+)`", r"<code>\1</code>", str(escape(minus(words)))))


def environment(origins: Origins) -> Environment:
    """Jinja2 with what the templates use."""
    made = Environment(
        loader=PackageLoader("analysis.report"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, finalize=text,
    )  # fmt: skip
    made.globals.update(
        num=origins.link,
        origin=origins,
        SCALE=SCALE,
        VIEWS=VIEWS,
        VERDICTS=VERDICTS,
        KINDS=KINDS,
        AXES=landscape.AXES,
        LAST_YEAR=LAST_YEAR,
    )
    made.tests["number"] = lambda value: isinstance(value, Number)
    made.filters["anchor"] = anchor
    made.filters["code"] = code
    made.filters["together"] = together
    made.filters["verdict_class"] = lambda verdict: verdict.replace(" ", "-")
    return made


def part(name: str) -> Markup:
    """A style sheet or script of the package, to stand inside the page."""
    return Markup((resources.files("analysis.report") / "static" / name).read_text(encoding="utf-8"))


def render(report: Report) -> str:
    """The page."""
    origins = Origins()
    jinja = environment(origins)
    charts: list[Chart] = landscape.charts(report.networks)
    return jinja.get_template("report.html").render(
        report=report,
        landscape_charts=charts,
        claims_page=claims_page,
        values=values,
        sentence=sentence,
        share=share_with_range,
        readings=f"{readings()}, see assumptions; where brackets follow a share, they have that range.",
        time_number=landscape.time_number,
        quality_number=landscape.quality_number,
        verdict_counts=counts(report.claims),
        warning=table1_page.warning(report.quality.facts).strip("*"),
        bicubic_share=bicubic_share(),
        style=part("style.css"),
        scripts=[part(name) for name in SCRIPTS],
        answered_on=machines(report.cards, answer_records(report.answer)),
        table1_on=machines(report.cards, table1_records(report)),
        timed_on=machines(report.cards, report.costs.time_records),
        public_code=NAMED["public_code"],
        verified=" ".join(table1_page.confirmed(report.quality.facts)) if report.paper_pictures else "",
        forest=forest(report.answer),
        names=NAMES,
        accounts=[(one.key, one.label) for one in report.costs.breakdowns],
        images={
            "metrics": METRICS,
            "records": {one.anchor: one.images for one in report.cards.values() if one.images},
        },
    )


def values(one: Entry) -> str:
    """A claim's printed and recomputed values in one line, once where they are the same."""
    before, after = claims_page.printed_text(one.claim), claims_page.recomputed_text(one)
    return before if after in (before, "nothing") else f"{before} → {after}"


def forest(answer: Answer) -> Axis | None:
    """The axis of the losses on the first screen: from a little below the lowest to a little above the highest."""
    if answer.rung is None:
        return None
    ends = [value for loss in answer.rung.loss.values() for value in (loss.low, loss.high)]
    return around([0, *ends, *answer.printed_losses.values()], "dB")


def sentence(claim: Claim) -> str:
    """A claim in English in a few words: the paper's first sentence of it, or where it is printed and what of it."""
    first = claim.said[0]
    if english := next((place.english for place in claim.said if place.english), ""):
        return shorten(english, SHORT)
    return f"{first.where}: {first.as_printed if len(claim.values) > 1 else next(iter(claim.values))}"


def answer_records(answer: Answer) -> Iterable[str]:
    """Paths of the records behind the losses of the first screen."""
    losses = [answer.lost] if answer.lost else []
    return [path for number in (*losses, *answer.others.values()) for path in number.records]


def table1_records(report: Report) -> Iterable[str]:
    """Paths of the records behind Table 1."""
    return [path_of(row.record) for row in report.quality.facts.rows.values() if row.record]


def write(results: Path) -> list[Path]:
    """Write ``report.html``; return the paths.

    Where this machine repeated measurements, or the paper's images are here, also ``report_local.html``, which says so
    and shows them; it is not committed.
    """
    report = gather(results)
    written = [results / NAME]
    write_text(written[0], render(report))
    local = results / LOCAL_NAME
    local.unlink(missing_ok=True)  # one that is older than the records would be shown in place of the new page
    if report.quality.facts.confirmations or load(crops.local(results), Detail):
        written.append(local)
        write_text(local, render(with_local(report, results)))
    return written


def newest(results: Path) -> Path:
    """The page to show: the local one where it was made."""
    local = results / LOCAL_NAME
    return local if local.is_file() else results / NAME
