"""Which class each entry of a list has, by its number, its name or the folder it lies in."""

from __future__ import annotations

import difflib
from pathlib import Path

from vswin.data import datasets
from vswin.data.lists.listing import AnnotationError, Entry, Listing, several_labels

HINTED = 100
"""Of so many unknown classes the nearest known one is said: finding it takes a millisecond, and a
list of another dataset has hundreds of thousands."""


def labels_of(source: Path, dataset: str, listing: Listing) -> list[int | str]:
    """Each entry's label, or in words why it has none.

    Where a file lies in a folder of a class, that says the label, too: of a list without labels it
    is the label, and of a list that counts from 1 it shows just that.

    Raises:
        AnnotationError: if the labels seem to count from 1, and nothing shows that they do.
    """
    entries, keys = listing.entries, datasets.class_keys(dataset)
    unlabelled = all(entry.label in (None, -1) for entry in entries)
    folders = [] if listing.scattered or listing.root else [_folder(entry) for entry in entries]
    shown = [keys.get(datasets.class_key(folder)) for folder in folders]
    if entries and unlabelled:
        known = [label for label in shown if label is not None]
        return list(known) if len(known) == len(entries) else [-1] * len(entries)
    numbers = [entry.label for entry in entries if isinstance(entry.label, int)]
    if numbers and len(numbers) == len(shown):
        shifts = {n - label for n, label in zip(numbers, shown, strict=True) if label is not None}
        if shifts == {1} and None not in shown:
            return [number - 1 for number in numbers]
    if len({*numbers}) > 1 and min(numbers) > 0 and max(numbers) == len(keys):
        raise AnnotationError(
            f"{source}: its labels go up to {len(keys)} and none is 0, as if they counted from 1; "
            f"here they are 0 to {len(keys) - 1}: take 1 off each, or write names of classes"
        )
    labels, wrong = list[int | str](), 0
    for entry in entries:
        label = _label(dataset, entry, hint=wrong < HINTED)
        wrong += isinstance(label, str)
        labels.append(label)
    for place, (label, other) in enumerate(zip(labels, shown, strict=False)):
        if isinstance(label, int) and other not in (None, label):
            title = datasets.class_names(dataset)[label]
            labels[place] = (
                f"the label says {title!r} ({label}), the folder {folders[place]!r} ({other})"
            )
    return labels


def _folder(entry: Entry) -> str:
    """The name of the folder that a file lies in."""
    return entry.path.rpartition("/")[0].rpartition("/")[2]


def _label(dataset: str, entry: Entry, hint: bool) -> int | str:
    """The entry's label, or in words why it has none, with the nearest class if wanted."""
    keys = datasets.class_keys(dataset)
    if entry.label is None:
        return f"{entry.id} has no label"
    if isinstance(entry.label, int):
        if 0 <= entry.label < len(keys):
            return entry.label
        return f"label {entry.label} is none of {dataset}'s 0 to {len(keys) - 1}"
    key = datasets.class_key(str(entry.label))
    if key in keys:
        return keys[key]
    if several_labels(str(entry.label), keys):
        return f"{entry.label!r} are several labels; wanted one class for each video"
    close = difflib.get_close_matches(key, keys, n=1) if hint else []
    nearest = f" (did you mean {datasets.class_names(dataset)[keys[close[0]]]!r}?)" if close else ""
    return f"{entry.label!r} is no class of {dataset}{nearest}"


def other_dataset(dataset: str, listing: Listing) -> str:
    """Which other dataset's classes a list has, in words; nothing if that is not known."""
    keys = {datasets.class_key(str(e.label)) for e in listing.entries if isinstance(e.label, str)}
    others = (name for name in datasets.DATASETS if name != dataset)
    names = [name for name in others if keys and keys <= {*datasets.class_keys(name)}]
    return f"; {names[0]} has classes of these names" if names else ""
