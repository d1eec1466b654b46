"""Counts the models of other systems anew, in minutes, and keeps the counts for the audit.

python tools/peers.py

`pip install -e '.[peers]'` comes first, `vswin report audit --results-dir results/reference` after.
"""

from __future__ import annotations

import argparse

from vswin.costs.peers.counting import count_peer
from vswin.files import write_text
from vswin.paper.peers import read_peers
from vswin.project import project_root
from vswin.report.doubts.peers import FILE, as_csv, questions


def main() -> None:
    """Counts and writes."""
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    models, counts = {model.id: model for model in read_peers().models}, {}
    for question in questions():
        print(f"counting {question.model} with {question.classes} classes", flush=True)
        counts[question] = count_peer(models[question.model], question.classes)
    write_text(project_root() / FILE, as_csv(counts))
    print(f"written: {FILE}")


if __name__ == "__main__":
    main()
