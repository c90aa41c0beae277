"""Label tables and folders: what is written is read again, what is odd is said, what is wrong is named."""

import warnings
from pathlib import Path

import numpy as np
import pytest

from fkd_helpers import data
from fkd_helpers.core.errors import InputError
from fkd_helpers.data import CLASSIC, FaceSet, load, split
from fkd_helpers.faces.images import write_photo

TEST = CLASSIC["test"]
NAN = np.nan


def small_set(people=6, frames=3):
    """Faces of several people in both folders, the same file names in each with other content."""
    rng = np.random.default_rng(0)
    names = [f"{part}/Ann_{p}_{f}.png" for part in CLASSIC for p in range(people) for f in range(frames)]
    pictures = [rng.integers(0, 256, (h, w, 3), np.uint8) for h, w in rng.integers(11, 20, (len(names), 2))]
    return FaceSet(pictures, rng.uniform(0, 10, (len(names), 68, 2)), names)


@pytest.fixture
def faces():
    return small_set()


@pytest.fixture
def folder(faces, tmp_path):
    return data.write_classic(faces, tmp_path / "set")


@pytest.fixture
def own(tmp_path):
    """Write `labels.csv` beside pictures a.png to e.png of 40 x 30 pixels; return the folder."""

    def write(text, encoding="utf-8"):
        for name in "abcde":
            write_photo(tmp_path / f"{name}.png", np.zeros((30, 40, 3), np.uint8))
        (tmp_path / "labels.csv").write_bytes(text.encode(encoding))
        return tmp_path

    return write


def same(a, b):
    pixels = all(np.array_equal(x, y) for x, y in zip(a.images, b.images, strict=True))
    return a.names == b.names and np.allclose(a.keypoints, b.keypoints, atol=1e-3, equal_nan=True) and pixels


# Folders


def test_load_returns_what_write_classic_wrote(faces, folder):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loaded = load(folder)
    assert same(loaded, faces) and loaded.people.tolist() == faces.people.tolist() and loaded.problems == ()
    (folder / TEST).unlink()
    assert same(load(folder), faces.part("training"))


def test_load_names_a_bad_row_and_goes_on(own):
    rows = ["a.png,twelve,2,3,4", "none.png,1,2,3,4", "b.png,1,,3, NaN", "b.png,1,2,3,4", "c.png,1,2,3,inf",
            "text.png,1,2,3,4"]  # fmt: skip
    folder = own("\n".join(["name,0,1,2,3", *rows]))
    (folder / "text.png").write_text("not a picture")
    with pytest.warns(UserWarning, match="5 rows left out, first: labels.csv row 1") as caught:
        loaded = load(folder)
    assert caught[0].filename == __file__  # the warning points at the line that loads
    assert np.array_equal(loaded.keypoints, [[[1, NAN], [3, NAN]]], equal_nan=True)
    expected = [
        "row 1 (a.png), column 0: expected a number, got 'twelve'", "row 4 (b.png): the same name as a row before",
        "row 5 (c.png), column 3: expected a number, got 'inf'",
        "none.png: no such file", "text.png: not an image",
    ]  # fmt: skip
    for problem, part in zip(loaded.problems, expected, strict=True):
        assert part in problem


def test_load_takes_the_one_label_table_of_a_folder(own):
    folder = own("name,0,1\na.png,1,2\nb_7_1.png,1,2\n")
    (folder / "notes.csv").write_text("a,b\n1,2\n")
    write_photo(folder / "b_7_1.png", np.zeros((5, 5, 3), np.uint8))
    assert load(folder).people.tolist() == ["a", "b_7"]
    (folder / "more.csv").write_text("name,0,1\na.png,1,2\n")
    with pytest.raises(InputError, match=r"or one label table, found labels\.csv, more\.csv, notes\.csv"):
        load(folder)


def test_load_names_what_is_not_there(tmp_path, monkeypatch):
    monkeypatch.setenv("FKD_DATA_DIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    (tmp_path / "a.csv").touch()
    for name, message in [
        (tmp_path / "none", "unknown data set '.*none'"), ("a.csv", "a.csv: a file, expected the folder"),
        ("pupets", "unknown data set 'pupets': did you mean 'puppets'"), (Path("min"), "'min': did you mean 'mine'"),
        ("mine", "expected training_frames_keypoints.csv and .*found no CSV file"),
    ]:  # fmt: skip
        with pytest.raises(InputError, match=message):
            load(name)


def test_load_looks_here_and_in_the_data_folders(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("FKD_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("FKD_DATASET", "set")
    assert len(load()) == len(load("set")) == 36 and len(load("puppets", n=2)) == 2
    folder.rename(tmp_path / "ytf")
    assert len(load("ytf")) == 36
    (tmp_path / "ytf" / TEST).unlink()
    with pytest.raises(InputError, match=r"'ytf' is not, or not whole, in .*run `make data`"):
        load("ytf")


# Tables


@pytest.mark.parametrize(
    "text",
    [
        "name,0,1,2,3\na.png,1.5,2,3,4\nb.png,5,6,7,8.5\n",
        ",0,1,2,3\na.png,1.5,2,3,4\n\nb.png,5,6,7,8.5\n",
        "file,x0,y0,x1,y1\na.png,1.5,2,3,4\nb.png,5,6,7,8.5\n",
        "file,x_0,x_1,y_0,y_1\na.png,1.5,3,2,4\nb.png,5,7,6,8.5\n",
        "file,age,eye_x,eye_y,nose_x,nose_y,left\na.png,9,1.5,2,3,4,0\nb.png,9,5,6,7,8.5,0\n",
    ],
)
def test_read_table_obeys_the_header(own, text):
    loaded = load(own(text))
    assert loaded.names == ("a.png", "b.png") and loaded.keypoints.tolist() == [[[1.5, 2], [3, 4]], [[5, 6], [7, 8.5]]]


@pytest.mark.parametrize(
    "text, remark",
    [
        ("name,0,1,2,3\na.png,1,2,0,0\nb.png,0,0,1,2\nc.png,3,4,0,0\n", r"3 points lie outside .* first a.png"),
        ("name,0,1,2,3\na.png,.1,.2,.3,.9\nb.png,.1,.2,.3,1\n", "all coordinates lie in 0..1, as if .* shares"),
        ("name,0,1,2,3,4,5\nb.png,1,2,3,4,5,6\na.png,1,2,90,2,1,95\n", "2 points lie outside .* first a.png"),
    ],
)
def test_load_warns_of_odd_labels(own, text, remark):
    folder = own(text)
    with pytest.warns(UserWarning, match=remark) as caught:
        load(folder)
    assert len(caught) == 1 and caught[0].filename == __file__


def test_read_table_takes_pairs_of_minus_one_and_blanks_for_missing(own):
    text = "f,x0,y0,x1,y1\na.png,5,6,1,0\nb.png,-1,-1,9,2\nc.png,1,2\n"
    expected = [[[5, 6], [1, 0]], [[NAN, NAN], [9, 2]], [[1, 2], [NAN, NAN]]]
    assert np.array_equal(load(own(text)).keypoints, expected, equal_nan=True)


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "No columns to parse"), ("name,0,1\n", "no usable row"),
        ("name,0,1\na.png,1,2,3\n", "Expected 3 fields in line 2, saw 4"),
        ("name,0,1\na.png,x,1", "no usable row .*got 'x'"),
        ("name,0,1,2\na.png,1,2,3\n", "got name, 0, 1, 2"), ("name,x0,y0,x1\na.png,1,2,3\n", "got name, x0, y0, x1"),
        ("name;0;1\na.png;1;2\n", "got name;0;1"),
        ("who,what\na,b\n", "expected the file name, then x and y of each point as 0, 1, 2, 3 ..."),
        ("a.png,5,6,7,8,9,7\n", r"got a.png, 5, 6, 7, 8, 9 \.\.\."),
    ],
)  # fmt: skip
def test_read_table_names_what_it_does_not_understand(own, text, message):
    folder = own(text)
    with pytest.raises(InputError, match=message) as caught:
        load(folder)
    assert str(folder) in str(caught.value) and len(str(caught.value).splitlines()) == 1


@pytest.mark.filterwarnings("ignore:.*outside")
@pytest.mark.parametrize(
    "titles, mirror",
    [
        (map(str, range(136)), [16, 15, 14]), (map(str, range(42)), None),
        ("left_x left_y nose_x nose_y right_x right_y".split(), [2, 1, 0]),
    ],
)  # fmt: skip
def test_load_knows_the_mirror_order_of_the_layout_and_of_named_sides(own, titles, mirror):
    header = ["name", *titles]
    loaded = load(own(f"{','.join(header)}\na.png,{','.join(map(str, range(len(header) - 1)))}\n"))
    assert mirror is loaded.mirror is None or loaded.mirror[:3].tolist() == mirror


@pytest.mark.parametrize(
    "which, names",
    [(slice(1, 3), "bc"), ([2, 0], "ca"), (-1, "c"), (np.array([True, False, True]), "ac"), (np.zeros(3, bool), "")],
)
@pytest.mark.parametrize("whole", [False, True])
def test_faceset_indexing_takes_everything_along(which, names, whole):
    pictures = [np.full((4, 4), i, np.uint8) for i in range(3)]
    moods = {"mood": np.arange(3)}
    faces = FaceSet(np.stack(pictures) if whole else pictures, np.zeros((3, 5, 2)), tuple("abc"), extras=moods)[which]
    numbers = ["abc".index(name) for name in names]
    assert faces.names == tuple(faces.people.tolist()) == tuple(names)
    assert [image[0, 0] for image in faces.images] == faces.extras["mood"].tolist() == numbers


@pytest.mark.parametrize(
    "keypoints, extras, message",
    [
        (np.zeros((2, 136)), {}, r"keypoints: expected \(n, k, 2\), got \(2, 136\)"),
        (np.zeros((3, 68, 2)), {}, r"images: expected 3 \(one per row of keypoints\), got 2"),
        (np.zeros((2, 68, 2)), {"mood": np.zeros(1)}, "mood: expected 2 .*got 1"),
    ],
)
def test_faceset_checks_lengths_and_shapes(keypoints, extras, message):
    with pytest.raises(InputError, match=message):
        FaceSet([np.zeros((4, 4), np.uint8)] * 2, keypoints, ("a", "b"), extras=extras)


def test_complete_only_leaves_out_faces_with_missing_points(faces):
    faces.keypoints[[0, 3], 5] = np.nan
    with pytest.warns(UserWarning, match="training needs all keypoints: 2 of 36 faces left out"):
        assert len(data.complete_only(faces, why="training")) == 34
    with pytest.raises(InputError, match="training needs faces with all keypoints, got 2 faces"):
        data.complete_only(faces[[0, 3]], why="training")


def test_split_official_is_by_folder(faces):
    training, test = split(faces, "official")
    assert {name.split("/")[0] for name in training.names} == {"training"} and len(training) == len(test) == 18
    plain = FaceSet(faces.images[:1], faces.keypoints[:1], ("a.png",))
    for call, message in [
        (lambda: faces.part("tests"), "unknown part 'tests': did you mean 'test'"),
        (lambda: split(faces, "people"), r"unknown split 'people'.* Known: official, person"),
        (lambda: split(plain, "official"), "part 'training': this set has no folders"),
        (lambda: split(small_set(people=1), "person"), r"expected 2 people or more .* got 1 and 0\.2"),
    ]:
        with pytest.raises(InputError, match=message):
            call()


def test_no_person_is_on_both_sides_of_a_person_split():
    faces = small_set(people=40, frames=1)
    training, test = split(faces, "person", seed=3)
    assert not set(training.people) & set(test.people)
    assert len(training) + len(test) == 80 and len(set(test.people)) == 8
    assert split(faces, "person", seed=4)[1].names != test.names
    people = np.unique(faces.people)  # the rule of the data card, spelled out
    order = np.random.default_rng(3).permutation(40)
    assert set(test.people) == set(people[order[:8]])
    assert len(set(split(faces, held_out=0.5)[1].people)) == 20
