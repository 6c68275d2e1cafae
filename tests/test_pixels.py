import io
import os
import struct
import zlib
from pathlib import Path

import imagehash
import numpy as np
import pytest
from make_images import image_bytes, make_image
from PIL import Image, ImageOps, TiffImagePlugin

from hai_core import pixels
from hai_core.pixels import UnreadableImage, decode, measure, open_image


def bits_apart(a: int, b: int) -> int:
    return ((a ^ b) & (2**64 - 1)).bit_count()


def reference_phash(image: Image.Image) -> int:
    return int(str(imagehash.phash(image)), 16)


def mean_difference(a: Image.Image, b: Image.Image) -> float:
    return float(np.abs(np.asarray(a, np.float64) - np.asarray(b, np.float64)).mean())


PHOTO = make_image(1)
GREY = PHOTO.convert("L")


@pytest.mark.parametrize(("image", "format", "expected"), [
    (PHOTO, "JPEG", PHOTO),
    (PHOTO, "PNG", PHOTO),
    (PHOTO, "WEBP", PHOTO),
    (PHOTO, "BMP", PHOTO),
    (PHOTO, "TIFF", PHOTO),
    (PHOTO, "GIF", PHOTO),
    (PHOTO, "AVIF", PHOTO),
    (PHOTO.convert("CMYK"), "JPEG", PHOTO),
    (PHOTO.convert("CMYK"), "TIFF", PHOTO),
    (PHOTO.quantize(128), "PNG", PHOTO.quantize(128).convert("RGB")),
    (PHOTO.quantize(128), "BMP", PHOTO.quantize(128).convert("RGB")),
    (GREY, "JPEG", GREY.convert("RGB")),
    (GREY, "PNG", GREY.convert("RGB")),
    (Image.fromarray(np.asarray(GREY, np.uint16) * 257), "PNG", GREY.convert("RGB")),
    (Image.fromarray(np.asarray(GREY, np.uint16) * 257), "TIFF", GREY.convert("RGB")),
    (Image.fromarray(np.asarray(GREY, np.int32) * 257), "TIFF", GREY.convert("RGB")),
    (Image.fromarray(np.asarray(GREY, np.float32) / 255), "TIFF", GREY.convert("RGB")),
    (GREY.convert("1"), "PNG", GREY.convert("1").convert("RGB")),
    (GREY.convert("1"), "TIFF", GREY.convert("1").convert("RGB")),
    (GREY.convert("LA"), "PNG", GREY.convert("RGB")),
    (PHOTO.convert("YCbCr"), "TIFF", PHOTO),
], ids=lambda value: value if isinstance(value, str) else f"{value.mode}")
def test_every_kind_of_image_looks_as_it_was_saved(image: Image.Image, format: str, expected: Image.Image) -> None:
    decoded = decode(image_bytes(image, format))
    assert decoded.image.mode == "RGB"
    assert (decoded.width, decoded.height) == image.size
    assert decoded.format == format
    assert mean_difference(decoded.image, expected) < 9
    assert mean_difference(ImageOps.mirror(decoded.image), expected) > 18  # the comparison can fail


def test_sixteen_bits_are_scaled_not_clipped() -> None:
    ramp = np.tile(np.linspace(0, 65535, 256).astype(np.uint16), (64, 1))
    for format in ("PNG", "TIFF"):
        levels = np.asarray(decode(image_bytes(Image.fromarray(ramp), format)).image)[0, :, 0]
        assert levels.tolist() == list(range(256))


@pytest.mark.parametrize("value", [np.nan, np.inf, -5, 0, 300])
def test_floats_with_nothing_in_them_are_images_too(value: float) -> None:
    values = np.full((20, 20), value, np.float32)
    assert np.asarray(decode(image_bytes(Image.fromarray(values), "TIFF")).image).max() == 0


def test_floats_of_any_range_keep_their_order() -> None:
    ramp = np.tile(np.linspace(-3000, 9000, 256, dtype=np.float32), (8, 1))
    assert np.asarray(decode(image_bytes(Image.fromarray(ramp), "TIFF")).image)[0, :, 0].tolist() == list(range(256))


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "PA-like", "RGB-key"])
def test_transparency_is_on_white(mode: str) -> None:
    red_or_grey = Image.new("RGBA", (40, 40), (90, 90, 90, 255))
    red_or_grey.paste((0, 0, 0, 0), (0, 0, 20, 40))
    if mode in ("RGBA", "LA"):
        data = image_bytes(red_or_grey.convert(mode), "PNG")
    elif mode == "P":
        data = image_bytes(red_or_grey.quantize(), "PNG")
    elif mode == "PA-like":
        data = image_bytes(red_or_grey, "GIF")
    else:
        data = image_bytes(red_or_grey.convert("RGB"), "PNG", transparency=(0, 0, 0))
    image = decode(data).image
    assert image.getpixel((5, 5)) == (255, 255, 255)
    assert image.getpixel((35, 5)) == (90, 90, 90)


def test_the_first_frame_of_an_animation() -> None:
    frames = [make_image(seed, (64, 48)) for seed in (1, 2)]
    for format in ("GIF", "WEBP", "PNG", "TIFF"):
        data = image_bytes(frames[0], format, save_all=True, append_images=frames[1:])
        image = decode(data).image
        assert mean_difference(image, frames[0]) < mean_difference(image, frames[1]) / 2


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied(format: str, orientation: int, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"tiffinfo": TiffImagePlugin.ImageFileDirectory_v2()} if format == "TIFF" else {"exif": exif}
    if format == "TIFF":
        options["tiffinfo"][0x0112] = orientation
    file = tmp_path / "photo"
    file.write_bytes(image_bytes(PHOTO, format, **options))
    with Image.open(file) as opened:
        expected = ImageOps.exif_transpose(opened).convert("RGB")
    assert open_image(file).tobytes() == expected.tobytes()
    assert decode(file.read_bytes()).width == (320 if orientation < 5 else 240)
    scaled = decode(file.read_bytes(), least_side=256)
    assert (scaled.width, scaled.height) == expected.size


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_damaged_metadata_says_nothing_against_the_pixels() -> None:
    plain = image_bytes(PHOTO)
    broken = b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + b"\xff" * 40
    data = plain[:2] + b"\xff\xe1" + struct.pack(">H", len(broken) + 2) + broken + plain[2:]
    assert decode(data).image.tobytes() == decode(plain).image.tobytes()


def test_hashes_of_small_images_are_imagehashs() -> None:
    for seed in range(20):
        image = make_image(seed, (95, 64))
        assert bits_apart(pixels.perceptual_hashes(np.asarray(image))[0], reference_phash(image)) == 0


def test_hashes_are_those_of_imagehash() -> None:
    for seed in range(20):
        exif = Image.Exif()
        exif[0x0112] = 1 + seed % 8
        data = image_bytes(make_image(seed, (300, 200)), exif=exif)
        with Image.open(io.BytesIO(data)) as opened:
            upright = ImageOps.exif_transpose(opened)
        columns, _ = measure(data)
        assert columns["decoded"] == "full"
        assert bits_apart(columns["phash"], reference_phash(upright)) <= 2
        assert bits_apart(columns["phash_mirror"], reference_phash(ImageOps.mirror(upright))) <= 2
        assert bits_apart(columns["phash"], columns["phash_mirror"]) > 10


def test_hashes_fit_signed_64_bits() -> None:
    hashes = [hash for seed in range(20) for hash in pixels.perceptual_hashes(np.asarray(make_image(seed)))]
    assert -(2**63) <= min(hashes) < 0
    assert np.array(hashes, np.int64).view(np.uint64).tolist() == [hash & (2**64 - 1) for hash in hashes]


@pytest.mark.parametrize(("size", "scale"), [((511, 700), "full"), ((512, 700), "scaled 1/2"), ((1100, 1500), "scaled 1/4"),
                                             ((2100, 2060), "scaled 1/8")])
def test_a_large_jpeg_is_decoded_small(size: tuple[int, int], scale: str) -> None:
    data = image_bytes(make_image(3, size))
    decoded = decode(data, least_side=256)
    assert (decoded.decoded, decoded.width, decoded.height) == (scale, *size)
    assert min(decoded.image.size) >= 256
    assert decode(data).image.size == size
    assert decode(image_bytes(make_image(3, (600, 520)), "PNG"), least_side=256).decoded == "full"


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}, {"quality": 30}], ids=str)
@pytest.mark.parametrize("least_side", [None, 256])
@pytest.mark.parametrize("size", [(601, 533), (1100, 1500), (90, 61)])
def test_the_fast_decoder_gives_the_pixels_that_pillow_gives(size: tuple[int, int], least_side: int | None,
                                                            options: dict[str, object]) -> None:
    data = image_bytes(make_image(8, size), **options)
    with Image.open(io.BytesIO(data)) as image:
        if least_side:
            image.draft(None, (least_side, least_side))
        assert pixels._jpeg_pixels(data, image, image.decoderconfig[0] if least_side and image.decoderconfig else 1) is not None
        np.testing.assert_array_equal(decode(data, least_side=least_side).pixels, np.asarray(image))


def hashes_of_measured_and_full(data: bytes) -> int:
    columns, _ = pixels.measure(data)
    assert columns["decoded"] != "full" or min(columns["width"], columns["height"]) < 512
    with Image.open(io.BytesIO(data)) as full:
        return bits_apart(columns["phash"], reference_phash(full))


@pytest.mark.shared
def test_measured_hashes_of_real_photos_are_those_of_full_decodes(cars98: Path) -> None:
    distances = []
    for file in sorted(cars98.glob("train/*/*.jpg"))[::33]:
        image = open_image(file)
        for short in (300, 530):
            factor = short / min(image.size)
            enlarged = image.resize((round(image.width * factor), round(image.height * factor)), Image.Resampling.BICUBIC)
            distances.append(hashes_of_measured_and_full(image_bytes(enlarged)))
    assert len(distances) >= 196
    assert np.mean(np.array(distances) <= 2) >= 0.99


def test_pixel_hash_is_of_the_pixels() -> None:
    plain = decode(image_bytes(PHOTO))
    with_comment = decode(image_bytes(PHOTO, comment=b"another file, the same pixels"))
    as_png = decode(image_bytes(plain.image, "PNG"))
    other = decode(image_bytes(PHOTO, quality=89))
    turned = Image.frombytes("RGB", (240, 320), plain.image.tobytes())
    assert pixels.pixel_hash(plain) == pixels.pixel_hash(with_comment) == pixels.pixel_hash(as_png)
    assert pixels.pixel_hash(plain) != pixels.pixel_hash(other)
    assert pixels.pixel_hash(plain) != pixels.pixel_hash(decode(image_bytes(turned, "PNG")))


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_rows": 1}], ids=str)
@pytest.mark.parametrize("least_side", [None, 256])
def test_a_jpeg_cut_anywhere_is_unreadable(options: dict[str, object], least_side: int | None) -> None:
    data = image_bytes(make_image(2, (560, 520)), **options)
    decode(data, least_side=least_side)
    for end in (3, 100, 700, len(data) // 3, len(data) // 2, len(data) - 500, len(data) - 20, len(data) - 2, len(data) - 1):
        with pytest.raises(UnreadableImage):
            decode(data[:end], least_side=least_side)
    with pytest.raises(UnreadableImage, match="cut short"):
        decode(data[:len(data) // 2], least_side=least_side)


@pytest.mark.parametrize("format", ["PNG", "WEBP", "GIF", "TIFF", "BMP"])
def test_other_formats_cut_in_the_middle_are_unreadable(format: str) -> None:
    data = image_bytes(PHOTO, format)
    with pytest.raises(UnreadableImage):
        decode(data[:len(data) // 2])


def png_that_claims(width: int, height: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")


@pytest.mark.parametrize(("data", "reason"), [
    (b"", "empty"),
    (b"not an image\n", "known format"),
    (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "known format"),
    (b"\xff\xd8\xff", "."),
    (png_that_claims(60_000, 60_000), "too many pixels"),
    (image_bytes(PHOTO, "PNG")[:60] + b"\0" * 4000, "."),
], ids=["empty", "text", "eps", "three bytes", "bomb", "zeros"])
def test_what_is_no_image_is_unreadable_with_a_reason(data: bytes, reason: str) -> None:
    with pytest.raises(UnreadableImage, match=reason):
        decode(data)


def test_any_exception_of_pillow_is_an_unreadable_image(monkeypatch: pytest.MonkeyPatch) -> None:
    def explode(*args: object) -> None:
        raise RecursionError("tag 7 holds itself")

    data = image_bytes(PHOTO, "PNG")
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", explode)
    with pytest.raises(UnreadableImage, match=r"tag 7 holds itself \(RecursionError\)"):
        decode(data)


def test_a_bug_of_ours_propagates(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(image_bytes(PHOTO))
    (tmp_path / "b.tif").write_bytes(image_bytes(Image.fromarray(np.ones((9, 9), np.float32)), "TIFF"))
    for name, file in (("laplacian_deviation", "a.jpg"), ("_eight_bit", "b.tif")):
        assert pixels.examine(str(tmp_path / file)).reason == ""
        with monkeypatch.context() as patch:
            patch.setattr(pixels, name, lambda value: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                pixels.examine(str(tmp_path / file))


@pytest.mark.filterwarnings("ignore")
def test_random_damage_has_an_outcome() -> None:
    rng = np.random.default_rng(0)
    small = make_image(1, (64, 48))
    outcomes = []
    for format in ("JPEG", "PNG", "TIFF", "GIF", "WEBP", "BMP"):
        whole = image_bytes(small, format)
        for _ in range(40):
            data = bytearray(whole)
            for place in rng.integers(0, len(data), 8):
                data[place] = rng.integers(0, 256)
            try:
                measure(bytes(data))
                outcomes.append("read")
            except UnreadableImage:
                outcomes.append("unreadable")
    assert set(outcomes) == {"read", "unreadable"}


def test_files_that_cannot_be_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnreadableImage, match="not found"):
        open_image(tmp_path / "none.jpg")
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(UnreadableImage, match="not a regular file"):
        open_image(tmp_path / "pipe.jpg")
    with open(tmp_path / "vast.jpg", "wb") as handle:
        handle.truncate(pixels.MAX_BYTES + 1)
    with pytest.raises(UnreadableImage, match="too large"):
        open_image(tmp_path / "vast.jpg")


def test_measures_of_known_images() -> None:
    black, white = (measure(image_bytes(Image.new("RGB", (300, 200), colour), "PNG"))[0] for colour in ("black", "white"))
    assert (black["brightness"], black["luma_p95"], black["entropy"], black["sharpness"]) == (0, 0, 0, 0)
    assert (white["brightness"], white["luma_p05"]) == (1, 1)
    halves = Image.new("L", (256, 256), 0)
    halves.paste(255, (128, 0, 256, 256))
    columns = measure(image_bytes(halves, "PNG"))[0]
    assert columns["brightness"] == pytest.approx(0.5)
    assert columns["contrast"] == pytest.approx(0.5)
    assert columns["entropy"] == pytest.approx(1)
    assert columns["colorfulness"] == 0
    assert measure(image_bytes(Image.new("RGB", (64, 64), (255, 0, 0)), "PNG"))[0]["colorfulness"] == 1


def test_laplacian_is_that_of_the_definition() -> None:
    luma = np.random.default_rng(0).random((7, 9)).astype(np.float32)
    slow = [luma[y - 1, x] + luma[y + 1, x] + luma[y, x - 1] + luma[y, x + 1] - 4 * luma[y, x]
            for y in range(1, 6) for x in range(1, 8)]
    assert pixels.laplacian_deviation(luma) == pytest.approx(np.std(slow), rel=1e-5)
    assert pixels.laplacian_deviation(luma[:2]) == 0


def test_weights_are_worked_out_for_short_lines_only_however_long_the_image(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    real = pixels._lanczos
    monkeypatch.setattr(pixels, "_lanczos", lambda size: sizes.append(size) or real(size))
    columns, _ = measure(image_bytes(Image.new("RGB", (60_000, 2), (9, 90, 200)), "PNG"))
    assert (columns["width"], columns["height"]) == (60_000, 2)
    assert max(sizes) < pixels.HASHED_SIDE


def test_sharpness_does_not_depend_on_the_size_of_the_file() -> None:
    photo = make_image(4, (1200, 900))
    large, small = (measure(image_bytes(photo.resize(size), "PNG"))[0]["sharpness"] for size in ((1200, 900), (400, 300)))
    blurred = measure(image_bytes(photo.resize((30, 22)).resize((1200, 900)), "PNG"))[0]["sharpness"]
    assert large == pytest.approx(small, rel=0.15)
    assert blurred < large / 3


@pytest.mark.parametrize(("size", "expected"), [((1200, 600), (256, 128)), ((100, 80), (100, 80)), ((5, 3000), (1, 256)),
                                                ((1, 1), (1, 1))])
def test_thumbnails_are_jpegs_of_256_pixels(size: tuple[int, int], expected: tuple[int, int]) -> None:
    columns, jpeg = measure(image_bytes(make_image(5, size), "PNG"))
    with Image.open(io.BytesIO(jpeg)) as thumbnail:
        assert (thumbnail.format, thumbnail.size) == ("JPEG", expected)
    assert (columns["width"], columns["height"]) == size
