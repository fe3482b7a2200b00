"""The report without a browser: its numbers are those of the Markdown pages, links lead somewhere, gaps are named."""

import html
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import dropwhile, takewhile
from pathlib import Path

import pytest

from analysis.artefacts import ARTEFACTS
from analysis.figures import figure1, figure1_macs
from analysis.report import chart, landscape, pictures, report_page, training
from analysis.report.chart import Axis, Chart, Curve, Mark
from analysis.report.facts import Report, gather, with_local
from analysis.report.numbers import minus, together
from analysis.report.sources import path_of
from replication import crops, records
from replication.images.io import read_image, write_image
from replication.records import Detail, Evaluation, TrainingRun

ROOT = Path(__file__).resolve().parents[3]
RESULTS = ROOT / "results"
PAGE = (RESULTS / "report.html").read_text(encoding="utf-8")


class Tables(HTMLParser):
    """Every table by its caption, as rows of texts with "-" for a minus sign; every id; every link."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tables: dict[str, list[list[str]]] = {}
        self.ids: list[str] = []
        self.links: list[str] = []
        self._rows: list[list[str]] = []
        self._in = ""
        self._caption = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if found.get("id"):
            self.ids.append(found["id"] or "")
        if tag == "a":
            self.links.append(found["href"] or "")
        if tag == "table":
            self._rows, self._caption = [], ""
        elif tag == "tr":
            self._rows.append([])
        elif tag in ("td", "th"):
            self._rows[-1].append("")
        if tag in ("caption", "td", "th"):
            self._in = tag

    def handle_endtag(self, tag: str) -> None:
        if tag == "table":
            self.tables[self._caption] = [[" ".join(cell.split()) for cell in row] for row in self._rows]
        if tag in ("caption", "td", "th"):
            self._in = ""

    def handle_data(self, data: str) -> None:
        if self._in == "caption":
            self._caption += data
        elif self._in:
            self._rows[-1][-1] += data.replace("\N{MINUS SIGN}", "-")


PARSED = Tables(PAGE)


def shown(caption: str) -> dict[str, list[str]]:
    """The rows of the one table whose caption begins so, by their first cell."""
    (rows,) = [rows for name, rows in PARSED.tables.items() if name.startswith(caption)]
    return {row[0]: row[1:] for row in rows[1:]}


def table_rows(name: str, start: str) -> list[list[str]]:
    """The rows of the first table of a Markdown page from the words ``start`` on, without signs of positive numbers."""
    text = (RESULTS / name).read_text(encoding="utf-8")
    assert start in text, f"{name} has no {start}"
    lines = text[text.index(start) :].splitlines()
    table = takewhile(lambda line: line.startswith("|"), dropwhile(lambda line: not line.startswith("|"), lines))
    return [[cell.strip().strip("`").replace("+", "") for cell in line.strip("|").split("|")] for line in table][2:]


def markdown(name: str, start: str) -> dict[str, list[str]]:
    """`table_rows` by their first cell."""
    return {row[0]: row[1:] for row in table_rows(name, start)}


SETS = ("Set5", "Set14", "B100", "Urban100", "Average")


def test_table1_is_that_of_the_markdown_page() -> None:
    page, table = shown("PSNR (dB) / SSIM at x4; measured columns: public code"), markdown("table1.md", "# Table 1")
    losses = markdown("table1.md", "## The shipped weights")
    for name in SETS:
        msrn, smsrn, lost, msrn_paper, smsrn_paper, lost_paper, bicubic = page[name]
        assert [msrn_paper, smsrn_paper, bicubic, msrn, smsrn] == table[name], name
        assert [lost_paper, lost] == losses[name][:2], name
    shares = table["Training, share of the paper's"]
    assert page["training*"][:2] == [share.partition(" (")[0] for share in shares[3:5]]


@pytest.mark.parametrize(("view", "channels"), [("MATLAB", "luma"), ("RGB", "RGB")])
def test_other_protocols_are_those_of_the_markdown_page(view: str, channels: str) -> None:
    page = shown(f"PSNR (dB) / SSIM at x4; measured columns: {view}")
    text = (RESULTS / "table1.md").read_text(encoding="utf-8").partition("## The shipped weights on luma and on RGB")[2]
    for name in SETS:
        (line,) = re.findall(rf"^\| {name} +\| {channels} +\|(.*)\|$", text, re.MULTILINE)
        bicubic, smsrn, msrn, lost, *_ = (cell.strip() for cell in line.split("|"))
        assert page[name][:3] == [msrn, smsrn, lost]
        assert page[name][6] == bicubic


def test_unrounded_ssim_is_that_of_the_markdown_page() -> None:
    page = shown("PSNR (dB) / SSIM at x4; measured columns: unrounded")
    for name, row in markdown("table1.md", "## As the literature measures").items():
        assert [cell.split(" / ")[1] for cell in page[name][:2]] == [cell.split(" / ")[1] for cell in row[4:6]]


def test_the_embedded_set_is_that_of_the_markdown_page() -> None:
    table = markdown("table1.md", "## The embedded set")
    assert shown("Five photographs") == {name: row[1:] for name, row in table.items()}


def ladder() -> list[list[str]]:
    """The rows of the ladder's first table: images, steps, seed, share, dead filters, validation, and the losses."""
    return table_rows("training_ladder.md", "## Lost PSNR")


def test_marks_of_todays_recipe_are_filled() -> None:
    filled = set(re.findall(r"filled: trained on ([^;<]*) by the recipe of today;", html.unescape(PAGE)))
    assert filled == {row[0] for row in ladder()[:-1] if "SOAP" not in row[0]}, "today's recipe"


def named_first(rungs: list[list[str]]) -> list[str]:
    """The pair whose weights ship: that with Table 1's loss of the shipped weights."""
    *_, average = table_rows("table1.md", "## The shipped weights")
    (found,) = (row for row in rungs if row[-1] == average[2].replace(" dB", ""))
    return found


def test_losses_are_those_of_the_ladder() -> None:
    (page,) = [rows for name, rows in PARSED.tables.items() if name.startswith("PSNR that SMSRN loses")]
    rows = ladder()
    found = [[cell.replace(" dB", "") for cell in row[1:]] for row in page[1:]]
    assert found == [[row[-1], *row[6:-1], *row[4:6]] for row in rows]
    for (name, *_), (images, steps, seed, share, *_) in zip(page[1:-1], rows[:-1], strict=True):
        assert name == f"{steps} steps, seed {seed}, {images} ({share})"


def test_the_first_picture_and_the_tendency_lead_to_records() -> None:
    *rungs, _ = ladder()
    first = named_first(rungs)
    forest = PAGE.partition('class="forest"')[2].partition("</figure>")[0]
    assert sorted(re.findall(r'class="n"[^>]*>([\d.]+)<', forest)) == sorted(cell.split()[0] for cell in first[6:])
    assert re.search(r'class="n"[^>]*>From [^<]* the average loss changes by', PAGE)


def test_means_over_the_seeds_are_those_of_the_ladder() -> None:
    rows = table_rows("training_ladder.md", "## Lost PSNR over the seeds")
    (page,) = [found for name, found in PARSED.tables.items() if name.startswith("Mean over the seeds")]
    found = [[row[0], row[1], *(cell.replace(" dB", "") for cell in row[2:])] for row in page[1:]]
    expected = [
        [f"{steps} steps, {images} ({share})", seeds, average, *losses]
        for images, steps, seeds, share, *losses, average in rows
    ]
    assert expected
    assert found == expected


def test_runs_are_those_of_the_page_of_runs() -> None:
    rows = table_rows("runs.md", "Hours are by the clock")
    expected = sorted([row[9], row[10], row[11]] for row in rows)
    assert expected
    (found,) = [rows for caption, rows in PARSED.tables.items() if "recorded runs" in caption]
    assert sorted(row[1:4] for row in found[1:]) == expected
    assert len({row[0] for row in found}) == len(found), "runs that are called the same"


@pytest.mark.parametrize("what", ["parameters", "MACs per LR pixel"])
def test_cost_is_that_of_the_page_of_cost(what: str) -> None:
    assert shown(f"{what}, by group of layers") == markdown("cost_ratio.md", f"| {what} ")


def test_times_are_those_of_the_page_of_speed() -> None:
    text = (RESULTS / "speed.md").read_text(encoding="utf-8")
    headings = re.findall(r"^### (\d+x\d+ to .*)$", text, re.MULTILINE)
    assert headings
    for heading in headings:
        table = {name: row for name, row in markdown("speed.md", f"### {heading}").items() if "Pillow" not in name}
        assert shown(heading) == table
    for label in ("MSRN", "MSRN, folded", "SMSRN", "SMSRN, folded"):
        page = shown(f"{label}: ")
        for name, row in markdown("speed.md", f"### {label}: ").items():
            assert [page[name][index] for index in (0, 1, 2, 5, 6)] == row[:5], (label, name)
    networks = shown("PSNR on luma of Set5")
    for name, row in markdown("speed.md", "## Beside other networks").items():
        assert networks[name][4] == row[1], name


def test_the_first_screen_says_what_the_pages_say() -> None:
    answer = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", PAGE.partition('id="answer"')[2].partition("</section>")[0]))
    cost = json.loads((RESULTS / "cost_ratio.json").read_text(encoding="utf-8"))["networks"]
    assert f"{cost['msrn']['params']:,} parameters and SMSRN {cost['smsrn']['params']:,}" in answer
    saved = 1 - cost["smsrn"]["macs_per_lr_pixel"] / cost["msrn"]["macs_per_lr_pixel"]
    assert f"saves {100 * saved:.1f} % of the multiply-adds" in answer
    assert f"({cost['msrn']['gmacs_720p']:.1f} to {cost['smsrn']['gmacs_720p']:.1f} G MACs" in answer
    *rungs, paper = ladder()
    _, steps, _, share, _, *losses = named_first(rungs)
    assert f"equal trainings of {steps} steps" in answer
    assert f": {float(share.removesuffix(' %')):g} % (" in answer
    others = sorted(float(row[-1].split(" ")[0]) for row in rungs if row[-1] != losses[-1])
    assert f"In the other {len(others)} pairs it loses between {others[0]:.3f} dB" in answer
    assert f") and {others[-1]:.3f} dB (" in answer
    assert f"SMSRN loses {losses[-1].replace(' (', ' dB (')}" in answer
    assert f"The paper loses {paper[-1]} dB" in answer
    assert not re.search(r"\([^)]*\(", answer.replace("(R)", "")), "brackets in brackets"


def test_the_first_screen_names_the_machines_of_its_records() -> None:
    known = [*records.load(RESULTS, TrainingRun), *records.load_all(RESULTS)]
    report = gather(RESULTS)
    paths = set(report_page.answer_records(report.answer))
    behind = [one for one in known if path_of(one) in paths]
    assert len(behind) == len(paths) > 10
    line = PAGE.partition('class="recorded">')[2].partition("</p>")[0]
    for one in behind:
        assert one.environment["machine"] in line
        assert one.environment["date"] in line
    measured = {one.key.weights for one in behind if isinstance(one, Evaluation)}
    trained = {digest for one in behind if isinstance(one, TrainingRun) for digest in one.weights.values()}
    assert measured <= trained


def test_claims_are_those_of_the_ledger() -> None:
    ledger_json = json.loads((RESULTS / "claims.json").read_text(encoding="utf-8"))
    found = re.findall(r'<details class="claim" id="claim-([^"]+)" data-verdict="([^"]+)" data-kind="([^"]+)"', PAGE)
    assert found == [(one["id"], one["verdict"], one["kind"]) for one in ledger_json["claims"]]
    for verdict, number in ledger_json["counts"].items():
        assert f"<dt><b>{number}</b> {verdict}</dt>" in PAGE


def test_korean_is_marked_as_korean() -> None:
    marked = re.sub(r'<(q|span) class="[^"]*" lang="ko">.*?</\1>', "", PAGE, flags=re.DOTALL)
    assert re.search("[가-힣]", PAGE)
    assert not re.search("[가-힣]", marked)


def test_text_is_set_for_readers() -> None:
    body = re.sub(r"<(script|style|code)\b.*?</\1>", "", PAGE.partition("<body>")[2], flags=re.DOTALL)
    text = re.sub(r"<[^>]*>", " ", body)
    assert "`" not in text
    assert "\N{MINUS SIGN}0.0" in text
    assert not re.search(r"[\s(]-\d", text)


def test_links_lead_somewhere() -> None:
    assert len(PARSED.ids) == len(set(PARSED.ids))
    assert len(PARSED.links) > 200
    for link in set(PARSED.links):
        if link.startswith("#"):
            assert link[1:] in PARSED.ids, link
        else:
            assert (RESULTS / link).is_file(), link


def test_every_origin_is_there() -> None:
    origins = json.loads(PAGE.partition('id="origins">')[2].partition("</script>")[0])
    known = {one.name for one in ARTEFACTS}
    for one in origins:
        assert one["what"]
        assert one["records"] or one["code"], one
        assert {f"claim-{claim}" for claim in one["claims"]} | set(one["records"]) <= set(PARSED.ids), one
        if one["code"]:
            assert (ROOT / one["code"]).is_file(), one
        if one["command"].startswith("python -m analysis "):
            assert one["command"].removeprefix("python -m analysis ") in known, one
    used = {int(place) for place in re.findall(r'data-origin="(\d+)"', PAGE)}
    assert used == set(range(len(origins)))


def test_losses_of_table1_lead_to_their_claim() -> None:
    origins = json.loads(PAGE.partition('id="origins">')[2].partition("</script>")[0])
    losses = [one for one in origins if one["what"].startswith("PSNR of MSRN less that of SMSRN, ")]
    assert len(losses) > len(SETS)
    assert all("table1-smsrn-psnr" in one["claims"] for one in losses)


def test_one_file_that_needs_nothing_else() -> None:
    assert len(PAGE.encode()) < 6_000_000
    assert not re.findall(r"""(?:src|href|url\()\s*=?\s*["']?(?:https?:)?//""", PAGE)
    assert "default-src 'none'" in PAGE
    assert not re.findall(r"\bsrc=\"(?!data:)", PAGE)


@pytest.fixture(scope="module")
def nothing(tmp_path_factory: pytest.TempPathFactory) -> tuple[Report, Path]:
    """The report of a folder without records."""
    folder = tmp_path_factory.mktemp("results")
    return gather(folder), folder


def test_what_is_missing_leaves_a_named_gap(nothing: tuple[Report, Path]) -> None:
    page = report_page.render(nothing[0])
    gaps = " ".join(re.findall(r'<p class="gap">(.*?)</p>', page))
    for command in (
        "replication.crops</code>", "replication.runs RUN</code>", "tox -e benchmark</code>",
        "replication.benchmark_networks</code>",
    ):  # fmt: skip
        assert command in gaps, command
    assert "astronaut" in gaps
    assert "not measured" in page
    assert [table for table in Tables(page).tables if table.startswith("parameters")]


def test_a_missing_picture_is_a_gap_and_the_others_stay(tmp_path: Path) -> None:
    folder = records.folder(tmp_path, Detail)
    folder.mkdir(parents=True)
    for path in records.folder(RESULTS, Detail).iterdir():
        if path.name != "embedded-coffee-x4-msrn.png":
            (folder / path.name).write_bytes(path.read_bytes())
    found = pictures.embedded(tmp_path)
    assert [one.name for one in found.shown] == ["astronaut", "chelsea", "motorcycle_left", "rocket"]
    assert found.missing == ("coffee (embedded)",)


def test_images_that_may_not_be_passed_on_stay_in_the_local_copy(nothing: tuple[Report, Path]) -> None:
    report, folder = nothing
    target = records.folder(crops.local(folder), Detail)
    original = next(one for one in records.load(RESULTS, Detail) if one.name == "chelsea")
    files = {}
    for name, digest in original.files.items():
        renamed = name.replace("embedded-chelsea", "Set5-baby")
        write_image(target / renamed, read_image(records.folder(RESULTS, Detail) / name))
        files[renamed] = digest
    records.save(crops.local(folder), replace(original, benchmark="Set5", name="baby", files=files))
    public, local = report_page.render(report), report_page.render(with_local(report, folder))
    assert 'alt="baby' not in public
    assert 'alt="baby, detail: MSRN"' in local
    assert "comic (Set14)" in re.findall(r'<p class="gap">(Not in the data.*?)</p>', local)[0]
    assert 'id="record-local-records-crops-Set5-baby-x4"' in local


def test_the_charts_hold_the_networks_of_the_figures() -> None:
    networks = landscape.networks(RESULTS)
    for key, drawn in (("parameters", figure1.published_points()), ("macs", figure1_macs.published_points())):
        found = {(one.label, one.cost(key), one.psnr, one.counted) for one in networks if one.kind == "published"}
        assert {(one.label, one.cost, one.psnr, one.counted) for one in drawn} == {row for row in found if row[1]}
    paper = {(one.label, one.parameters, one.psnr) for one in networks if one.kind == "paper" and one.parameters}
    assert paper == {(one.label, one.cost, one.psnr) for one in figure1.paper_points()}


def test_axes() -> None:
    log = Axis("", 10, 1000, log=True)
    assert [log.at(value) for value in (10, 100, 1000)] == [0, 50, 100]
    assert log.ticks()[0] == (0, "10")
    assert Axis("", 0, 10).ticks() == [(0, "0"), (20, "2"), (40, "4"), (60, "6"), (80, "8"), (100, "10")]
    assert chart.around([1, 3], "").low < 1 < 3 < chart.around([1, 3], "").high


@pytest.mark.parametrize(
    ("text", "expected"),
    [("-0.1", "\N{MINUS SIGN}0.1"), ("0 dB (-1 to -0)", "0 dB (\N{MINUS SIGN}1 to \N{MINUS SIGN}0)")],
)
def test_negative_numbers_have_a_minus_sign(text: str, expected: str) -> None:
    assert minus(text) == expected


def test_a_number_stays_with_its_unit() -> None:
    for unit in ("dB", "%"):
        assert together(f"0.1 {unit} (0 to 1)") == f"0.1\N{NO-BREAK SPACE}{unit} (0 to 1)"
    outside = re.sub(r"<(?:head|script)\b.*?</(?:head|script)>", "", PAGE, flags=re.DOTALL)
    for cell in re.findall(r"<(?:caption|th|td)\b.*?</(?:caption|th|td)>", outside, flags=re.DOTALL):
        assert not re.search(r"\d (?:%|dB\b)", re.sub(r"<[^>]*>", "", cell)), cell


@pytest.mark.parametrize("text", ["2026-11-25", "smsrn-x4-4000-s0", "x-1", "--rounds", "records/-1", "MSRN 2018-11"])
def test_hyphens_stay(text: str) -> None:
    assert minus(text) == text


def test_a_label_keeps_clear_of_curves() -> None:
    falling = Curve(((0, 2), (1, 1), (2, 0)), "k3", "")
    mark = Mark(1, 1, "paper", "a label", "")
    alone = Chart("", "", Axis("", 0, 2), Axis("", 0, 2), (mark,))
    assert alone.places() == ["right"]
    level = replace(falling, points=((0, 1), (2, 1)))
    assert replace(alone, curves=(level,)).places() == ["above-right"]
    rising = replace(falling, points=((0, 0), (1, 1), (2, 2)))
    assert replace(alone, curves=(level, rising)).places() == ["below-right"]


def test_marks_of_one_place_stand_side_by_side() -> None:
    marks = training.side_by_side(Mark(x, 1, "measured", "", "") for x in (0.1, 0.1, 0.2, 0.1))
    places = [mark.x for mark in marks]
    assert places[0] == 0.1
    assert places[2] == 0.2
    assert len(set(places)) == len(places)


def test_labels_of_a_chart_do_not_overlap() -> None:
    crowd = tuple(Mark(1 + index / 100, 1, "published", f"network {index}", "") for index in range(40))
    sides = Chart("", "", Axis("", 0, 2), Axis("", 0, 2), crowd).places()
    assert sides[0]
    assert 2 <= sum(map(bool, sides)) < 12
