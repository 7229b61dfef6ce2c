"""The page of a study: valid HTML, data that come back as they were, nothing that gets out."""

import base64
import hashlib
import json
import math
import re
import shutil
import subprocess
from html.parser import HTMLParser

import numpy as np
import pytest

from sdnet.errors import InputError
from srnet.pages import POINTS, Course, page_data, study_page

EVIL = "</script><script>alert(1)</script><!-- <b>&amp;\u2028\"' é"
SCALES = {"lr": "log", "shape": "choice", "acc": "linear"}
ROWS = [
    {"trial": 0, "lr": 1e-3, "shape": "[2, 4]", "acc": 0.75, "ended": "finished"},
    {"trial": 1, "lr": 1e-2, "shape": 10, "acc": 0.5, "ended": "finished"},
    {"trial": 2, "lr": 1e-4, "shape": 9, "acc": None, "ended": "failed: out of range"},
]


def page(rows=ROWS, scales=SCALES, metric="acc", courses=None, **options):
    return study_page(
        rows, scales, metric, courses or {}, **{"title": "a", "source": "b", **options}
    )


class Elements(HTMLParser):
    """The elements of a page, the text of each, and that all are closed in their order."""

    VOID = ("meta",)

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.found, self.attributes, self.declared = [], [], [], None
        self.feed(text)
        self.close()
        assert not self.open

    def handle_decl(self, decl):
        self.declared = decl

    def handle_starttag(self, tag, attrs):
        self.attributes.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.found.append([tag, ""])
            self.open.append(self.found[-1])

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag

    def handle_data(self, data):
        if self.open:
            self.open[-1][1] += data

    def texts(self, tag):
        return [text for name, text in self.found if name == tag]


def test_a_page_is_one_html_file_that_asks_for_nothing():
    text = page()
    found = Elements(text)
    assert found.declared == "DOCTYPE html"
    order = ["html", "head", "title", "style", "body", "main", "noscript", "script", "script"]
    assert [name for name, _ in found.found] == order
    outside = [a for _, a in found.attributes if {"src", "href", "action"} & a.keys()]
    assert outside == []
    script, style = found.texts("script")[1], found.texts("style")[0]
    urls = set(re.findall(r"https?://[^\"'`$ ]*", script + style))
    assert urls <= {"http://www.w3.org/"}  # names of XML spaces
    assert not re.search(
        r"innerHTML|insertAdjacent|document\.write|eval|fetch\(|\bimport\b", script
    )
    assert not re.search(r"url\(|@import", style)


def test_the_policy_allows_our_script_and_style_alone():
    found = Elements(page(title=EVIL))
    policy = dict(found.attributes)["meta"]
    policies = [a["content"] for tag, a in found.attributes if "http-equiv" in a]

    def source(text):
        return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"

    script, style = source(found.texts("script")[1]), source(found.texts("style")[0])
    assert policies == [f"default-src 'none'; script-src {script}; style-src {style}"]
    assert policy  # the viewport's


def test_data_come_back():
    rows = [{"trial": 7, "a": 0.1, "b": None, "c": [2, 4], "d": "text", "e": True, "acc": -3}]
    courses = {7: Course([10, 20], [0.5, 0.625], "learns")}
    text = page(
        rows,
        {"a": "linear", "acc": "linear"},
        courses=courses,
        shares={"a": 0.75},
        notes=["one", "two"],
        maximize=False,
        log=True,
        chance=0.5,
        label="accuracy",
    )
    data = page_data(text)
    assert data["rows"] == rows
    assert data["courses"] == [[7, [10, 20], [0.5, 0.625], "learns"]]
    assert data["axes"][0] == {"key": "a", "scale": "linear", "ends": [0.1, 0.1]}
    assert (data["metric"], data["maximize"], data["trends"]) == ("acc", False, ["learns"])
    assert (data["shares"], data["notes"]) == ([["a", 0.75]], ["one", "two"])
    assert data["curves"] == {"label": "accuracy", "log": True, "chance": 0.5}


def test_nothing_of_the_data_gets_out():
    """Wherever text of a table or a file stands, it ends no element and begins none."""
    rows = [{"trial": EVIL, EVIL: EVIL, "acc": 0.5}]
    course = {EVIL: Course([1], [0.5], EVIL)}
    scales = {EVIL: "choice", "acc": "linear"}
    texts = {"title": EVIL, "source": EVIL, "label": EVIL, "notes": [EVIL], "shares": {EVIL: 1.0}}
    text = page(rows, scales, courses=course, **texts)
    found, plain = Elements(text), Elements(page())
    assert [name for name, _ in found.found] == [name for name, _ in plain.found]
    assert found.texts("script")[1] == plain.texts("script")[1]
    assert found.texts("title") == [EVIL]
    data = json.loads(found.texts("script")[0])
    assert data["rows"] == rows
    assert data["axes"][0] == {"key": EVIL, "scale": "choice", "choices": [EVIL], "places": [0]}
    assert [data["title"], data["source"], data["notes"][0], data["trends"][0]] == [EVIL] * 4
    block = text.partition('id="data">')[2].partition("</script>")[0]
    assert block.isascii()
    assert not set("<>&") & set(block)


def test_choices_stand_in_order_with_numbers_first():
    axis = page_data(page())["axes"][1]
    assert axis["choices"] == ["9", "10", "[2, 4]"]
    assert axis["places"] == [2, 1, 0]


def test_what_has_no_number():
    """NaN and infinities are text, as JSON has no others; no axis ends there."""
    rows = [
        {"trial": 0, "lr": 0.0, "acc": math.nan, "shape": None},
        {"trial": 1, "lr": 1e-3, "acc": math.inf, "shape": math.nan},
        {"trial": 2, "lr": np.float32(0.5), "acc": np.float64(0.25), "shape": np.int64(3)},
    ]
    data = page_data(page(rows, courses={1: Course([1, 2], [math.nan, 0.5], "slow")}))
    assert [row["acc"] for row in data["rows"]] == ["nan", "inf", 0.25]
    lr, shape, acc = data["axes"]
    assert lr["ends"] == [1e-3, 0.5]  # a logarithmic axis has no place for 0
    assert (shape["choices"], shape["places"]) == (["3"], [None, None, 0])
    assert acc["ends"] == [0.25, 0.25]
    assert data["courses"][0][2] == [None, 0.5]
    lost = page_data(page([{"trial": 0, "acc": None}]))
    assert [axis.get("ends") for axis in lost["axes"]] == [None, None, None]


@pytest.mark.parametrize("count", [0, 1])
def test_hardly_any_trials(count):
    text = page(ROWS[:count])
    Elements(text)
    data = page_data(text)
    assert data["rows"] == ROWS[:count]
    assert data["axes"][0].get("ends") == ([1e-3, 1e-3] if count else None)


def test_curves_are_thinned_between_their_ends():
    epochs = range(1, 100_001)
    values = np.linspace(0, 1, 100_000)
    (_, places, drawn, _), short = page_data(
        page(courses={0: Course(epochs, values, "up"), 1: Course([], [], "up")})
    )["courses"]
    assert (len(places), len(drawn)) == (POINTS, POINTS)
    assert (places[0], places[-1]) == (1, 100_000)
    assert drawn == pytest.approx([values[epoch - 1] for epoch in places], abs=1e-5)
    assert np.ptp(np.diff(places)) <= 1
    assert short == [1, [], [], "up"]


def test_two_hundred_trials_are_a_few_megabytes():
    rows = [
        {"trial": i, "lr": 0.1 * i + 1 / 3, "shape": "x", "acc": 1 / (i + 3)} for i in range(200)
    ]
    courses = {i: Course(range(5000), np.sin(np.arange(5000) + i), "up") for i in range(200)}
    assert len(page(rows, courses=courses)) < 3e6


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"scales": {"acc": "lin"}}, "scale of acc is 'lin'; did you mean 'linear'?"),
        ({"metric": "ac"}, "no scale for the metric 'ac'; did you mean 'acc'?"),
        ({"rows": [{"acc": 1}]}, "a row has no 'trial'"),
        ({"courses": {0: Course([1], [1, 2], "up")}}, "course of 0 has 1 epochs and 2 values"),
        ({"courses": {0: Course([1], [1], "u")}, "trends": ["up"]}, "trend of 0 is 'u'; did you"),
    ],
)
def test_mistakes(options, told):
    with pytest.raises(InputError, match=re.escape(told)):
        page(**options)


def test_other_text_is_no_page():
    with pytest.raises(InputError, match=r"expected a page of srnet\.pages"):
        page_data("<html></html>")


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node, to read the script")
def test_the_script_can_be_read():
    text = Elements(page()).texts("script")[1]
    found = subprocess.run(
        ["node", "--check", "-"], input=text, capture_output=True, text=True, check=False
    )
    assert (found.returncode, found.stderr) == (0, "")
