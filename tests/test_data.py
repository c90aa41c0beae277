"""Label tables and folders: what is written is read again, what is odd is said, what is wrong is named."""

import os
import warnings
from pathlib import Path

import numpy as np
import pytest

from fkd_helpers import data
from fkd_helpers.core.errors import InputError
from fkd_helpers.data import CLASSIC, FaceSet, decoding, load, split
from fkd_helpers.faces import images
from fkd_helpers.faces.images import write_photo
from fkd_helpers.faces.landmarks import POINTS_15

TRAINING, TEST = CLASSIC.values()


def small_set(people=6, frames=3):
    """Faces of several people in both folders, the same file names in each with other content."""
    rng = np.random.default_rng(0)
    names = [f"{part}/Ann_{p}_{f}.png" for part in CLASSIC for p in range(people) for f in range(frames)]
    sizes = rng.integers(8, 20, (len(names), 2))
    return FaceSet(
        images=[rng.integers(0, 256, (h, w, 3), np.uint8) for h, w in sizes],
        keypoints=rng.uniform(0, 10, (len(names), 68, 2)),
        names=names,
    )


@pytest.fixture
def faces():
    return small_set()


@pytest.fixture
def folder(faces, tmp_path):
    return data.write_classic(faces, tmp_path / "set")


@pytest.fixture
def own(tmp_path):
    """Write `labels.csv` beside pictures a.png to e.png of 40 x 30 pixels; return the folder."""

    def write(text, encoding="utf-8", **files):
        for name in "abcde":
            write_photo(tmp_path / f"{name}.png", np.zeros((30, 40, 3), np.uint8))
        (tmp_path / "labels.csv").write_bytes(text.encode(encoding))
        for name, content in files.items():
            (tmp_path / name.replace("_", ".")).write_text(content)
        return tmp_path

    return write


def same(a, b):
    return (
        a.names == b.names
        and np.allclose(a.keypoints, b.keypoints, atol=1e-3, equal_nan=True)
        and all(np.array_equal(x, y) for x, y in zip(a.images, b.images, strict=True))
    )


def edit(table, row, column, text):
    lines = table.read_text().splitlines()
    cells = lines[row].split(",")
    cells[column] = text
    lines[row] = ",".join(cells)
    table.write_text("\n".join(lines))


# Folders


def test_load_returns_what_write_classic_wrote(faces, folder):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loaded = load(folder, on_error="raise")
    assert same(loaded, faces) and loaded.people.tolist() == faces.people.tolist() and loaded.problems == ()
    assert loaded.keypoints.dtype == np.float32 and all(image.dtype == np.uint8 for image in loaded.images)
    assert load(folder / TEST).names == tuple(name.rpartition("/")[2] for name in faces.part("test").names)
    assert sorted(set(load(folder / TRAINING).people)) == [f"Ann_{p}" for p in range(6)]


def test_load_keeps_missing_points(folder):
    edit(folder / TRAINING, 1, 5, "")
    edit(folder / TRAINING, 2, 9, " NaN")
    loaded = load(folder)
    assert np.argwhere(np.isnan(loaded.keypoints)).tolist() == [[0, 2, 0], [1, 4, 0]]
    assert (~loaded.complete).tolist() == [True, True, *[False] * 34]
    with pytest.warns(UserWarning, match="training needs all keypoints: 2 of 36 faces left out"):
        assert len(data.complete_only(loaded, why="training")) == 34
    with pytest.raises(InputError, match="training needs faces with all keypoints, got 2 faces"):
        data.complete_only(loaded[[0, 1]], why="training")


def test_load_names_a_bad_row_and_goes_on(folder):
    table = folder / TRAINING
    edit(table, 1, 3, "twelve")
    edit(table, 2, 0, "none.png")
    edit(table, 4, 0, "Ann_0_2.png")
    edit(table, 5, 136, "inf")
    lines = table.read_text().splitlines()
    lines[6] += ",3"
    lines[7] = lines[7].rpartition(",")[0]
    table.write_text("\n".join(lines))
    (folder / "training" / "Ann_2_1.png").write_bytes(b"not a picture")
    with pytest.warns(UserWarning, match="7 rows left out, first: ") as caught:
        loaded = load(folder)
    assert caught[0].filename == __file__  # the warning points at the line that loads
    assert len(loaded) == 36 - 7
    expected = [
        "row 1 (Ann_0_0.png), column 2: expected a number, got 'twelve'", "row 4 (Ann_0_2.png): the same name as row 3",
        "row 5 (Ann_1_1.png), column 135: expected a number, got 'inf'",
        "row 6 (Ann_1_2.png): expected 137 columns, got 138", "row 7 (Ann_2_0.png): expected 137 columns, got 136",
        "none.png: no such file", "Ann_2_1.png: not an image",
    ]  # fmt: skip
    for problem, part in zip(loaded.problems, expected, strict=True):
        assert part in problem
    with pytest.raises(InputError, match=r"got 'twelve'; .* and 4 more"):
        load(folder, on_error="raise")


def test_load_takes_the_one_label_table_of_a_folder(own):
    folder = own("name,0,1\na.png,1,2\n", notes_csv="a,b\n1,2\n")
    assert load(folder).names == load(folder / "labels.csv").names == ("a.png",)
    (folder / "more.csv").write_text("name,0,1\na.png,1,2\n")
    with pytest.raises(InputError, match=r"or one label table, found labels\.csv, more\.csv, notes\.csv"):
        load(folder)


def test_load_names_what_is_not_there(tmp_path, monkeypatch):
    monkeypatch.setenv("FKD_DATA_DIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    for name, message in [
        (tmp_path / "none", "none: no such folder or CSV file"), ("a.csv", "a.csv: no such folder or CSV file"),
        ("pupets", "unknown data set 'pupets': did you mean 'puppets'"), (Path("min"), "'min': did you mean 'mine'"),
        ("mine", "expected training_frames_keypoints.csv and .*found no CSV file"),
    ]:  # fmt: skip
        with pytest.raises(InputError, match=message):
            load(name)
    with pytest.raises(InputError, match="on_error: expected 'skip' or 'raise', got 'ignore'"):
        load(tmp_path / "mine", on_error="ignore")


def test_load_looks_here_and_in_the_data_folders(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("FKD_DATA_DIR", str(tmp_path))
    assert len(load("set")) == 36
    monkeypatch.setenv("FKD_DATASET", "set")
    assert len(load()) == 36
    monkeypatch.chdir(folder)
    assert len(load(TEST)) == 18  # a table in this folder
    assert len(load("puppets", n=2)) == 2
    folder.rename(tmp_path / "ytf")
    assert len(load("ytf")) == 36
    (tmp_path / "ytf" / TEST).unlink()
    with pytest.raises(InputError, match=r"'ytf' is not, or not whole, in .*run `make data`"):
        load("ytf")


def test_load_moves_the_labels_of_large_photos_with_their_scale(own, monkeypatch):
    folder = own("name,0,1\na.png,19.5,9.5\nb.png,1,2\n")
    monkeypatch.setattr(images, "MAX_PIXELS", 1199)
    write_photo(folder / "b.png", np.zeros((10, 10, 3), np.uint8))
    loaded = load(folder)
    assert [image.shape for image in loaded.images] == [(15, 20, 3), (10, 10, 3)]
    assert loaded.keypoints[:, 0].tolist() == [[9.5, 4.5], [1, 2]]


# Tables in other orders and from other programs

POINTS = np.array([[[1.5, 2], [3, 4]], [[5, 6], [7, 8.5]]])  # of two faces
NAN = np.nan


@pytest.mark.parametrize(
    "text",
    [
        "name,0,1,2,3\na.png,1.5,2,3,4\nb.png,5,6,7,8.5\n",
        ",1,2,3,4\na.png,1.5,2,3,4\n\nb.png,5,6,7,8.5\n",
        "file,x0,y0,x1,y1\na.png,1.5,2,3,4\nb.png,5,6,7,8.5\n",
        "file,x_0,x_1,y_0,y_1\na.png,1.5,3,2,4\nb.png,5,7,6,8.5\n",
        "file,y0,x0,y1,x1\na.png,2,1.5,4,3\nb.png,6,5,8.5,7\n",
        "file,x2,y2,x1,y1\na.png,3,4,1.5,2\nb.png,7,8.5,5,6\n",
        "file,p0x,p0y,p1x,p1y\na.png,1.5,2,3,4\nb.png,5,6,7,8.5\n",
        "file,x,y,visibility,x,y,visibility\na.png,1.5,2,1,3,4,1\nb.png,5,6,0,7,8.5,2\n",
        "file,x,y,w,h,x_0,y_0,x_1,y_1\na.png,0,0,9,9,1.5,2,3,4\nb.png,0,0,9,9,5,6,7,8.5\n",
        "file,x_min,y_min,x_max,y_max,x_0,y_0,x_1,y_1\na.png,0,0,9,9,1.5,2,3,4\nb.png,0,0,9,9,5,6,7,8.5\n",
        "file,left,top,eye_x,eye_y,nose_x,nose_y\na.png,0,0,1.5,2,3,4\nb.png,0,0,5,6,7,8.5\n",
        "eye_x,eye_y,nose_x,nose_y,Image_Name\n1.5,2,3,4,a.png\n5,6,7,8.5,b.png\n",
        "file;x0;y0;x1;y1\na.png;1,5;2;3;4\nb.png;5;6;7;8,5\n",
        "sep=;\nfile;x0;y0;x1;y1\na.png;1,5;2;3;4\nb.png;5;6;7;8,5\n",
        "file\tx0\ty0\tx1\ty1\r\n.\\a.png\t1.5\t2\t3\t4\r\nb.png\t5\t6\t7\t8.5\r\n",
        '"file","x0","y0","x1","y1"\n"a.png","1,5","2","3","4"\n"b.png","5","6","7","8.5"\n',
    ],
)
def test_read_table_obeys_the_header(own, text):
    loaded = load(own(text), on_error="raise")
    assert loaded.names == ("a.png", "b.png") and np.array_equal(loaded.keypoints, POINTS)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
def test_read_table_reads_other_encodings(own, encoding):
    folder = own("name,0,1\nJürgen.png,1,2\n", encoding)
    write_photo(folder / "Jürgen.png", np.zeros((5, 5, 3), np.uint8))
    assert load(folder).names == ("Jürgen.png",)


@pytest.mark.parametrize(
    "text, keypoints, remark",
    [
        ("a.png,1.5,2,3,4\nb.png,5,6,7,8.5\n", POINTS, "no header row, read as file name, x0, y0"),
        ("name,0,1,2,3\na.png,1,2,-1,-1\n", [[[1, 2], [NAN, NAN]]], r"1 points at \(-1, -1\) count as missing"),
        ("name,0,1,2,3\na.png,1,2,0,0\nb.png,0,0,1,2\nc.png,3,4,0,0\n", None, r"3 points lie at \(0, 0\): leave"),
        ("name,0,1,2,3\na.png,.1,.2,.3,.9\nb.png,.1,.2,.3,1\n", None, "all coordinates lie in 0..1, as if .* shares"),
        ("name,0,1,2,3,4,5\na.png,1,2,90,2,1,95\nb.png,1,2,3,4,5,6\n", None, "most points of 1 faces .* first a.png"),
        ("name,0,1\na.png,,\n", [[[NAN, NAN]]], "no keypoint has a label"),
    ],
)  # fmt: skip
def test_load_warns_of_odd_labels(own, text, keypoints, remark):
    folder = own(text)
    with pytest.warns(UserWarning, match=remark) as caught:
        loaded = load(folder)
    assert len(caught) == 1 and caught[0].filename == __file__
    assert keypoints is None or np.array_equal(loaded.keypoints, keypoints, equal_nan=True)


def test_read_table_takes_zeros_without_visibility_for_missing(own):
    text = "f,x0,y0,v0,x1,y1,v1\na.png,0,0,0,3,4,2\nb.png,5,6,0,0,0,1\n"
    expected = [[[NAN, NAN], [3, 4]], [[5, 6], [0, 0]]]
    assert np.array_equal(load(own(text)).keypoints, expected, equal_nan=True)


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "empty, expected a header"), ("\n\n", "empty, expected a header"),
        ("name,0,1,2\na.png,1,2,3\n", "even number of coordinate columns .* got 3"),
        ("name,0,1\n", "no rows, expected one per face"),
        ('a,"0,1\n', "not a label table"),
        ("name,0,1\na.png,x,1", "no usable row .*got 'x'"),
        ("name,x0,y0,x1\na.png,1,2,3\n", "point 1: expected x and y, got x in name, x0, y0, x1"),
        ("name,x0,y0,x_0,y_0\na.png,1,2,3,4\n", "x of point 0 twice in name, x0"),
        ("name,x1,y1,x2,y2,eye_x,eye_y\na.png,1,2,3,4,5,6\n", "numbered and named points"),
        ("name,x,y,0,1,2,3\na.png,1,2,3,4,5,6\n", "read name, x, y, 0, 1, 2 ... 3; expected a column of file names"),
        ("name,5,6,7,8\na.png,1,2,3,4\n", "read name, 5, 6, 7, 8; expected"),
        ("x0,y0,x1,y1\n1,2,3,4\n", "read x0, y0, x1, y1; expected a column of file names"),
        ("who,what\na,b\n", "read who, what; expected a column of file names, then x0, y0"),
        ("1,2,3\n4,5,6\n", "read 1, 2, 3; expected"),
        ("name 0 1\na.png 1 2\n", "read name 0 1; expected"), ("1,2,3,4,a.png\n", "read 1, 2, 3, 4, a.png; expected"),
    ],
)  # fmt: skip
def test_read_table_names_what_it_does_not_understand(own, text, message):
    folder = own(text)
    with pytest.raises(InputError, match=message) as caught:
        load(folder)
    assert str(folder) in str(caught.value) and len(str(caught.value).splitlines()) == 1


# One's own points


def table_of(k, header=None):
    return f"{header or ','.join(['name', *map(str, range(2 * k))])}\n" + f"a.png,{','.join(map(str, range(2 * k)))}\n"


@pytest.mark.parametrize("k", [5, 15, 21, 98, 106])
@pytest.mark.filterwarnings("ignore:.*outside")
def test_load_reads_any_number_of_points_and_knows_no_mirror_order(own, k):
    loaded = load(own(table_of(k)))
    assert loaded.keypoints.shape == (1, k, 2) and loaded.mirror is None


@pytest.mark.parametrize("text", ["1 0 2 4 3", "1,0,2\n4,3\n", "[1, 0, 2, 4, 3]", "[[0, 1], [4, 3]]"])
@pytest.mark.parametrize("name", ["mirror_txt", "mirror_json"])
def test_load_reads_the_mirror_order_of_the_folder(own, text, name):
    assert load(own(table_of(5), **{name: text})).mirror.tolist() == [1, 0, 2, 4, 3]


@pytest.mark.filterwarnings("ignore:.*outside")
def test_load_knows_the_mirror_order_of_the_layout_of_named_sides_and_none(own):
    assert load(own(table_of(68))).mirror[0] == 16
    assert load(own(table_of(68), mirror_txt="none")).mirror is None
    header = ",".join(["name", *(f"{name}_{axis}" for name in POINTS_15[::-1] for axis in "xy")])
    loaded = load(own(table_of(15, header)).joinpath("labels.csv"))
    assert loaded.keypoints[0, 0].tolist() == [28, 29]  # in Kaggle's order


@pytest.mark.parametrize(
    "text, message",
    [
        ("1 0", "each of 0 to 4 once, got .1, 0."), ("1 2 0 3 4", "pairs that swap, got 0 -> 1 -> 2"),
        ("left right", "order of 5 points in a mirror"), ("[[0, 9]]", "order of 5 points"), ("[", "order of 5 points"),
    ],
)  # fmt: skip
def test_load_names_what_is_no_mirror_order(own, text, message):
    with pytest.raises(InputError, match=rf"mirror\.txt: .*{message}"):
        load(own(table_of(5), mirror_txt=text))


def test_split_by_a_column_of_people(own):
    text = "file,person,0,1\na.png,Ann,1,2\nb.png,Ben,1,2\nc.png,Ann,1,2\nd.png,Eve,1,2\n"
    loaded = load(own(text))
    assert loaded.people.tolist() == ["Ann", "Ben", "Ann", "Eve"]
    training, test = split(loaded, "person", held_out=0.4)
    assert not set(training.people) & set(test.people) and len(training) + len(test) == 4


# Images that are decoded once


def test_load_decodes_an_image_once_and_a_changed_one_again(faces, folder, monkeypatch):
    load(folder)
    with monkeypatch.context() as patch:
        patch.setattr(decoding, "read_scaled", lambda file: pytest.fail(f"{file} was decoded again"))
        assert same(load(folder), faces)
    write_photo(folder / faces.names[4], 255 - faces.images[4])
    os.utime(folder / faces.names[4], ns=(1, 1))
    assert (load(folder).images[4] == 255 - faces.images[4]).all()


def test_load_finds_a_file_that_is_back_or_may_be_read_now(faces, folder, monkeypatch):
    file = folder / faces.names[0]
    file.rename(folder / "away.png")
    with pytest.warns(UserWarning, match="1 rows left out"):
        assert len(load(folder)) == 35
    (folder / "away.png").rename(file)
    real = decoding.read_scaled

    def refuse(path):
        if path == file:
            raise InputError(f"{path}: permission denied")
        return real(path)

    with monkeypatch.context() as patch:
        patch.setattr(decoding, "read_scaled", refuse)
        with pytest.warns(UserWarning, match="permission denied"):
            assert len(load(folder)) == 35
    assert same(load(folder), faces)  # neither size nor time of the file has changed


# The set itself


def test_faceset_checks_lengths_and_shapes():
    images = [np.zeros((4, 4), np.uint8)] * 2
    with pytest.raises(InputError, match=r"keypoints: expected \(n, k, 2\), got \(2, 136\)"):
        FaceSet(images, np.zeros((2, 136)), ("a.png", "b.png"))
    with pytest.raises(InputError, match=r"images: expected 3 \(one per row of keypoints\), got 2"):
        FaceSet(images, np.zeros((3, 68, 2)), ("a", "b", "c"))
    with pytest.raises(InputError, match=r"mood: expected 2 .*got 1"):
        FaceSet(images, np.zeros((2, 68, 2)), ("a", "b"), extras={"mood": np.zeros(1)})


@pytest.mark.parametrize(
    "which, names",
    [
        (slice(1, 3), "bc"), ([2, 0], "ca"), (1, "b"), (-1, "c"), (np.array([True, False, True]), "ac"),
        (np.zeros(3, bool), ""), (np.array([], int), ""),
    ],
)  # fmt: skip
@pytest.mark.parametrize("whole", [False, True])
def test_faceset_indexing_takes_everything_along(which, names, whole):
    images = [np.full((4, 4), i, np.uint8) for i in range(3)]
    moods = {"mood": np.arange(3)}
    faces = FaceSet(np.stack(images) if whole else images, np.zeros((3, 5, 2)), tuple("abc"), extras=moods)[which]
    numbers = ["abc".index(name) for name in names]
    assert faces.names == tuple(faces.people.tolist()) == tuple(names)
    assert [image[0, 0] for image in faces.images] == faces.extras["mood"].tolist() == numbers


def test_faceset_mirror_is_known_for_the_layouts_and_given_for_others():
    def mirror(k, **given):
        return FaceSet([], np.zeros((0, k, 2)), (), **given).mirror

    assert mirror(68)[0] == 16 and mirror(15)[0] == 1 and mirror(5) is None and mirror(68, mirror=None) is None
    assert mirror(5, mirror=[1, 0, 2, 4, 3]).tolist() == [1, 0, 2, 4, 3]
    with pytest.raises(InputError, match="each of 0 to 4 once"):
        mirror(5, mirror=[0, 1])


def test_split_official_is_by_folder(faces):
    training, test = split(faces, "official")
    assert {name.split("/")[0] for name in training.names} == {"training"} and len(training) == len(test) == 18
    with pytest.raises(InputError, match="unknown part 'tests': did you mean 'test'"):
        faces.part("tests")
    with pytest.raises(InputError, match=r"unknown split 'people'.* Known: official, person"):
        split(faces, "people")
    plain = FaceSet(faces.images[:1], faces.keypoints[:1], ("a.png",))
    with pytest.raises(InputError, match="part 'training': this set has no folders"):
        split(plain, "official")


def test_no_person_is_on_both_sides_of_a_person_split():
    faces = small_set(people=40, frames=1)
    training, test = split(faces, "person", seed=3)
    assert not set(training.people) & set(test.people)
    assert len(training) + len(test) == 80 and len(set(test.people)) == 8
    assert split(faces, "person", seed=3)[1].names == test.names
    assert split(faces, "person", seed=4)[1].names != test.names
    people = np.unique(faces.people)  # the rule of the data card, spelled out
    order = np.random.default_rng(3).permutation(40)
    assert set(test.people) == set(people[order[:8]])
    assert len(set(split(faces, held_out=0.5)[1].people)) == 20
    with pytest.raises(InputError, match=r"expected 2 people or more .* got 1 and 0\.2"):
        split(small_set(people=1), "person")
