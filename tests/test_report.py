"""The report in a browser: every control works, nothing is fetched or fails, and assistive tools find no fault."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from analysis.cost import closed_form, equations

api = pytest.importorskip("playwright.sync_api", reason="the report is tried in a browser by playwright")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe looks for what assistive tools miss")
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
if BROWSER is None:
    pytest.skip("the report is tried in Chromium: `apt-get install chromium`", allow_module_level=True)

REPORT = Path(__file__).resolve().parents[1] / "results" / "report.html"
ARGUMENTS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
PATIENCE = 180_000
"""Milliseconds that a busy machine may take for a step."""
DESKTOP, PHONE = {"width": 1280, "height": 800}, {"width": 360, "height": 740}


@pytest.fixture(scope="module")
def browser() -> Iterator[api.Browser]:
    with api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=BROWSER, args=ARGUMENTS)
        yield started
        started.close()


@pytest.fixture
def page(browser: api.Browser) -> Iterator[api.Page]:
    """The report on a desktop; afterwards nothing was fetched and nothing failed."""
    opened = browser.new_page(viewport=DESKTOP, reduced_motion="reduce")  # nothing moves while it is measured
    opened.set_default_timeout(PATIENCE)
    problems: list[str] = []
    requests: list[str] = []
    opened.on("console", lambda one: problems.append(one.text) if one.type in ("error", "warning") else None)
    opened.on("pageerror", lambda error: problems.append(str(error)))
    opened.on("request", lambda one: requests.append(one.url) if not one.url.startswith("data:") else None)
    opened.goto(REPORT.as_uri())
    yield opened
    assert problems == []
    assert {url.partition("#")[0] for url in requests} == {REPORT.as_uri()}
    opened.close()


def visible(page: api.Page, selector: str, read: str = "one.innerText") -> list[str]:
    """Something of every element that can be seen, by one question to the browser."""
    script = f"all => all.filter(one => one.checkVisibility()).map(one => {read})"
    return list(page.locator(selector).evaluate_all(script))


def test_a_request_would_be_seen_and_forbidden(browser: api.Browser, tmp_path: Path) -> None:
    """The watch of the fixture `page` sees what a page tries to fetch, and the report's own policy forbids it."""
    (policy,) = re.findall(r"<meta http-equiv=.Content-Security.*?>", REPORT.read_text(encoding="utf-8"))
    (tmp_path / "other.html").write_text(f"{policy}<img src='other.png'>", encoding="utf-8")
    opened = browser.new_page()
    requests: list[str] = []
    messages: list[str] = []
    opened.on("request", lambda one: requests.append(one.url))
    opened.on("console", lambda one: messages.append(one.text))
    opened.goto((tmp_path / "other.html").as_uri())
    assert len(requests) == 2
    assert any("Content Security Policy" in text for text in messages)
    opened.close()


def test_the_answer_is_on_the_first_screen(page: api.Page) -> None:
    ends = visible(page, ".verdict div, .panels, .recorded", "one.getBoundingClientRect().bottom")
    assert len(ends) == 5
    assert all(float(end) < DESKTOP["height"] for end in ends)


def test_every_control_can_be_used(page: api.Page) -> None:
    """Each once, by what a user would do with it; of the claims and of the records, which are alike, one each."""
    used = 0
    for summary in page.locator("main details:not(.claim, .record) > summary, .claim summary, .record summary").all():
        text = summary.evaluate("one => one.checkVisibility() && (one.parentNode.className || one.textContent)")
        if text and (text not in ("claim", "record") or not page.locator(f"details.{text}[open]").count()):
            summary.click()
            used += 1
    for control in page.locator("main input, main select, main button, header select").all():
        kind = control.evaluate(
            "one => one.checkVisibility() && (one.getAttribute('type') || one.tagName.toLowerCase())"
        )
        if not kind:
            continue
        used += 1
        if kind == "range":
            before = control.input_value()
            control.press("ArrowLeft")
            assert control.input_value() != before or before == control.get_attribute("min")
        elif kind in ("radio", "checkbox", "button"):
            control.click()
        elif kind == "select":
            last = control.locator("option").count() - 1
            control.select_option(index=last)
            assert control.evaluate("one => one.selectedIndex") == last
        else:
            assert kind == "search"
            control.fill("psnr")
    assert used > 50


def test_table1_switches(page: api.Page) -> None:
    def shown() -> list[str]:
        return visible(page, "[data-view]", "one.dataset.view")

    assert shown() == ["public_code"]
    for protocol in ("matlab", "unrounded", "public_code"):
        page.check(f"[name=protocol][value={protocol}]")
        assert shown() == [protocol]
    page.check("[name=channel][value=rgb]")
    assert shown() == ["rgb"]
    page.check("[name=channel][value=luma]")
    assert shown() == ["public_code"]


def test_a_number_opens_its_origin_and_leads_to_its_claim(page: api.Page) -> None:
    number = page.locator("[data-view=public_code] tbody tr").first.locator("a.n").first
    text = number.inner_text()
    number.click()
    panel = page.locator("#origin")
    assert panel.is_visible()
    words = panel.inner_text()
    for expected in (
        "weights",
        "SHA-256",
        "machine",
        "python -m replication.evaluate",
        "public EDSR and MSRN code",
        "date",
    ):
        assert expected in words
    panel.locator("summary").click()
    values = [float(cell) for cell in panel.locator("td").all_inner_texts()]
    assert f"{sum(values) / len(values):.2f}" == text
    panel.locator(".to-claim").first.click()
    assert not panel.is_visible()
    assert page.locator("#claim-table1-msrn-psnr").get_attribute("open") is not None
    assert page.locator("#claim-table1-msrn-psnr summary").evaluate("one => one === document.activeElement")


def test_an_origin_closes_by_key_and_by_button(page: api.Page) -> None:
    for close in (lambda: page.keyboard.press("Escape"), lambda: page.locator("#origin button").click()):
        page.locator("#answer a.n").first.focus()
        page.keyboard.press("Enter")
        assert page.locator("#origin").is_visible()
        close()
        assert not page.locator("#origin").is_visible()


def test_figure1_filters(page: api.Page) -> None:
    def shown(chart: str = "parameters") -> int:
        return len(visible(page, f"[data-axis={chart}] .pt.published"))

    everything = shown()
    assert everything > 20
    page.uncheck("#copied")
    counted = shown()
    page.uncheck("#counted")
    assert shown() == 0
    page.check("#copied")
    assert shown() == everything - counted
    page.check("#counted")
    page.locator("#year").fill("2016")
    assert set(visible(page, "[data-axis=parameters] .pt.published", "one.dataset.year")) == {"2014", "2016"}
    assert len(visible(page, "[data-axis=parameters] .pt.paper")) == 2
    for axis in ("macs", "time", "parameters"):
        page.check(f"[name=axis][value={axis}]")
        assert visible(page, "[data-axis]", "one.dataset.axis") == [axis]


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_a_mark_says_what_it_is(page: api.Page, size: dict[str, int]) -> None:
    page.set_viewport_size(size)
    tip = page.locator("[data-axis=parameters] .tip")
    mark = page.locator("[data-axis=parameters] .pt[aria-label^='IMDN']")
    mark.scroll_into_view_if_needed()
    box = mark.bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    for words in (
        "IMDN (2019)",
        "715,176 parameters (counted)",
        "G MACs",
        "ms in",
        "32.21 dB on Set5",
        "Zheng222/IMDN",
    ):
        assert words in tip.inner_text()


def test_a_chart_by_keys(page: api.Page) -> None:
    marks = page.locator("[data-axis=parameters] .pt")
    assert marks.evaluate_all("all => all.filter(one => one.tabIndex === 0).length") == 1
    page.locator("[data-axis=parameters] .pt[tabindex='0']").focus()
    seen = []
    every = marks.count()
    for _ in range(every):
        seen.append(page.locator("[data-axis=parameters] .tip").inner_text())
        page.keyboard.press("ArrowRight")
    assert len(set(seen)) == every
    assert page.locator("[data-axis=parameters] .tip").inner_text() == seen[0]
    while "measured here" not in page.locator("[data-axis=parameters] .tip").inner_text():
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    assert "python -m replication.evaluate" in page.locator("#origin").inner_text()


def test_pictures_are_compared(page: api.Page) -> None:
    compare = page.locator(".compare").first
    divider, stage = compare.locator(".divider"), compare.locator(".stage")

    def at() -> float:
        return float(stage.evaluate("one => one.style.getPropertyValue('--at')").removesuffix("%"))

    assert at() == 50
    divider.focus()
    page.keyboard.press("End")
    assert at() == 100
    page.keyboard.press("Home")
    assert at() == 0
    stage.scroll_into_view_if_needed()
    box = stage.bounding_box()
    assert box
    page.mouse.move(box["x"] + 5, box["y"] + 50)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.75 * box["width"], box["y"] + 50)
    page.mouse.up()
    assert at() == pytest.approx(75, abs=4)
    compare.locator(".left").select_option("original")
    compare.locator(".right").select_option("msrn")
    assert visible(page, ".compare >> nth=0 >> figure", "one.dataset.version") == ["original", "msrn"]


def test_pictures_begin_with_the_papers_question(page: api.Page) -> None:
    assert visible(page, ".compare .left", "one.value") == ["msrn"] * page.locator(".compare").count()
    assert visible(page, ".compare .right", "one.value") == ["smsrn"] * page.locator(".compare").count()


def test_one_version_on_both_sides_fills_the_stage(page: api.Page) -> None:
    compare = page.locator(".compare").first
    compare.locator(".left").select_option("smsrn")
    assert visible(page, ".compare >> nth=0 >> figure", "one.dataset.version") == ["smsrn"]
    assert visible(page, ".compare >> nth=0 >> figure", "getComputedStyle(one).clipPath") == ["none"]
    compare.locator(".right").select_option("msrn")
    assert visible(page, ".compare >> nth=0 >> .shown-left", "getComputedStyle(one).clipPath") != ["none"]


def test_pictures_by_touch(browser: api.Browser) -> None:
    context = browser.new_context(viewport=PHONE, has_touch=True, is_mobile=True)
    opened = context.new_page()
    opened.set_default_timeout(PATIENCE)
    opened.goto(REPORT.as_uri())
    stage = opened.locator(".stage").first
    stage.scroll_into_view_if_needed()
    box = stage.bounding_box()
    assert box
    opened.touchscreen.tap(box["x"] + 0.25 * box["width"], box["y"] + 0.5 * box["height"])
    at = stage.evaluate("one => one.style.getPropertyValue('--at')")
    assert float(at.removesuffix("%")) == pytest.approx(25, abs=5)
    context.close()


def test_claims_are_found(page: api.Page) -> None:
    every = page.locator(".claim").count()
    assert page.locator("#found").inner_text() == f"{every} of {every}"
    page.select_option("#verdict", "contradicted")
    shown = page.locator(".claim:not([hidden])")
    assert 0 < shown.count() < every
    assert set(shown.evaluate_all("all => all.map(one => one.dataset.verdict)")) == {"contradicted"}
    page.select_option("#verdict", "")
    page.select_option("#kind", "structural")
    assert set(shown.evaluate_all("all => all.map(one => one.dataset.kind)")) == {"structural"}
    page.select_option("#kind", "")
    page.fill("#search", "14.64 비약적인")
    assert shown.evaluate_all("all => all.map(one => one.id)") == ["claim-share-14.64"]
    page.click("#expand")
    quotes = "#claim-share-14\\.64 q"
    assert len(visible(page, quotes)) == 4
    page.select_option("#language", "ko")
    assert visible(page, quotes)
    assert all(re.search("[가-힣]", text) for text in visible(page, quotes))
    page.select_option("#language", "en")
    assert visible(page, quotes)
    assert not any(re.search("[가-힣]", text) for text in visible(page, quotes))
    page.click("#expand")
    assert visible(page, quotes) == []


def test_search_takes_numbers_as_readers_type_them(page: api.Page) -> None:
    shown = page.locator(".claim:not([hidden])")
    found = []
    for text in ("92%", "92 %", "92\u00a0%"):
        page.fill("#search", text)
        found.append(shown.evaluate_all("all => all.map(one => one.id)"))
    assert found[0] == found[1] == found[2]
    assert "claim-saving-92" in found[0]
    page.fill("#search", "6,078,019")
    assert "claim-parameters-msrn" in shown.evaluate_all("all => all.map(one => one.id)")


def test_a_search_without_result_says_so_and_can_be_cleared(page: api.Page) -> None:
    every = page.locator(".claim").count()
    assert not page.locator("#nothing").is_visible()
    page.select_option("#kind", "cost")
    page.fill("#search", "no such words")
    assert page.locator(".claim:not([hidden])").count() == 0
    assert page.locator("#nothing").is_visible()
    page.click("#clear")
    assert page.locator(".claim:not([hidden])").count() == every
    assert not page.locator("#nothing").is_visible()


def test_the_language_shows_in_closed_claims(page: api.Page) -> None:
    sentence = "#claim-msrn-luma .said"
    assert "luminance" in visible(page, sentence)[0]
    page.select_option("#language", "ko")
    (korean,) = visible(page, sentence)
    assert re.search("[가-힣]", korean)


def test_the_calculators_agree_with_the_closed_form(page: api.Page) -> None:
    for separable, build in ((False, closed_form.msrn), (True, closed_form.smsrn)):
        for scale in (2, 3, 4, 8):
            for width, blocks in ((8, 1), (64, 8), (72, 3), (256, 32)):
                layers = build(scale, width, blocks)
                found = page.evaluate("([...sizes]) => cost.network(...sizes)", [separable, scale, width, blocks])
                assert found == {"params": closed_form.total_params(layers), "macs": closed_form.total_macs(layers)}
                gmacs = page.evaluate("([macs, scale]) => cost.gmacs(macs, scale)", [found["macs"], scale])
                assert gmacs == pytest.approx(closed_form.gmacs_720p(layers, scale))
    for k, d, n in ((1, 1, 1), (3, 128, 128), (5, 64, 512), (11, 512, 3)):
        row = equations.equation_row(k, d, n)
        found = page.evaluate(
            "([k, d, n]) => [cost.standard(k, d, n), cost.depthwise(k, d), cost.pointwise(d, n),"
            " cost.separable(k, d, n)]",
            [k, d, n],
        )
        assert found == [row[name] for name in ("standard", "depthwise", "pointwise", "separable")]
        assert page.evaluate("([k, n]) => cost.ratio(k, n)", [k, n]) == pytest.approx(row["ratio"])


def test_the_calculators_follow_their_sliders(page: api.Page) -> None:
    page.locator("#k").fill("5")
    assert page.locator("#eq5").inner_text() == "0.0478: saves 95.2 %"
    assert page.locator("#eq1").inner_text() == f"{equations.standard(5, 128, 128):,}"
    star, you = page.locator("[data-chart=equation5] .pt.paper").last, page.locator("[data-chart=equation5] .pt.you")
    one, other = star.bounding_box(), you.bounding_box()
    assert one
    assert other
    assert one["x"] + one["width"] / 2 == pytest.approx(other["x"] + other["width"] / 2, abs=1.5)
    assert one["y"] + one["height"] / 2 == pytest.approx(other["y"] + other["height"] / 2, abs=1.5)
    page.locator("#n").fill("4")
    assert not you.is_visible()
    page.locator("#width").fill("32")
    page.select_option("#scale", "2")
    layers = closed_form.smsrn(2, 32, 8)
    assert page.locator("#p-smsrn").inner_text() == f"{closed_form.total_params(layers):,}"
    assert page.locator("#g-smsrn").inner_text() == f"{closed_form.gmacs_720p(layers, 2):.1f}"


def test_networks_and_curves_switch(page: api.Page) -> None:
    for key in ("msrn", "msrn-folded", "smsrn-folded", "smsrn"):
        page.check(f"[name=account][value={key}]")
        assert visible(page, "[data-account]", "one.dataset.account") == [key]
    for y in ("loss", "psnr"):
        for x in ("hours", "steps"):
            page.check(f"[name=curve-y][value={y}]")
            page.check(f"[name=curve-x][value={x}]")
            assert visible(page, "[data-curve]", "one.dataset.curve") == [f"{y}-{x}"]


def test_light_and_dark(page: api.Page) -> None:
    def background() -> str:
        return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))

    light = background()
    page.select_option("#theme", "dark")
    dark = background()
    assert dark != light
    page.select_option("#theme", "light dark")
    assert background() == light
    page.emulate_media(color_scheme="dark")
    assert background() == dark


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_assistive_tools_find_no_fault(page: api.Page, size: dict[str, int], scheme: str) -> None:
    page.set_viewport_size(size)
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    page.evaluate("document.querySelectorAll('main details').forEach(one => { one.open = true })")
    found = axe.Axe().run(page)
    assert not found.response["violations"], found.generate_report()
    page.locator("[data-view=public_code] a.n").first.click()
    found = axe.Axe().run(page, context="#origin")
    assert not found.response["violations"], found.generate_report()
    page.keyboard.press("Escape")
    page.check("[name=channel][value=rgb]")
    found = axe.Axe().run(page, context="#table1")
    assert not found.response["violations"], found.generate_report()


def test_a_phone_shows_all_without_scrolling_sideways(page: api.Page) -> None:
    page.set_viewport_size(PHONE)
    page.evaluate("document.querySelectorAll('main details').forEach(one => { one.open = true })")
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]


def test_a_phone_shows_the_answer_and_what_was_measured(page: api.Page) -> None:
    page.set_viewport_size(PHONE)
    number = page.locator(".verdict .open a.n").first.bounding_box()
    assert number
    assert number["y"] + number["height"] < PHONE["height"]
    columns = page.locator("[data-view=public_code] thead th").filter(has_text=re.compile("^(S?MSRN|lost), measured"))
    assert columns.count() == 3
    for measured in columns.all():
        box = measured.bounding_box()
        assert box
        assert box["x"] + box["width"] <= PHONE["width"]


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_captions_are_not_cut(page: api.Page, size: dict[str, int]) -> None:
    page.set_viewport_size(size)
    page.evaluate("document.querySelectorAll('main details').forEach(one => { one.open = true })")
    ends = visible(page, "caption span", "one.getBoundingClientRect().right")
    assert len(ends) > 10
    assert all(float(end) <= size["width"] for end in ends)


def test_the_notes_of_runs_are_not_cut(page: api.Page) -> None:
    notes = page.locator("#training td.words:not(:empty)")
    assert notes.count()
    for note in notes.all():
        box = note.bounding_box()
        assert box
        assert box["x"] + box["width"] <= DESKTOP["width"]
        assert note.evaluate("one => getComputedStyle(one).textAlign") == "left"


def test_a_table_that_goes_on_shows_it_and_keeps_its_first_column(page: api.Page) -> None:
    page.set_viewport_size(PHONE)
    scroll = page.locator("[data-view=public_code] .scroll")
    assert scroll.evaluate("one => one.scrollWidth > one.clientWidth")
    attachments = scroll.evaluate("one => getComputedStyle(one).backgroundAttachment")
    assert attachments == "local, local, scroll, scroll"
    scroll.evaluate("one => { one.scrollLeft = one.scrollWidth }")
    name = scroll.locator("tbody th").first.bounding_box()
    assert name
    assert 0 <= name["x"] < 30


def test_navigation_stays_in_sight(page: api.Page) -> None:
    page.locator("nav a[href='#claims']").click()
    nav, title = page.locator("nav").bounding_box(), page.locator("#claims-title").bounding_box()
    assert nav
    assert title
    assert nav["y"] == pytest.approx(0, abs=1)
    assert title["y"] >= nav["height"]


def test_a_record_opens_from_its_address(page: api.Page) -> None:
    card = page.locator(".record").last
    assert not card.is_visible()
    page.evaluate(f"location.hash = '#{card.get_attribute('id')}'")
    card.wait_for()
    assert card.get_attribute("open") is not None


def test_without_script_everything_stands_there(browser: api.Browser) -> None:
    context = browser.new_context(java_script_enabled=False, viewport=DESKTOP)
    opened = context.new_page()
    opened.set_default_timeout(PATIENCE)
    opened.goto(REPORT.as_uri())
    assert visible(opened, ".needs-script, .tip") == []
    assert len(visible(opened, "[data-axis=parameters] .pt.published")) > 20
    assert len(visible(opened, ".stage >> nth=0 >> img")) == 4
    opened.check("[name=axis][value=macs]")
    assert visible(opened, "[data-axis]", "one.dataset.axis") == ["macs"]
    number = opened.locator("[data-view=public_code] a.n").first
    assert str(number.get_attribute("href")).startswith("#record-")
    context.close()


def test_paper_cuts_no_label_of_a_chart(page: api.Page) -> None:
    page.set_viewport_size({"width": 690, "height": 980})  # A4 between its margins
    page.emulate_media(media="print")
    ends = visible(page, ".pt em, .plot i b", "one.getBoundingClientRect().right")
    assert len(ends) > 50
    assert all(float(end) <= 690 for end in ends)


def test_print(page: api.Page) -> None:
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "light"
    page.evaluate("document.querySelectorAll('main details').forEach(one => { one.open = true })")
    assert visible(page, "nav, .controls, .divider, dialog, .record") == []
    assert len(visible(page, ".stage >> nth=0 >> img")) == 4
