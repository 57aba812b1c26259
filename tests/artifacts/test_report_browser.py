"""The HTML report as a person sees it: in a real browser, wide and narrow, by day and by night."""

import re
from pathlib import Path

import pytest

from tests.support.browser import find_browser, open_page
from tests.support.facts import example_facts
from trainer.artifacts.report import write_html_report

BROWSER = find_browser()
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="needs chromium or google-chrome on PATH"),
]

OFFENDERS = """
[...document.querySelectorAll("body *")].filter(
  e => !e.closest(".scroll") && e.getBoundingClientRect().right > innerWidth + 1
).map(e => e.tagName + "." + e.className)
"""
CONTRAST = """
(() => {
  const parse = c => c.match(/[\\d.]+/g).slice(0, 3).map(Number);
  const light = c => c.map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const background = e => {
    for (; e; e = e.parentElement) {
      const c = getComputedStyle(e).backgroundColor;
      if (c !== "rgba(0, 0, 0, 0)") return parse(c);
    }
    return [255, 255, 255];
  };
  const texts = document.querySelectorAll("h1, h2, h3, p, dt, dd, td, th, li, small, figcaption");
  return Math.min(...[...texts].map(e => {
    const [a, b] = [light(parse(getComputedStyle(e).color)), light(background(e))].sort((x, y) => y - x);
    return (a + 0.05) / (b + 0.05);
  }));
})()
"""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory, example_pictures: Path) -> Path:
    folder = tmp_path_factory.mktemp("model")
    (folder / "metadata").symlink_to(example_pictures)
    facts = example_facts(synthetic=True)
    facts.data_report["blocking"].append("the real data set could not be had")
    return write_html_report(folder, facts).resolve()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
def test_page_is_whole_readable_and_self_contained(report: Path, width: int, dark: bool) -> None:
    with open_page(BROWSER or "") as page:
        page.open(report, width=width, dark=dark)
        pictures = page.evaluate("[...document.images].map(i => [i.complete, i.naturalWidth, i.alt.length])")
        offenders = page.evaluate(OFFENDERS)
        scroll_width = page.evaluate("document.documentElement.scrollWidth")
        contrast = page.evaluate(CONTRAST)
        text = page.evaluate("document.body.innerText")
        background = page.evaluate("getComputedStyle(document.body).backgroundColor")
        events = page.events
    assert len(pictures) == 4
    assert all(complete and natural_width > 500 and alt > 20 for complete, natural_width, alt in pictures)
    assert offenders == []
    assert scroll_width <= width
    assert contrast >= 4.5  # WCAG 2.1 AA for normal text
    assert text.index("the real data set could not be had") < text.index("Key figures")
    assert (sum(map(int, re.findall(r"\d+", background)[:3])) < 150) is dark
    assert _complaints(events) == []
    assert {url.partition(":")[0] for url in _requested(events)} <= {"file", "data"}


def test_a_screenshot_shows_more_than_an_empty_page(report: Path, tmp_path: Path) -> None:
    import matplotlib.image

    with open_page(BROWSER or "") as page:
        page.open(report, width=1000, dark=False)
        page.screenshot(tmp_path / "page.png")
    pixels = matplotlib.image.imread(tmp_path / "page.png")[..., :3]
    assert pixels.shape[0] > 2 * pixels.shape[1]
    assert pixels.std() > 0.1


def _complaints(events: list[dict]) -> list[dict]:
    reported = ("Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled")
    return [event for event in events if event.get("method") in reported]


def _requested(events: list[dict]) -> list[str]:
    sent = [event for event in events if event.get("method") == "Network.requestWillBeSent"]
    return [event["params"]["request"]["url"] for event in sent]
