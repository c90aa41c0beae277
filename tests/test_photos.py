"""Photos in and out: what cameras, phones and editors write."""

import errno
import io

import cv2
import numpy as np
import pytest
from PIL import Image

from fkd_helpers.core.errors import InputError
from fkd_helpers.faces import decode, images
from fkd_helpers.faces.images import find_photos, read_photo, read_scaled, to_gray, to_rgb, write_photo

RGB = np.random.default_rng(0).integers(0, 256, (12, 17, 3), np.uint8)
GRAY = RGB[..., 0]
RGBA = np.dstack([RGB, np.full((12, 17), 255, np.uint8)])


def file_of(image, kind="PNG", **options):
    stream = io.BytesIO()
    (Image.fromarray(image) if isinstance(image, np.ndarray) else image).save(stream, kind, **options)
    return stream.getvalue()


def deep_file(values, ending=".png"):
    return cv2.imencode(ending, values[..., ::-1] if values.ndim == 3 else values)[1].tobytes()


# Reading


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM"])
def test_read_photo_returns_lossless_files_as_they_were(kind):
    assert (read_photo(file_of(RGB, kind)) == RGB).all()
    gray = read_photo(file_of(GRAY, kind))
    assert gray.shape == (12, 17, 3) and gray.dtype == np.uint8 and (gray == GRAY[..., None]).all()


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "AVIF", "JPEG2000", "GIF"])
def test_read_photo_reads_lossy_files(kind):
    smooth = cv2.resize(RGB, (170, 120), interpolation=cv2.INTER_CUBIC)
    assert np.abs(read_photo(file_of(smooth, kind)).astype(int) - smooth).mean() < 20


def test_read_photo_lays_transparency_over_white():
    assert (read_photo(file_of(RGBA)) == RGB).all()
    half = RGBA.copy()
    half[:6, :, 3] = 0
    laid = read_photo(file_of(half))
    assert (laid[:6] == 255).all() and (laid[6:] == RGB[6:]).all()
    assert (read_photo(file_of(Image.new("LA", (4, 4), (0, 128)))) == 127).all()
    palette = Image.new("P", (8, 8), 0)
    palette.putpalette([200, 10, 20, 30, 40, 50])
    palette.paste(1, (0, 0, 4, 8))
    assert (read_photo(file_of(palette))[0, [0, 7]] == [[30, 40, 50], [200, 10, 20]]).all()
    assert (read_photo(file_of(palette, transparency=0))[0, 7] == 255).all()


@pytest.mark.parametrize("values", [GRAY, RGB, RGBA], ids=["gray", "rgb", "rgba"])
@pytest.mark.parametrize("bits", [10, 12, 16])
@pytest.mark.parametrize("ending", [".png", ".tiff"])
def test_read_photo_takes_the_range_of_deep_files_from_their_largest_value(values, bits, ending):
    deep = (values.astype(np.float64) / 255 * (2**bits - 1)).round().astype(np.uint16)
    if values.ndim == 3 and values.shape[2] == 4:
        encoded = cv2.imencode(ending, deep[..., [2, 1, 0, 3]])[1].tobytes()
    else:
        encoded = deep_file(deep, ending)
    expected = values[..., :3] if values.ndim == 3 else values[..., None]
    assert np.abs(read_photo(encoded).astype(int) - expected).max() <= 1


@pytest.mark.parametrize("shape", [(12, 17), (12, 17, 3)])
@pytest.mark.parametrize("top", [1.0, 255.0])
def test_read_photo_reads_floats_of_0_to_1_or_255_and_takes_gaps_for_black(shape, top):
    values = np.full(shape, 0.4 * top, np.float32)
    values[0, 0], values[1, 1], values[2, 2] = np.nan, np.inf, top
    frame = read_photo(deep_file(values, ".tiff"))
    assert frame[5, 5, 0] == 102 and frame[2, 2, 0] == 255 and frame[0, 0, 0] == frame[1, 1, 0] == 0


@pytest.mark.parametrize(
    "orientation, stored",
    [
        (1, RGB), (2, RGB[:, ::-1]), (3, RGB[::-1, ::-1]), (4, RGB[::-1]), (5, RGB.swapaxes(0, 1)),
        (6, np.rot90(RGB)), (7, np.rot90(RGB, 2).swapaxes(0, 1)), (8, np.rot90(RGB, -1)),
    ],
)  # fmt: skip
def test_read_photo_undoes_a_cameras_rotation(orientation, stored):
    exif = Image.Exif()
    exif[decode.ORIENTATION] = orientation
    assert np.array_equal(read_photo(file_of(np.ascontiguousarray(stored), exif=exif)), RGB)


@pytest.mark.parametrize("kind, mode", [("JPEG", "RGB"), ("JPEG", "L"), ("PNG", "RGB"), ("PNG", "P"), ("TIFF", "I;16")])
@pytest.mark.parametrize("limit, scale", [(40_000, 1), (39_999, 1 / 2), (9_999, 1 / 4)])
def test_read_scaled_decodes_large_photos_smaller(monkeypatch, kind, mode, limit, scale):
    monkeypatch.setattr(decode, "MAX_PIXELS", limit)
    x = np.arange(200)
    spot = (255 * np.exp(-((x - 120.0) ** 2 + (x[:, None] - 40.0) ** 2) / 200)).astype(np.uint8)
    picture = Image.fromarray(spot.astype(np.uint16) * 257) if mode == "I;16" else Image.fromarray(spot).convert(mode)
    frame, found = read_scaled(file_of(picture, kind))
    assert found == scale and frame.shape == (200 * scale, 200 * scale, 3)
    weight = frame[..., 0].astype(float) * (frame[..., 0] > 40)
    row, column = ((np.indices(weight.shape) * weight).sum((1, 2)) / weight.sum() + 0.5) / scale - 0.5
    assert abs(column - 120) < 0.5 and abs(row - 40) < 0.5  # the point x is (x + 0.5) / scale - 0.5 of the photo


def test_read_photo_refuses_more_than_200_megapixels():
    with pytest.raises(InputError, match="20000x10001 pixels, expected at most 200 megapixels"):
        read_photo(file_of(Image.new("1", (20_000, 10_001))))
    assert read_photo(file_of(RGB[:1, :1])).shape == (1, 1, 3)


@pytest.mark.filterwarnings("ignore:::PIL")
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF"])
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
        ("cut.jpg", "damaged or cut off"), ("text.png", "not an image"), ("empty.png", "not an image"),
        ("none.png", "no such file"), ("", "is a directory"), ("text.png/a.png", "not a directory"),
        ("phone.HEIC", r"not an image .*fkd-helpers\[heic\]"),
    ],
)  # fmt: skip
def test_read_photo_names_what_cannot_be_read(tmp_path, monkeypatch, name, message):
    monkeypatch.setattr(decode, "HAS_HEIF", False)
    (tmp_path / "cut.jpg").write_bytes(file_of(np.repeat(RGB, 20, 0), "JPEG")[:-400])
    (tmp_path / "text.png").write_text("not a picture")
    (tmp_path / "phone.HEIC").write_bytes(b"\0\0\0\x18ftypheic" + bytes(100))
    (tmp_path / "empty.png").touch()
    with pytest.raises(InputError, match=message) as caught:
        read_photo(tmp_path / name)
    assert str(tmp_path / name) in str(caught.value)


def test_read_photo_reads_heic_with_the_extra():
    pillow_heif = pytest.importorskip("pillow_heif", reason="the extra [heic]")
    smooth = cv2.resize(RGB, (170, 120), interpolation=cv2.INTER_CUBIC)
    stream = io.BytesIO()
    pillow_heif.from_pillow(Image.fromarray(smooth)).save(stream)
    assert np.abs(read_photo(stream.getvalue()).astype(int) - smooth).mean() < 20
    assert ".heic" in images.SUFFIXES


# Writing


def test_write_photo_is_read_again(tmp_path):
    write_photo(tmp_path / "a.png", RGB)
    write_photo(tmp_path / "b.PNG", GRAY)
    assert (read_photo(tmp_path / "a.png") == RGB).all() and (read_photo(tmp_path / "b.PNG")[..., 0] == GRAY).all()
    write_photo(tmp_path / "c.jpg", RGB)
    assert (tmp_path / "c.jpg").read_bytes()[:2] == b"\xff\xd8"


@pytest.mark.parametrize("name", ["a.psd", "a.xyz", "a", "none/a.png", "text.txt/a.png"])
def test_write_photo_names_where_nothing_can_be_written(tmp_path, name):
    (tmp_path / "text.txt").write_text("a file and no folder")
    with pytest.raises(InputError, match=r"expected a name ending in|cannot be written"):
        write_photo(tmp_path / name, RGB)
    assert [file.name for file in tmp_path.iterdir()] == ["text.txt"]


# Frames


def test_to_gray_and_to_rgb_take_every_layout_of_a_frame():
    assert to_gray(GRAY) is GRAY and (to_gray(GRAY[..., None]) == GRAY).all()
    assert np.abs(to_gray(RGB) - RGB @ [0.299, 0.587, 0.114]).max() <= 1
    assert (to_gray(RGBA) == to_gray(RGB)).all() and (to_rgb(RGBA) == RGB).all()
    assert (to_rgb(GRAY) == GRAY[..., None]).all()
    for mode in ("P", "CMYK", "L"):
        assert to_rgb(Image.fromarray(RGB).convert(mode)).shape == (12, 17, 3)


@pytest.mark.parametrize(
    "frame, message",
    [
        (None, "got None"), ([[1, 2]], r"got \[\[1, 2\]\]"),
        ("me.jpg", "got the text 'me.jpg': read_photo reads a file"),
        (RGB / 255, "expected uint8, got float64"), (RGB[..., :2], r"got \(12, 17, 2\)"), (RGB[0, 0], r"got \(3,\)"),
    ],
)  # fmt: skip
def test_to_rgb_names_what_is_no_frame(frame, message):
    for convert in (to_gray, to_rgb):
        with pytest.raises(InputError, match=message):
            convert(frame)


# A folder of photos


def test_find_photos_by_ending_or_content_and_counts_the_rest(tmp_path, monkeypatch):
    monkeypatch.setattr(images, "SUFFIXES", tuple(set(images.SUFFIXES) - set(decode.HEIC)))
    photos = ["a.jpg", "b/c.PNG", "b/d/e.tif", "b/f.jfif", "b/g.avif", "b/no ending", "h.webp", "i.JPE", "j.pgm"]
    others = ["notes.txt", "labels.csv", "more.CSV", "b/text", "l.HEIC", "._a.jpg", ".hidden/m.txt", ".DS_Store"]
    for name in [*photos, *others]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "b" / "no ending").write_bytes(file_of(RGB, "JPEG"))
    (tmp_path / "b" / "round").symlink_to(tmp_path)
    found = find_photos(tmp_path)
    assert [path.relative_to(tmp_path).as_posix() for path in found.found] == photos
    assert found.left_out == {".csv": 2, ".txt": 1, "no ending": 1, ".heic": 1}
    assert "left out 5 files that are no photos: 2 " in found.left_out_line()
    assert "pip install 'fkd-helpers[heic]'" in found.left_out_line()


def test_find_photos_names_a_folder_without_photos(tmp_path):
    with pytest.raises(InputError, match=r"no photo in this folder \(it is empty\), expected files ending in \.jpg"):
        find_photos(tmp_path)
    (tmp_path / "notes.txt").touch()
    for path, message in [(tmp_path, "left out 1 files"), (tmp_path / "notes.txt", r"notes\.txt: cannot be read")]:
        with pytest.raises(InputError, match=message):
            find_photos(path)


def test_find_photos_warns_of_a_subfolder_that_cannot_be_read(tmp_path, monkeypatch):
    (tmp_path / "shut").mkdir()
    (tmp_path / "a.jpg").touch()
    scandir = images.os.scandir

    def refuse(folder):
        if str(folder).endswith("shut"):
            raise PermissionError(errno.EACCES, "Permission denied", str(folder))
        return scandir(folder)

    monkeypatch.setattr(images.os, "scandir", refuse)
    with pytest.warns(UserWarning, match=r"left out: .*shut: cannot be read \(Permission denied\)"):
        assert [path.name for path in find_photos(tmp_path).found] == ["a.jpg"]
