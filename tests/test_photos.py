import errno
import io

import numpy as np
import pytest
from PIL import Image

from fkd_helpers.core.errors import InputError
from fkd_helpers.faces import images as photos
from fkd_helpers.faces.images import find_photos, read_photo, to_gray, write_photo

RGB = np.random.default_rng(0).integers(0, 256, (12, 17, 3), np.uint8)
GRAY = RGB[..., 0]


def file_of(image, kind="PNG", **options):
    stream = io.BytesIO()
    (Image.fromarray(image) if isinstance(image, np.ndarray) else image).save(stream, kind, **options)
    return stream.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF"])
def test_lossless_files_come_back_as_they_were(kind):
    assert (read_photo(file_of(RGB, kind)) == RGB).all()
    gray = read_photo(file_of(GRAY, kind))
    assert gray.shape == (12, 17, 3) and gray.dtype == np.uint8 and (gray == GRAY[..., None]).all()


def test_rgba_lies_over_white_and_opaque_rgba_is_rgb():
    alpha = np.full((12, 17, 1), 255, np.uint8)
    assert (read_photo(file_of(np.concatenate([RGB, alpha], 2))) == RGB).all()
    alpha[:6] = 0
    laid = read_photo(file_of(np.concatenate([RGB, alpha], 2)))
    assert (laid[:6] == 255).all() and (laid[6:] == RGB[6:]).all()
    black = Image.new("LA", (4, 4), (0, 128))
    assert (read_photo(file_of(black)) == 127).all()


def test_palette_with_a_transparent_colour():
    image = Image.new("P", (8, 8), 0)
    image.putpalette([200, 10, 20, 30, 40, 50])
    image.paste(1, (0, 0, 4, 8))
    assert (read_photo(file_of(image))[0, [0, 7]] == [[30, 40, 50], [200, 10, 20]]).all()
    assert (read_photo(file_of(image, transparency=0))[0, [0, 7]] == [[30, 40, 50], [255, 255, 255]]).all()


def test_cmyk_jpeg_is_rgb():
    red = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    assert np.abs(read_photo(file_of(red, "JPEG", quality=95)).astype(int) - [255, 0, 0]).max() < 12


def test_16_bit_gray_keeps_its_range():
    values = (GRAY.astype(np.uint16) * 257).astype(np.uint16)
    assert (read_photo(file_of(values)) == GRAY[..., None]).all()
    values[:] = 257 * 40  # dark stays dark
    assert (read_photo(file_of(values)) == 40).all()


def test_float_gray_with_gaps_is_read():
    values = np.full((5, 6), 2.0, np.float32)
    values[0, 0], values[1, 1], values[2, 2] = np.nan, np.inf, 1.0
    frame = read_photo(file_of(values, "TIFF"))
    assert frame[4, 5, 0] == 255 and frame[2, 2, 0] == 128 and frame[0, 0, 0] == frame[1, 1, 0] == 0


@pytest.mark.parametrize(
    "orientation, stored",
    [
        (1, RGB), (2, RGB[:, ::-1]), (3, RGB[::-1, ::-1]), (4, RGB[::-1]), (5, RGB.swapaxes(0, 1)),
        (6, np.rot90(RGB)), (7, np.rot90(RGB, 2).swapaxes(0, 1)), (8, np.rot90(RGB, -1)),
    ],
)  # fmt: skip
def test_a_cameras_rotation_is_undone(orientation, stored):
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert np.array_equal(read_photo(file_of(np.ascontiguousarray(stored), exif=exif)), RGB)


@pytest.mark.filterwarnings("ignore:::PIL")
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF"])
def test_damaged_files_are_read_or_refused_and_nothing_else(kind):
    whole = file_of(RGB, kind)
    rng = np.random.default_rng(1)
    refused = 0
    for _ in range(60):
        damaged = bytearray(whole[: rng.integers(0, len(whole))])
        for place in rng.integers(0, max(len(damaged), 1), 3 * bool(damaged)):
            damaged[place] = rng.integers(0, 256)
        try:
            assert read_photo(bytes(damaged)).dtype == np.uint8
        except InputError as error:
            refused += 1
            assert len(str(error).splitlines()) == 1
    assert refused > 20


def test_what_cannot_be_read_is_named(tmp_path):
    (tmp_path / "cut.jpg").write_bytes(file_of(np.repeat(RGB, 20, 0), "JPEG")[:-400])
    (tmp_path / "text.png").write_text("not a picture")
    (tmp_path / "empty.png").touch()
    for name, message in [
        ("cut.jpg", "damaged or cut off"), ("text.png", "not an image"), ("empty.png", "not an image"),
        ("none.png", "no such file"), ("", "a folder, expected a photo"), ("text.png/a.png", "cannot be read"),
    ]:  # fmt: skip
        with pytest.raises(InputError) as caught:
            read_photo(tmp_path / name)
        assert message in str(caught.value) and str(tmp_path / name) in str(caught.value)


def test_no_permission_is_said(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(errno.EACCES, "Permission denied", "me.png")

    monkeypatch.setattr(Image, "open", refuse)
    with pytest.raises(InputError, match=r"me\.png: no permission to read it"):
        read_photo("me.png")


def test_odd_sizes():
    assert read_photo(file_of(RGB[:1, :1])).shape == (1, 1, 3)
    assert read_photo(file_of(np.zeros((10, 20_000), np.uint8))).shape == (10, 20_000, 3)
    with pytest.raises(InputError, match=r"photo: 17x12 pixels, expected at most 0\.0002 megapixels"):
        read_photo(file_of(RGB), max_pixels=200)
    with pytest.raises(InputError, match="60000x1000 pixels, expected at most 50 megapixels"):
        read_photo(file_of(Image.new("1", (60_000, 1000))))


def test_what_is_written_is_read_again(tmp_path):
    write_photo(tmp_path / "a.png", RGB)
    write_photo(tmp_path / "b.PNG", GRAY)
    assert (read_photo(tmp_path / "a.png") == RGB).all() and (read_photo(tmp_path / "b.PNG")[..., 0] == GRAY).all()
    write_photo(tmp_path / "c.jpg", RGB)
    assert (tmp_path / "c.jpg").read_bytes()[:2] == b"\xff\xd8"


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_half_a_file_is_never_left(tmp_path, monkeypatch, error):
    write_photo(tmp_path / "a.png", RGB)

    def fail(self, path, **_):
        path.write_bytes(b"half")
        raise error

    monkeypatch.setattr(Image.Image, "save", fail)
    with pytest.raises((InputError, KeyboardInterrupt)):
        write_photo(tmp_path / "a.png", 255 - RGB)
    assert [file.name for file in tmp_path.iterdir()] == ["a.png"]
    assert (read_photo(tmp_path / "a.png") == RGB).all()


@pytest.mark.parametrize("name", ["a.psd", "a.xyz", "a", "none/a.png", "text.txt/a.png"])
def test_where_nothing_can_be_written(tmp_path, name):
    (tmp_path / "text.txt").write_text("a file and no folder")
    with pytest.raises(InputError, match=r"expected a name ending in|cannot be written"):
        write_photo(tmp_path / name, RGB)
    assert [file.name for file in tmp_path.iterdir()] == ["text.txt"]


def test_to_gray():
    assert to_gray(GRAY) is GRAY
    assert (to_gray(GRAY[..., None]) == GRAY).all()
    assert np.abs(to_gray(RGB) - RGB @ [0.299, 0.587, 0.114]).max() <= 1
    assert (to_gray(np.concatenate([RGB, RGB[..., :1]], 2)) == to_gray(RGB)).all()
    with pytest.raises(InputError, match="expected uint8, got float64"):
        to_gray(RGB / 255)
    with pytest.raises(InputError, match=r"got \(12, 17, 2\)"):
        to_gray(RGB[..., :2])


# a folder of photos


@pytest.mark.parametrize("listed", [2, 100])
def test_the_photos_of_a_folder_and_its_subfolders_are_found(tmp_path, monkeypatch, listed):
    monkeypatch.setattr(photos, "LISTED", listed)
    names = ["a.jpg", "b/c.PNG", "b/d/e.tif", "b/f.jpeg", "g.webp"]
    for name in [*names, "notes.txt", "b/jpg", "b/empty/no.csv"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "b" / "round").symlink_to(tmp_path)
    found = [path.relative_to(tmp_path).as_posix() for path in find_photos(tmp_path)]
    assert sorted(found) == names
    assert found == names or listed == 2


def test_a_folder_without_photos_is_named(tmp_path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(InputError, match=r"no photo in this folder, expected files ending in \.jpg"):
        list(find_photos(tmp_path))
    with pytest.raises(InputError, match=r"notes\.txt: cannot be read"):
        list(find_photos(tmp_path / "notes.txt"))


def test_a_subfolder_that_cannot_be_read_is_left_out_with_a_warning(tmp_path, monkeypatch):
    (tmp_path / "shut").mkdir()
    (tmp_path / "a.jpg").touch()
    scandir = photos.os.scandir

    def refuse(folder):
        if str(folder).endswith("shut"):
            raise PermissionError(errno.EACCES, "Permission denied", str(folder))
        return scandir(folder)

    monkeypatch.setattr(photos.os, "scandir", refuse)
    with pytest.warns(UserWarning, match=r"left out: .*shut: cannot be read \(Permission denied\)"):
        assert [path.name for path in find_photos(tmp_path)] == ["a.jpg"]
