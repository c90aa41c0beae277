"""Photos in and out: what cameras, phones and editors write."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from fkd_helpers.core.errors import InputError
from fkd_helpers.faces.images import find_photos, read_photo, to_gray, to_rgb, write_photo

RGB = np.random.default_rng(0).integers(0, 256, (12, 17, 3), np.uint8)
GRAY = RGB[..., 0]
RGBA = np.dstack([RGB, np.full((12, 17), 255, np.uint8)])
SMOOTH = cv2.resize(RGB, (170, 120), interpolation=cv2.INTER_CUBIC)


def file_of(image, kind="PNG", **options):
    stream = io.BytesIO()
    (Image.fromarray(image) if isinstance(image, np.ndarray) else image).save(stream, kind, **options)
    return stream.getvalue()


# Reading


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM", "JPEG", "WEBP", "AVIF", "JPEG2000", "GIF"])
def test_read_photo_reads_files_as_they_were_or_nearly(kind):
    lost = 0 if kind in ("PNG", "BMP", "TIFF", "PPM") else 20
    assert np.abs(read_photo(file_of(SMOOTH, kind)).astype(int) - SMOOTH).mean() <= lost
    assert np.abs(read_photo(file_of(SMOOTH[..., 0], kind)).astype(int) - SMOOTH[..., :1]).mean() <= lost


def test_read_photo_lays_transparency_over_white():
    half = RGBA.copy()
    half[:6, :, 3] = 0
    laid = read_photo(file_of(half))
    assert (laid[:6] == 255).all() and (laid[6:] == RGB[6:]).all()
    assert (read_photo(file_of(Image.new("LA", (4, 4), (0, 128)))) == 127).all()
    palette = Image.new("P", (8, 8), 0)
    palette.putpalette([200, 10, 20, 30, 40, 50])
    palette.paste(1, (0, 0, 4, 8))
    assert (read_photo(file_of(palette, transparency=0))[0, [0, 7]] == [[30, 40, 50], [255, 255, 255]]).all()


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_read_photo_scales_16_bits_to_8(kind):
    assert (read_photo(file_of(GRAY.astype(np.uint16) * 257, kind)) == GRAY[..., None]).all()


@pytest.mark.parametrize("orientation, stored", [(2, RGB[:, ::-1]), (6, np.rot90(RGB)), (8, np.rot90(RGB, -1))])
def test_read_photo_undoes_a_cameras_rotation(orientation, stored):
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert np.array_equal(read_photo(file_of(np.ascontiguousarray(stored), exif=exif)), RGB)


def test_read_photo_refuses_more_than_200_megapixels():
    with pytest.raises(InputError, match="20000x10001 pixels, expected at most 200 megapixels"):
        read_photo(file_of(Image.new("1", (20_000, 10_001))))


@pytest.mark.filterwarnings("ignore:::PIL")
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_read_photo_reads_or_refuses_damaged_files(kind):
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


@pytest.mark.parametrize(
    "name, message",
    [
        ("cut.jpg", "damaged or cut off"), ("text.png", "not an image"), ("none.png", "no such file"),
        ("", "is a directory"), ("phone.HEIC", r"not an image .*.expected JPEG"),
    ],
)  # fmt: skip
def test_read_photo_names_what_cannot_be_read(tmp_path, name, message):
    (tmp_path / "cut.jpg").write_bytes(file_of(np.repeat(RGB, 20, 0), "JPEG")[:-400])
    (tmp_path / "text.png").write_text("not a picture")
    (tmp_path / "phone.HEIC").write_bytes(b"\0\0\0\x18ftypheic" + bytes(100))
    with pytest.raises(InputError, match=message) as caught:
        read_photo(tmp_path / name)
    assert str(tmp_path / name) in str(caught.value)


# Writing, frames


@pytest.mark.parametrize("name", ["a.xyz", "a", "none/a.png"])
def test_write_photo_names_where_nothing_can_be_written(tmp_path, name):
    with pytest.raises(InputError, match=r"expected a name ending in|cannot be written"):
        write_photo(tmp_path / name, RGB)
    assert not list(tmp_path.iterdir())


def test_write_photo_is_read_again(tmp_path):
    write_photo(tmp_path / "a.PNG", GRAY)
    write_photo(tmp_path / "b.jpg", SMOOTH)
    assert (read_photo(tmp_path / "a.PNG") == GRAY[..., None]).all()
    assert np.abs(read_photo(tmp_path / "b.jpg").astype(int) - SMOOTH).mean() < 8


def test_to_gray_and_to_rgb_take_every_layout_of_a_frame():
    assert (to_gray(GRAY) == GRAY).all() and (to_gray(GRAY[..., None]) == GRAY).all()
    assert np.abs(to_gray(RGB) - RGB @ [0.299, 0.587, 0.114]).max() <= 1
    assert (to_gray(RGBA) == to_gray(RGB)).all() and (to_rgb(RGBA) == RGB).all()
    assert (to_rgb(GRAY) == GRAY[..., None]).all()


@pytest.mark.parametrize(
    "frame, message",
    [
        ([[1, 2]], r"got \[\[1, 2\]\]"), ("me.jpg", "as read_photo returns it, got 'me.jpg'"),
        (RGB / 255, r"got float64 \(12, 17, 3\)"), (RGB[..., :2], r"got uint8 \(12, 17, 2\)"),
        (RGB[0, 0], r"got uint8 \(3,\)"),
    ],
)  # fmt: skip
def test_to_rgb_names_what_is_no_frame(frame, message):
    with pytest.raises(InputError, match=message):
        to_rgb(frame)


# A folder of photos


def test_find_photos_by_ending_and_counts_the_rest(tmp_path):
    photos = ["a.jpg", "b/c.PNG", "b/d/e.tif", "h.webp"]
    others = ["notes.txt", "labels.csv", "more.CSV", "b/text", "._a.jpg", ".hidden/m.jpg", "out/a.jpg"]
    for name in [*photos, *others]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "b" / "round").symlink_to(tmp_path)
    with pytest.warns(UserWarning, match=r"left out 4 files that are no photos \(\.csv, \.txt, no ending\)"):
        found = find_photos(tmp_path, skip=tmp_path / "out")
    assert [path.relative_to(tmp_path).as_posix() for path in found] == photos
    assert find_photos(tmp_path / "out", skip=tmp_path / "out")


@pytest.mark.parametrize("name", ["", "missing"])
def test_find_photos_names_a_folder_without_photos(tmp_path, name):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(InputError, match=r"no photo in this folder, expected files ending in \.jpg"):
        find_photos(tmp_path / name)
