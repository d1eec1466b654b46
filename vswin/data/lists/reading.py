"""The formats in which videos and their classes are listed, each read as far as its content says.

What a class's label is, which videos are listed twice and where the files are is not decided here
but in `vswin.data.annotations`.
"""

from __future__ import annotations

from pathlib import Path

from vswin.data.datasets import class_keys
from vswin.data.lists.folders import read_class_folders
from vswin.data.lists.hmdb51 import read_hmdb51
from vswin.data.lists.listing import AnnotationError, Listing, refuse_parts
from vswin.data.lists.objects import read_json
from vswin.data.lists.paths import read_path_list
from vswin.data.lists.strangers import refuse_stranger_lines, refuse_strangers
from vswin.data.lists.tables import header_of, kinetics_header, read_table, rows_of
from vswin.data.lists.text import content_lines, read_text
from vswin.data.video_files import names_video


def read_listing(path: Path, split: str, dataset: str) -> Listing:
    """Reads a list whose format is recognised by its content.

    Args:
        path: JSON of Kinetics or Something-Something, a table with a header as Kinetics' CSV, a
            text list of paths or ids with labels, a folder of class folders, or the files of one of
            HMDB51's splits, as `*_test_split1.txt`.
        split: rows of other splits are skipped where rows tell theirs.
        dataset: a name of `vswin.data.datasets`.

    Raises:
        AnnotationError: if it cannot be read, is something else, or can be read in two ways.
    """
    if "*" in path.name:
        return read_hmdb51(path, split)
    if path.is_dir():
        return read_class_folders(path, split, dataset)
    classes = class_keys(dataset)
    text = read_text(path)
    if text.lstrip()[:1] in ("[", "{") and not names_video(text.lstrip().partition("\n")[0]):
        listing = read_json(path, text, split, classes)
    else:
        lines, comments = content_lines(text)
        if not lines and not comments:
            raise AnnotationError(f"{path} is empty; wanted a list of videos")
        refuse_stranger_lines(path, lines, classes)
        first = lines[0][1] if lines else ""
        header = header_of(first)
        if header and header.in_order:  # without quotes: names may have spaces
            refuse_parts(path, header.names)
            listing = read_path_list(path, lines[1:], classes, len(header.names))
        elif header:
            listing = read_table(path, rows_of(lines[1:], header), header, split, classes)
        elif header := kinetics_header(first):
            listing = read_table(path, rows_of(lines, header), header, split, classes)
        else:
            listing = read_path_list(path, lines, classes)
        listing.left_out[:0] = comments
    refuse_strangers(path, listing, classes)
    return listing
