import errno
import json
import os
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fkd_helpers import data
from fkd_helpers.core.errors import InputError
from fkd_helpers.data import CLASSIC, FaceSet, image_cache, load, reading, split
from fkd_helpers.faces.images import write_photo

TRAINING, TEST = CLASSIC.values()


def small_set(people=6, frames=3):
    """Faces of several people in both folders, the same file names in each with other content."""
    rng = np.random.default_rng(0)
    names = [f"{part}/Ann_{p}_{f}.png" for part in CLASSIC for p in range(people) for f in range(frames)]
    sizes = rng.integers(8, 20, (len(names), 2))
    return FaceSet(
        images=[rng.integers(0, 256, (h, w, 3), np.uint8) for h, w in sizes],
        keypoints=rng.uniform(-5, 120, (len(names), 68, 2)),
        names=names,
    )


@pytest.fixture
def faces():
    return small_set()


@pytest.fixture
def folder(faces, tmp_path):
    return data.write_classic(faces, tmp_path / "set")


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


def test_what_is_written_is_loaded_again(faces, folder):
    loaded = load(folder)
    assert same(loaded, faces) and loaded.people.tolist() == faces.people.tolist() and loaded.problems == ()
    assert loaded.keypoints.dtype == np.float32 and all(image.dtype == np.uint8 for image in loaded.images)
    assert load(folder / TEST).names == tuple(name.rpartition("/")[2] for name in faces.part("test").names)


def test_one_table_alone_keeps_its_people(folder):
    assert sorted(set(load(folder / TRAINING).people)) == [f"Ann_{p}" for p in range(6)]


def test_png_with_alpha_under_a_jpg_name(tmp_path):
    faces = small_set()[[0, 1]]
    (tmp_path / "training").mkdir()
    for name, image in zip(["A_0.jpg", "A_1.jpg"], faces.images, strict=True):
        Image.fromarray(image).convert("RGBA").save(tmp_path / "training" / name, "PNG")
    table = faces.table()
    table.index = ["A_0.jpg", "A_1.jpg"]
    table.to_csv(tmp_path / TRAINING)
    loaded = load(tmp_path)
    assert all(np.array_equal(a, b) for a, b in zip(loaded.images, faces.images, strict=True))
    assert loaded.people.tolist() == ["A", "A"]


def test_missing_points_stay(folder):
    edit(folder / TRAINING, 1, 5, "")
    edit(folder / TRAINING, 2, 9, " NaN")
    loaded = load(folder)
    assert np.argwhere(np.isnan(loaded.keypoints)).tolist() == [[0, 2, 0], [1, 4, 0]]
    assert (~loaded.complete).tolist() == [True, True, *[False] * 34]
    with pytest.warns(UserWarning, match="training needs all keypoints: 2 of 36 faces left out"):
        assert len(data.complete_only(loaded, why="training")) == 34
    with pytest.raises(InputError, match="training needs faces with all keypoints, got 2 faces"):
        data.complete_only(loaded[[0, 1]], why="training")


def test_a_bad_row_is_named_and_the_rest_goes_on(folder):
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
    with pytest.warns(UserWarning, match="7 rows left out, first: .*'twelve'") as caught:
        loaded = load(folder)
    assert caught[0].filename == __file__  # the warning points at the line that loads
    assert len(loaded) == 36 - 7
    expected = [
        "row 1 (Ann_0_0.png), column 2: expected a number, got 'twelve'", "row 4 (Ann_0_2.png): the same name as row 3",
        "row 5 (Ann_1_1.png), column 135: expected a number, got 'inf'",
        "row 6 (Ann_1_2.png): expected 136 coordinates, got 137",
        "row 7 (Ann_2_0.png): expected 136 coordinates, got 135",
        "none.png: no such file", "Ann_2_1.png: not an image",
    ]  # fmt: skip
    assert len(loaded.problems) == 7
    for problem, part in zip(loaded.problems, expected, strict=True):
        assert part in problem
    with pytest.raises(InputError, match=r"'twelve'; .* and 4 more"):
        load(folder, on_error="raise")


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "empty, expected a header"),
        (b"\n\n", "empty, expected a header"),
        (b",0,1,2,3\na.png,1,2,3,4\n", r"expected 136 coordinate columns \(68 keypoints\), got 4"),
        ((",".join(["", *map(str, range(138))]) + "\n").encode(), "expected 136 .* got 138"),
        ((",".join(["", *map(str, range(136))]) + "\n").encode(), "no rows, expected one a face"),
        (b"\xff\xfe\x00\x80", "not a label table"),
        (b'a,"0,1\n', "not a label table"),
        ((",".join(["", *map(str, range(136))]) + "\na.png" + ",x" * 136).encode(), "no usable row .*got 'x'"),
    ],
)
def test_tables_that_are_none(tmp_path, content, message):
    (tmp_path / TRAINING).write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        load(tmp_path)
    assert str(tmp_path) in str(caught.value) and len(str(caught.value).splitlines()) == 1


def test_a_folder_with_one_table_of_another_name(tmp_path):
    faces = small_set()[[0, 1, 2]]
    data.write_classic(faces, tmp_path)
    (tmp_path / TRAINING).rename(tmp_path / "training" / "labels.csv")
    assert load(tmp_path / "training").names == ("Ann_0_0.png", "Ann_0_1.png", "Ann_0_2.png")
    (tmp_path / "training" / "notes.csv").write_text("a,b\n1,2\n")
    assert len(load(tmp_path / "training")) == 3  # only one has the header of coordinates
    (tmp_path / "training" / "labels.csv").write_text("name,0,1,2\na.png,1,2,3\n")
    with pytest.raises(InputError, match=r"even number of coordinate columns .* got 3"):
        load(tmp_path / "training" / "labels.csv")


def test_what_is_not_there(tmp_path, monkeypatch):
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


def test_names_are_looked_up_here_and_in_the_data_folders(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("FKD_DATA_DIR", str(tmp_path))
    assert len(load("set")) == 36
    monkeypatch.setenv("FKD_DATASET", "set")
    assert len(load()) == 36
    monkeypatch.chdir(folder)
    assert len(load(TEST)) == 18  # a table in this folder
    assert len(load("puppets", n=2)) == 2


def test_half_of_the_real_set_is_not_the_set(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("FKD_DATA_DIR", str(tmp_path))
    folder.rename(tmp_path / "ytf")
    assert len(load("ytf")) == 36
    (tmp_path / "ytf" / TEST).unlink()
    with pytest.raises(InputError, match=r"'ytf' is not, or not whole, in .*run `make data`"):
        load("ytf")


def test_no_permission_is_one_line(folder, monkeypatch):
    real = Path.iterdir

    def refuse(self):
        if self == folder:
            raise PermissionError(errno.EACCES, "Permission denied", str(self))
        return real(self)

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(InputError, match="set: no permission to read it"):
        load(folder)


# The cache


def no_reading(monkeypatch):
    monkeypatch.setattr(image_cache, "read_photo", lambda file: pytest.fail(f"{file} was decoded again"))


def test_a_second_loading_decodes_nothing(faces, folder, monkeypatch, cache_folder):
    load(folder)
    assert sorted(file.suffix for file in cache_folder.rglob("*.*")) == [".json", ".pixels"]
    no_reading(monkeypatch)
    assert same(load(folder), faces)


def test_a_changed_file_is_decoded_anew(faces, folder):
    load(folder)
    place = folder / faces.names[4]
    write_photo(place, 255 - faces.images[4])
    os.utime(place, ns=(1, 1))
    assert (load(folder).images[4] == 255 - faces.images[4]).all()


def test_a_file_that_was_missing_or_closed_to_us_is_found_when_it_is_back(faces, folder, monkeypatch):
    place = folder / faces.names[0]
    place.rename(folder / "away.png")
    with pytest.warns(UserWarning, match="1 rows left out"):
        assert len(load(folder)) == 35
    (folder / "away.png").rename(place)
    real = image_cache.read_photo

    def refuse(file):
        if file == place:
            raise InputError(f"{file}: no permission to read it")
        return real(file)

    with monkeypatch.context() as patch:
        patch.setattr(image_cache, "read_photo", refuse)
        with pytest.warns(UserWarning, match="no permission"):
            assert len(load(folder)) == 35
    assert same(load(folder), faces)  # neither size nor time of the file has changed


@pytest.mark.parametrize("harm", ["cut", "empty", "gone", "index"])
def test_a_damaged_cache_is_made_anew(faces, folder, cache_folder, harm, monkeypatch):
    load(folder)
    (pixels,), (index,) = cache_folder.rglob("*.pixels"), cache_folder.rglob("*.json")
    if harm == "gone":
        pixels.unlink()
    elif harm == "index":
        index.write_text('{"shapes": [[0')
    else:
        pixels.write_bytes(pixels.read_bytes()[: 1000 * (harm == "cut")])
    assert same(load(folder), faces)
    no_reading(monkeypatch)
    assert same(load(folder), faces)


@pytest.mark.parametrize("what", ["write", "close", "index", "folder"])
def test_a_full_disk_or_a_closed_cache_folder_is_a_warning(faces, folder, cache_folder, what, monkeypatch):
    full = OSError(errno.ENOSPC, "No space left on device")
    real = Path.open

    class Full:
        def __init__(self, stream):
            self.stream = stream

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.stream.close()
            if what == "close":
                raise full

        def write(self, content):
            if what == "write" and self.stream.tell() > 1000:
                raise full
            return self.stream.write(content)

    def fail(*_, **__):
        raise full

    def opened(self, mode="r", *rest, **options):
        stream = real(self, mode, *rest, **options)
        return Full(stream) if mode == "wb" else stream

    if what in ("write", "close"):
        monkeypatch.setattr(Path, "open", opened)
    else:
        monkeypatch.setattr(Path, "write_text" if what == "index" else "mkdir", fail)
    with pytest.warns(UserWarning, match="no cache in .*No space left on device") as caught:
        assert same(load(folder), faces)
    assert caught[0].filename == __file__
    assert not [file for file in cache_folder.rglob("*") if file.is_file()]


def test_interrupted_decoding_leaves_nothing(folder, cache_folder, monkeypatch):
    real, seen = image_cache.read_photo, []

    def interrupted(file):
        seen.append(file)
        if len(seen) == 1:
            raise KeyboardInterrupt
        time.sleep(0.05)
        return real(file)

    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    monkeypatch.setattr(image_cache, "read_photo", interrupted)
    with pytest.raises(KeyboardInterrupt):
        load(folder)
    assert not [file for file in cache_folder.rglob("*") if file.is_file()]
    assert len(seen) < 36  # nor are all the others decoded first


def test_the_index_names_no_more_than_shapes(folder, cache_folder):
    load(folder)
    places = json.loads(next(cache_folder.rglob("*.json")).read_text())["shapes"]
    assert len(places) == 36 and places[0][0] == 0 and all(len(place) == 4 for place in places)


# The set itself


@pytest.mark.parametrize(
    "which, names",
    [(slice(1, 3), "bc"), ([2, 0], "ca"), (1, "b"), (-1, "c"), (np.array([True, False, True]), "ac"), ([], "")],
)
def test_faceset_indexing_gives_a_set(which, names):
    faces = FaceSet([np.full((4, 4), i, np.uint8) for i in range(3)], np.zeros((3, 5, 2)), tuple("abc"))
    chosen = faces[which if isinstance(which, slice | int) or len(which) else np.zeros(3, bool)]
    assert chosen.names == tuple(names) and [image[0, 0] for image in chosen.images] == ["abc".index(n) for n in names]


def test_faceset_mirror_is_known_for_the_layouts_and_given_for_others():
    def mirror(k, **given):
        return FaceSet([], np.zeros((0, k, 2)), (), **given).mirror

    assert mirror(68)[0] == 16 and mirror(15)[0] == 1 and mirror(5) is None and mirror(68, mirror=None) is None
    assert mirror(5, mirror=[1, 0, 2, 4, 3]).tolist() == [1, 0, 2, 4, 3]
    for wrong, message in [([0, 1], "each of 0 to 4 once"), ([1, 2, 0, 3, 4], "pairs that swap, got 0 -> 1 -> 2")]:
        with pytest.raises(InputError, match=message):
            mirror(5, mirror=wrong)


def test_lengths_and_shapes_are_checked():
    images = [np.zeros((4, 4), np.uint8)] * 2
    with pytest.raises(InputError, match=r"keypoints: expected \(n, k, 2\), got \(2, 136\)"):
        FaceSet(images, np.zeros((2, 136)), ("a.png", "b.png"))
    with pytest.raises(InputError, match=r"images: expected 3 \(one per row of keypoints\), got 2"):
        FaceSet(images, np.zeros((3, 68, 2)), ("a", "b", "c"))
    with pytest.raises(InputError, match=r"mood: expected 2 .*got 1"):
        FaceSet(images, np.zeros((2, 68, 2)), ("a", "b"), extras={"mood": np.zeros(1)})


def test_subsets_take_everything_along(faces):
    moods = FaceSet(faces.images, faces.keypoints, faces.names, extras={"mood": np.arange(36)})
    last = moods[np.arange(36) > 33]
    assert last.extras["mood"].tolist() == [34, 35] and last.names == faces.names[34:]
    assert np.array_equal(last.images[1], faces.images[35]) and (last.people == faces.people[34:]).all()
    assert moods[[5, 2]].extras["mood"].tolist() == [5, 2]
    assert moods.table().shape == (36, 136) and moods.table().iloc[3, 5] == moods.keypoints[3, 2, 1]


@pytest.mark.parametrize(
    "name, person",
    [("training/Ann_Lee_21.jpg", "Ann_Lee"), ("Ann_Lee_0.png", "Ann_Lee"), ("test/Ann.png", "Ann"), ("a/Ann_1", "Ann")],
)
def test_the_person_is_the_name_up_to_its_last_underscore(name, person):
    assert data.person_of(name) == person


def test_the_official_split_is_by_folder(faces):
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


def test_neither_side_of_a_split_is_empty():
    training, test = split(small_set(people=2), "person")
    assert len(set(training.people)) == len(set(test.people)) == 1
    with pytest.raises(InputError, match=r"expected 2 people or more .* got 1 and 0\.2"):
        split(small_set(people=1), "person")
    with pytest.raises(InputError, match=r"got 6 and 1\.5"):
        split(small_set(), "person", held_out=1.5)


def test_a_photo_and_its_crops_stay_together():
    assert reading.photo_of("a/77_0.png") == reading.photo_of("a/77_1.png") == "a/77"
    assert reading.photo_of("a/image_1.png") != reading.photo_of("a/image_2.png")


def test_loading_without_trouble_warns_of_nothing(folder):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load(folder)
        load(folder, on_error="raise")


def test_sets_that_were_not_used_for_longest_make_room(faces, tmp_path, cache_folder, monkeypatch):
    folders = [data.write_classic(faces, tmp_path / name) for name in ("old", "used", "new")]
    for age, folder in enumerate(folders[:2]):
        load(folder)
        newest = max(cache_folder.rglob("*.pixels"), key=lambda path: path.stat().st_ctime_ns)
        os.utime(newest, (1000 + age, 1000 + age))
    load(folders[0])  # so that the second is the one that was not used for longest
    one = newest.stat().st_size
    monkeypatch.setattr(image_cache, "MAX_BYTES", int(2.5 * one))
    load(folders[2])
    assert len(list(cache_folder.rglob("*.pixels"))) == len(list(cache_folder.rglob("*.json"))) == 2
    monkeypatch.setattr(image_cache, "read_photo", None)
    for folder in (folders[0], folders[2]):
        assert len(load(folder)) == len(faces)
    assert not newest.exists()
