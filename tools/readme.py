"""Writes the part of README.md that shows the record, between its two marks.

python tools/readme.py            writes it
python tools/readme.py --check    only says whether it differs; exit code 1 if it does

`vswin report all --results-dir results/reference` comes first: it draws the picture.
"""

from __future__ import annotations

import argparse
import sys

from vswin.files import write_text
from vswin.project import project_root
from vswin.report.audit.collect import load_audit
from vswin.report.audit.data import Audit
from vswin.report.audit.page import NAME as AUDIT
from vswin.report.audit.parts import headline as audit_in_short
from vswin.report.overview.block import LINK, number_of
from vswin.report.overview.collect import load_overview
from vswin.report.overview.data import Overview
from vswin.report.overview.headline import claims_in_words, headline
from vswin.report.overview.page import NAME
from vswin.report.overview.repeated import repeated_in_short
from vswin.report.overview.tables import printed_in_short

README = project_root() / "README.md"
RECORD = "results/reference"
BEGIN = "<!-- python tools/readme.py writes what follows from the record, up to the next mark -->\n"
END = "<!-- end of what is written from the record -->\n"


def of_record(overview: Overview, audited: Audit) -> str:
    """What the README shows of an overview and of the audit, as Markdown."""
    first = claims_in_words(overview)
    rest = headline(overview)[len(first) :]
    rest += [printed_in_short(overview), *filter(None, [repeated_in_short(overview)])]
    links = {link[1]: link[3] for line in rest for link in LINK.finditer(line)}
    pages = [
        f"[{number_of(study)}]({RECORD}/reports/{study.name}.md)" for study in overview.studies
    ]
    parts = [
        "  \n".join(f"**{line}**" for line in first),
        f"[All of them, with evidence]({RECORD}/reports/{NAME}.md).",
        f"**{audit_in_short(audited)}** [Each with its status]({RECORD}/reports/{AUDIT}.md).",
        f"![Every claim with its verdict]({RECORD}/reports/{NAME}.png)",
        "\n".join("- " + LINK.sub(r"[\1]", line) for line in rest),
        f"Table by table: {', '.join(pages)}.",
        "\n".join(f"[{name}]: {RECORD}/reports/{NAME}.md#{claim}" for name, claim in links.items()),
    ]
    return "\n\n".join(parts) + "\n"


def updated(readme: str, shown: str) -> str:
    """The README with another text between its marks."""
    before, _, rest = readme.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{shown}\n{END}{after}"


def main() -> None:
    """Writes or checks; says whether anything differed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing")
    check = parser.parse_args().check
    before = README.read_text(encoding="utf-8")
    after = updated(before, of_record(load_overview("proxy", RECORD), load_audit(RECORD)))
    if before != after:
        if not check:
            write_text(README, after)
        print(f"{'differs' if check else 'written'}: {README}")
    sys.exit(check and before != after)


if __name__ == "__main__":
    main()
