"""Lists without a header: what stands between the columns, frames, names with spaces, quotes."""

import csv
import io

import pytest

from tests.lists import error, ids, labels, read, touch, unknown, write
from vswin.data.annotations import read_annotations, require_clean
from vswin.data.datasets import class_names

K400 = class_names("kinetics400")


# Separators, quotes, spaces.


@pytest.mark.parametrize("separator", [" ", "  ", "\t", ",", ", ", " , ", ";", "; ", "|", " | "])
@pytest.mark.parametrize("frames", [False, True])
@pytest.mark.parametrize("suffix", [".mp4", ".MOV", ""])
def test_every_separator(tmp_path, separator, frames, suffix):
    rows = [("a/b", 3), ("c-d_e", 0), ("f", 399)]
    middle = f"{separator}450" if frames else ""
    text = "".join(f"{name}{suffix}{middle}{separator}{label}\n" for name, label in rows)
    assert read(write(tmp_path / "list", text)) == rows


@pytest.mark.parametrize("label", [3, "clean and jerk", "massaging person's head", "yoga"])
@pytest.mark.parametrize("quotes", ["minimal", "all"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_what_the_csv_module_writes(tmp_path, label, quotes, separator):
    names = ["a b.mp4", "c, d.mp4", "e; f.mp4", 'g "h".mp4', "i'j.mp4", "#k.mp4", "l.mp4 m.mp4"]
    text = io.StringIO()
    style = csv.QUOTE_ALL if quotes == "all" else csv.QUOTE_MINIMAL
    csv.writer(text, delimiter=separator, quoting=style).writerows([n, label] for n in names)
    number = K400.index(label) if isinstance(label, str) else label
    again = csv.reader(io.StringIO(text.getvalue()), delimiter=separator)
    wanted = [(row[0].removesuffix(".mp4"), number) for row in again]
    assert read(write(tmp_path / "list", text.getvalue())) == wanted


@pytest.mark.parametrize(
    ("line", "name", "label"),
    [
        ("'Till I Collapse.mp4 3", "'Till I Collapse", 3),
        ("'a b.mp4' 3", "a b", 3),
        ('he said "hi".mp4 3', 'he said "hi"', 3),
        ("my  dir/a  b.mp4   3", "my  dir/a  b", 3),
        ("a.mp4 copy.mp4 3", "a.mp4 copy", 3),
        ("a.mp4 clean and jerk", "a", K400.index("clean and jerk")),
        ("a.mp4 clean_and_jerk", "a", K400.index("clean and jerk")),
        ("a clean and jerk", "a", K400.index("clean and jerk")),
        ("a.mp4 250 clean and jerk", "a", K400.index("clean and jerk")),
        ("a.mp4,250,clean and jerk", "a", K400.index("clean and jerk")),
        ("a.mp4 3.0", "a", 3),
        ("a.mp4 003", "a", 3),
        ("a.b.c 3", "a.b.c", 3),
        ("a.webm.mp4 3", "a.webm", 3),
        (r"yoga\a b.mp4 yoga", "yoga/a b", K400.index("yoga")),
        ("frames/a/ 450 3", "frames/a", 3),
        ("-abcdefghij_000010_000020.mp4 3", "-abcdefghij_000010_000020", 3),
        ("#20_Rhythm_clap_u_nm_np1_fr_goo_0.avi 3", "#20_Rhythm_clap_u_nm_np1_fr_goo_0", 3),
        ("a.mp4 3 \t", "a", 3),
        ("a.mp4\u00a03", "a", 3),
        ("\u00e9t\u00e9 \u8dd1\u6b65.mp4 3", "\u00e9t\u00e9 \u8dd1\u6b65", 3),
    ],
)
def test_one_line(tmp_path, line, name, label):
    assert read(write(tmp_path / "list", f"{line}\n")) == [(name, label)]


def test_lines_of_names_and_of_numbers_are_the_same_list(tmp_path):
    names = write(tmp_path / "val", "a.mp4,yoga\nb.mp4,zumba\n")
    numbers = write(tmp_path / "train", f"a.mp4 {K400.index('yoga')}\nb.mp4 399\n")
    mixed = write(tmp_path / "mixed", "a.mp4,yoga\nb.mp4,399\n")
    digests = {read_annotations("kinetics400", s).digest for s in (names, numbers, mixed)}
    assert len(digests) == 1


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".m4v", ".mpg", ".ts", ".wmv", ".flv", ".3gp"])
def test_videos_of_every_kind_in_lists(tmp_path, suffix):
    touch(tmp_path, f"a b{suffix.upper()}", f"c{suffix}")
    source = write(tmp_path / "list", f"a b{suffix.upper()} 3\nc{suffix} 300\n")
    videos = require_clean(read_annotations("kinetics400", source))
    assert (ids(videos), labels(videos)) == (["a b", "c"], [3, 300])
    assert all(video.path.is_file() for video in videos.videos)


def test_lists_that_were_put_together(tmp_path):
    """Each with its byte order mark."""
    assert read(write(tmp_path / "list", "\ufeffa.mp4 3\n\ufeffb.mp4 4\n")) == [("a", 3), ("b", 4)]


def test_comments(tmp_path):
    text = "# K400, val: path label\n#\n## 3 videos\na.mp4 3\n\n#b.mp4 4\n#c 5\n \n"
    assert read(write(tmp_path / "list", text)) == [("a", 3), ("#b", 4), ("#c", 5)]


def test_a_comment_that_may_be_an_entry_is_named(tmp_path):
    source = write(tmp_path / "list", "a.mp4 3\n# b.mp4 4\n./# c.mp4 5\n")
    assert ids(read_annotations("kinetics400", source)) == ["a", "# c"]
    assert [entry.partition("?")[0] for entry in unknown(source)] == [
        "line 2: a comment, or a file whose name begins with #"
    ]


def test_an_id_alone_is_the_clip_that_has_it(tmp_path):
    """As in lists by YouTube id, whose files are named as all public copies have them."""
    touch(tmp_path, "abc_000010_000020.mp4", "d_e_000000_000010.mkv")
    touch(tmp_path, "f_000000_000010.mp4", "f_000050_000060.mp4")
    source = write(tmp_path / "list", "abc 3\nd_e.mp4 4\nf 5\n")
    videos = read_annotations("kinetics400", source).videos
    assert [video.path.name for video in videos] == [
        "abc_000010_000020.mp4",
        "d_e_000000_000010.mkv",
        "f",  # of two clips it may be either
    ]


def test_names_without_folders_are_found_in_those_of_splits_and_classes(tmp_path):
    touch(tmp_path / "v", "clean_and_jerk/a.mp4", "train/b.webm", "train/yoga/c.mp4", "yoga/d.mp4")
    text = "a.mp4,clean and jerk\nb.mp4,zumba\nc.mp4,yoga\nd.mp4,zumba\nx/c.mp4,yoga\n"
    source = write(tmp_path / "list", text)
    videos = read_annotations("kinetics400", source, tmp_path / "v").videos
    assert [str(video.path.relative_to(tmp_path / "v")) for video in videos] == [
        "clean_and_jerk/a.mp4",
        "train/b.webm",
        "train/yoga/c.mp4",
        "d.mp4",  # is not there, and in the folder of another class it is another video
        "x/c.mp4",
    ]


# What can be read in two ways.


def test_several_labels_for_a_video_are_named(tmp_path):
    """mmaction2's lists of several classes."""
    source = write(tmp_path / "list", "a.mp4 1\nb.mp4 1 3\nc.mp4 2\n")
    assert ids(read_annotations("kinetics400", source)) == ["a", "c"]
    assert unknown(source)[0].startswith("line 2: several numbers after 'b.mp4'")
    text = "dir/a 163 1 3 5\ndir/b 122 1 2\ndir/c 458 2\n"
    source = write(tmp_path / "list", text)
    assert ids(read_annotations("kinetics400", source)) == ["dir/c"]
    assert [entry.split(":")[0] for entry in unknown(source)] == ["line 1", "line 2"]


@pytest.mark.parametrize("separator", [" ", ",", ", ", ";", "\t", "|"])
@pytest.mark.parametrize("name", ["v{}.mp4", "dir/v{}.MOV", "{}", "dir/v{}"])
@pytest.mark.parametrize("lines", [1, 10])
def test_two_numbers_that_may_both_be_labels_are_refused(tmp_path, separator, name, lines):
    """They may be two labels of one video, and the last of them is not its class."""
    rows = [(name.format(k), str(k + 1), str(k + 20)) for k in range(lines)]
    source = write(tmp_path / "list", "".join(f"{separator.join(row)}\n" for row in rows))
    message = error("kinetics400", source)
    assert "line 1: the numbers in" in message
    assert "may be several labels of one video, or frames and a label" in message
    assert "write the line `path frames label` above the list" in message
    assert "\n" not in message
    decided = write(tmp_path / "list", f"path frames label\n{source.read_text()}")
    wanted = [(stem.rpartition(".")[0] or stem, int(label)) for stem, _, label in rows]
    assert read(decided) == wanted


@pytest.mark.parametrize("name", ["v{}.mp4", "v{}", '"v{}"', '"v {}.mp4"'])
@pytest.mark.parametrize("numbers", ["{},{}", "{}, {}", "{};{}", "{}|{}"])
@pytest.mark.parametrize("first", [0, 500])
def test_numbers_with_another_separator_are_no_frames(tmp_path, name, numbers, first):
    """`a.mp4 0,20`: the space ends the name, the comma separates labels."""
    rows = [f"{name.format(k)} {numbers.format(first + k, 20 + k)}\n" for k in range(10)]
    message = error("kinetics400", write(tmp_path / "list", "".join(rows)))
    assert "line 1: " in message
    assert "several" in message


@pytest.mark.parametrize("row", ["b.mp4 0 4", "b.mp4 -3 4", "b 0 4", "b.mp4 450,4", '"b" 450;4'])
def test_what_is_no_number_of_frames_is_named(tmp_path, row):
    source = write(tmp_path / "list", f"a.mp4 500 3\n{row}\n")
    videos = read_annotations("kinetics400", source)
    assert (ids(videos), labels(videos)) == (["a"], [3])
    (entry,) = videos.unknown
    assert entry.startswith("line 2: several numbers after 'b")
    assert "wanted one label, or frames and a label" in entry


def test_two_labels_among_lines_of_one(tmp_path):
    source = write(tmp_path / "list", "dir/a 1\ndir/b 1,2\ndir/c d 3\n")
    assert ids(read_annotations("kinetics400", source)) == ["dir/a", "dir/c d"]
    assert unknown(source)[0].startswith("line 2: several numbers after 'dir/b' (1,2)")


@pytest.mark.parametrize("line", ["a.mp4 1,2", "a.mp4,1,2", "a.mp4 1 2", "a 1,2", "a 0 2"])
def test_two_labels_in_the_only_line(tmp_path, line):
    message = error("kinetics400", write(tmp_path / "list", line))
    assert f"line 1: the numbers in {line!r} may be several labels" in message


@pytest.mark.parametrize(
    "label", ["0,20", "0, 20", "0;20", "[0, 20]", "1 2 3", "yoga, zumba", "yoga;zumba", "3,yoga"]
)
def test_several_labels_in_one_cell_are_called_so(tmp_path, label):
    said = f"line 2: {label!r} are several labels; wanted one class for each video"
    for text in (f'a.mp4,3\nb.mp4,"{label}"\n', f'"a",3\n"b","{label}"\n', f'a,3\nb,"{label}"\n'):
        assert unknown(write(tmp_path / "list", text)) == (said,)
    table = write(tmp_path / "list.csv", f'path,labels\nb.mp4,"{label}"\n')
    assert said in error("kinetics400", table)


@pytest.mark.parametrize("text", ["path label\na.mp4 1 2\n", "path label\na.mp4 450 2\n"])
def test_a_header_of_two_columns_says_that_there_are_no_frames(tmp_path, text):
    message = error("kinetics400", write(tmp_path / "list", text))
    assert "line 2: several numbers after 'a.mp4'" in message


def test_a_header_with_frames_wants_them_in_all_lines(tmp_path):
    source = write(tmp_path / "list", "path frames label\na.mp4 20 3\nb.mp4 4\n")
    assert unknown(source) == ("line 3: no number of frames before the label",)


def test_a_header_of_parts_between_spaces_is_refused(tmp_path):
    source = write(tmp_path / "list", "path start_frame label\na.mp4 500 3\n")
    assert "lists parts of videos (start_frame)" in error("kinetics400", source)


def test_clips_of_frames_with_an_offset_are_named(tmp_path):
    source = write(tmp_path / "list", "dir/a 12 163 1\ndir/b 413 122 1\n")
    assert "line 1: several numbers after 'dir/a'" in error("kinetics400", source)


def test_labels_before_the_frames_are_refused(tmp_path):
    source = write(tmp_path / "list", "a.mp4 3 300\nb.mp4 7 450\n")
    message = error("kinetics400", source)
    assert "line 2: 450 stands where the label should" in message
    assert "wanted path, frames, label" in message


def test_names_that_end_in_numbers_are_not_taken_for_frames(tmp_path):
    source = write(tmp_path / "list", "clip 1 0\nclip 2 0\nclip 3 1\n")
    message = error("kinetics400", source)
    assert "line 1: 1 is the number of frames or the end of the name?" in message
    assert message.endswith('as in "clip 1" 0')
    for text in (
        '"clip 1" 0\n"clip 2" 0\n"clip 3" 1\n',
        "clip 1\t0\nclip 2\t0\nclip 3\t1\n",
        "clip 1,0\nclip 2,0\nclip 3,1\n",
        "clip 1.mp4 0\nclip 2.mp4 0\nclip 3.mp4 1\n",
    ):
        assert read(write(tmp_path / "x", text)) == [("clip 1", 0), ("clip 2", 0), ("clip 3", 1)]


@pytest.mark.parametrize("text", ["3 a.mp4\n0 b.mp4\n", "yoga,a.mp4\nzumba,b.mp4\n", "0;a b.mp4\n"])
def test_labels_that_come_first_are_refused(tmp_path, text):
    message = error("kinetics400", write(tmp_path / "list", text))
    assert "line 1: " in message
    assert "stands first like a label; write path, then label" in message


@pytest.mark.parametrize("text", ["0,a.mp4,3\n1,b.mp4,7\n", "1 a.mp4 3\n2 b.mp4 yoga\n"])
def test_an_index_before_the_names_is_refused(tmp_path, text):
    """As pandas writes one, and here no header tells."""
    message = error("kinetics400", write(tmp_path / "list", text))
    assert f"line 1: {text[0]} stands before the name, and the lines count on" in message
    other = text.replace("\n1", "\n8").replace("\n2", "\n8")
    assert len(read(write(tmp_path / "list", other))) == 2


def test_names_that_begin_with_a_number_can_be_quoted(tmp_path):
    videos = read_annotations("kinetics400", write(tmp_path / "list", '"3 a.mp4"\n"0 b.mp4"\n'))
    assert (ids(videos), labels(videos)) == (["3 a", "0 b"], [-1, -1])


def test_more_columns_than_a_list_has(tmp_path):
    text = "a,x,300,3\nb,y,250,4\n"
    message = error("kinetics400", write(tmp_path / "list", text))
    assert "line 1: 4 columns; wanted path and label, or path, frames and label" in message
