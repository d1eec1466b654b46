"""The page of section C."""

import re

from PIL import Image

from tests.command import vswin


def test_the_page_is_written_with_its_picture(tmp_path):
    done = vswin("report", "sectionC", "--results-dir", str(tmp_path))
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "reports"
    assert sorted(path.name for path in folder.iterdir()) == [
        f"sectionC.{suffix}" for suffix in ("html", "md", "png")
    ]
    page = (folder / "sectionC.md").read_text()
    (farthest,) = re.findall(r"within (\d\.\d) % of what is counted", page)
    assert float(farthest) < 2
    assert "| scale₅ | 768 | 8 | 392 | 3,904 | 817 |" in page
    assert "![Formulas and counts](sectionC.png)" in page
    assert "data:image/png;base64," in (folder / "sectionC.html").read_text()
    with Image.open(folder / "sectionC.png") as image:
        assert min(image.size) > 800
    before = (folder / "sectionC.png").stat().st_mtime_ns
    vswin("report", "sectionC", "--results-dir", str(tmp_path))
    assert (folder / "sectionC.png").stat().st_mtime_ns == before  # nothing to draw anew
