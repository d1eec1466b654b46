"""What the pages of the record link to is there; what a text says does not become markup."""

import re
from html.parser import HTMLParser
from urllib.parse import urldefrag

import pytest

from vswin.paper.claims import paper_claims
from vswin.project import results_path
from vswin.report.audit.basis import RECORD
from vswin.report.audit.links import links_of

REPORTS = results_path(RECORD) / "reports"
AWAY = ("https://", "data:")


class Page(HTMLParser):
    """The addresses and anchors of a page."""

    def __init__(self, path):
        super().__init__()
        self.links, self.ids = [], []
        self.feed(path.read_text())

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.links += [found["href"]] if "href" in found else []
        self.ids += [found["id"]] if "id" in found else []


@pytest.fixture(scope="module")
def pages():
    return {path.name: Page(path) for path in REPORTS.glob("*.html")}


def test_every_link_of_the_pages_leads_to_a_file_and_to_a_place_in_it(pages):
    for name, page in pages.items():
        for address in page.links:
            if address.startswith(AWAY):
                continue
            target, place = urldefrag(address)
            assert (REPORTS / (target or name)).is_file(), (name, address)
            if place:
                assert place in pages[target or name].ids, (name, address)


def test_every_link_of_the_pages_in_markdown_leads_somewhere_too():
    texts = {path.name: path.read_text() for path in REPORTS.glob("*.md")}
    headings = {
        name: {title.lower().replace(" ", "-") for title in re.findall(r"^#+ (.+)$", text, re.M)}
        for name, text in texts.items()
    }
    for name, text in texts.items():
        for address in set(re.findall(r"\]\(([^)\s]+)\)", text)):
            if not address.startswith(AWAY):
                target, place = urldefrag(address)
                assert (REPORTS / (target or name)).is_file(), (name, address)
                there = target or name
                if place and place not in headings[there]:
                    assert f'id="{place}"' in texts[there], (name, address)
    assert "(overview.md#" in texts["audit.md"]
    assert "(audit.md#figureA4)" in texts["figureA4.md"]


def test_audit_tables_and_overview_lead_to_each_other(pages):
    assert {"overview.html", "table1.html", "tableA5.html"} <= {*pages["audit.html"].links}
    assert "../../../experiments/table1.yaml" in pages["audit.html"].links
    assert "audit.html" in pages["overview.html"].links
    assert "audit.html#table1" in pages["table1.html"].links
    claims = {claim.id for paper in ("video_swin", "mvit") for claim in paper_claims(paper)}
    assert claims <= {*pages["overview.html"].ids}


def test_what_a_text_says_is_escaped_and_only_what_is_known_is_a_link(tmp_path):
    inside = links_of("html", results_path(RECORD), frozenset({"table1"}))
    assert inside.linked("a < b `x<y` `table1.swin_b.top1`") == (
        'a &lt; b <code>x&lt;y</code> <a href="#table1"><code>table1.swin_b.top1</code></a>'
    )
    assert inside.linked("`table1.a.b / table1.c.d`, experiments/none.yaml") == (
        "<code>table1.a.b / table1.c.d</code>, experiments/none.yaml"
    )
    issue = "https://github.com/SwinTransformer/Video-Swin-Transformer/issues/59"
    assert inside.linked(issue) == (
        f'<a href="{issue}">SwinTransformer/Video-Swin-Transformer#59</a>'
    )
    elsewhere = links_of("md", tmp_path, frozenset())
    assert elsewhere.linked("experiments/table1.yaml, `shift_helps`, arXiv 2106.13230") == (
        "experiments/table1.yaml, `shift_helps`, "
        "[arXiv 2106.13230](https://arxiv.org/abs/2106.13230)"
    )
