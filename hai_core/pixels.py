"""One image file -> oriented RGB pixels, and what the catalog measures on them.

The only module that knows about CMYK, 16-bit, palette, transparency and EXIF orientation. Pillow is allowed to fail in any
way on a hostile file: that is an `UnreadableImage` with a reason. What follows the decoding is our own code, and its errors
are bugs that propagate.
"""

from __future__ import annotations

import hashlib
import io
import os
import stat
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import PIL
import simplejpeg
import xxhash
from PIL import Image, UnidentifiedImageError, features

# Changing what a measured column means, or how pixels are decoded, needs a new first number: old catalogs are then rebuilt.
VERSION = (f"3 Pillow {PIL.__version__} jpeg {features.version('libjpeg_turbo') or features.version('jpg')} "
           f"simplejpeg {simplejpeg.__version__} OpenCV {cv2.__version__}")

# By content, whatever the suffix says; MPO counts as JPEG. EPS and the like start other programs and are not on the list.
FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "BMP", "DIB", "TIFF", "GIF")
Image.init()  # without it Pillow has only its commonest readers, and those named above must all be there
# Memory that Pillow keeps, at most 128 MiB: getting it anew for every image takes longer than hashing the pixels.
Image.core.set_blocks_max(8)  # type: ignore[attr-defined]
cv2.setNumThreads(1)  # there is a process for each core already
SCALED_SIDE = 256  # a scaled decode keeps at least this short side, in pixels
THUMBNAIL_SIDE = 256  # long side of a thumbnail
MEASURED_SIDE = 128  # short side at which sharpness and tones are measured; smaller images are measured as they are
HASHED_SIDE = 2 * 3 * 32  # a side of so many pixels is halved before the perceptual hash is taken
MAX_BYTES = 2 << 30  # larger than the file of any image within Pillow's pixel limit

_TURNS = {2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
          5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE,
          8: Image.Transpose.ROTATE_90}
_ON_ITS_SIDE = (_TURNS[5], _TURNS[6], _TURNS[7], _TURNS[8])
warnings.filterwarnings("ignore", module=r"PIL\.")  # about odd metadata, or images that are large but within the limit


Pixels = npt.NDArray[np.uint8]  # (H, W, 3), RGB


class UnreadableImage(Exception):
    """The file cannot be used as an image; the text says why in plain words."""


@dataclass(frozen=True)
class Decoded:
    """An image as it should be looked at: RGB, turned upright, transparency on white."""

    pixels: Pixels
    width: int  # of the full image, upright
    height: int
    format: str
    mode: str  # as stored
    decoded: str  # 'full' or 'scaled 1/2', 'scaled 1/4', 'scaled 1/8'

    @property
    def image(self) -> Image.Image:
        return Image.fromarray(self.pixels)


def read_bytes(path: Path | str) -> bytes:
    """The bytes of an image file. Raises UnreadableImage, also for pipes and devices (reading those could hang)."""
    try:
        found = os.stat(path)
        if not stat.S_ISREG(found.st_mode):
            raise UnreadableImage("not a regular file")
        if found.st_size > MAX_BYTES:
            raise UnreadableImage(f"the file is too large: {found.st_size / 2**30:.1f} GiB")
        with open(path, "rb") as handle:
            return handle.read()
    except OSError as error:
        raise UnreadableImage(os_reason(error)) from error


def os_reason(error: OSError) -> str:
    """Why a file could not be opened, in plain words."""
    if isinstance(error, FileNotFoundError):
        return "file not found"
    return f"cannot be opened: {(error.strerror or str(error)).lower()}"


def open_image(path: Path | str) -> Image.Image:
    """The image at full size, RGB, turned upright. Raises UnreadableImage."""
    return decode(read_bytes(path)).image


def decode(data: bytes, *, least_side: int | None = None) -> Decoded:
    """Decode an image file's bytes.

    With `least_side`, JPEGs are decoded at 1/2, 1/4 or 1/8 where the short side stays at that many pixels or more; that is
    several times faster. At 256 px it changes a perceptual hash by at most 2 bits for 99 % of photos. Raises UnreadableImage.
    """
    if not data:
        raise UnreadableImage("the file is empty")
    with _pillow(), Image.open(io.BytesIO(data), formats=FORMATS) as image:
        (width, height), mode, scale = image.size, image.mode, 1
        if least_side and image.format in ("JPEG", "MPO") and image.draft(None, (least_side, least_side)):
            scale = image.decoderconfig[0]
        pixels = _jpeg_pixels(data, image, scale)
        if pixels is None:
            image.load()
        turn = _TURNS.get(_orientation(image))
        if image.format == "TIFF":  # Pillow has turned it, and forgotten that it had to
            width, height = image.size
        elif turn in _ON_ITS_SIDE:
            width, height = height, width
    if pixels is None:
        deep = image.mode.startswith(("I", "F"))
        eight_bit: Image.Image = _eight_bit(image) if deep else image
        with _pillow():
            pixels = np.asarray(_rgb(eight_bit))
    if turn is not None:
        pixels = np.asarray(Image.fromarray(pixels).transpose(turn))
    return Decoded(pixels, width, height, str(image.format), mode, f"scaled 1/{scale}" if scale > 1 else "full")


def _jpeg_pixels(data: bytes, image: Image.Image, scale: int) -> Pixels | None:
    """What Pillow would decode of an ordinary JPEG, in five sixths of the time; None where the verdict is Pillow's."""
    if image.format not in ("JPEG", "MPO") or image.mode != "RGB":
        return None
    width, height = image.size
    try:
        pixels: Pixels = simplejpeg.decode_jpeg(data, "RGB", min_height=height, min_width=width, min_factor=scale)
    except ValueError:
        return None
    return pixels if pixels.shape == (height, width, 3) else None


@contextmanager
def _pillow() -> Iterator[None]:
    """For calls to Pillow and nothing else: its readers raise nearly anything on a broken file."""
    try:
        yield
    except UnidentifiedImageError as error:
        raise UnreadableImage("not an image in a known format") from error
    except Image.DecompressionBombError as error:
        raise UnreadableImage(f"too many pixels (decompression bomb?): {error}") from error
    except Exception as error:
        text = str(error) or type(error).__name__
        if "truncated" in text.lower():
            raise UnreadableImage(f"the file is cut short: {text}") from error
        raise UnreadableImage(f"cannot be decoded: {text} ({type(error).__name__})") from error


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 .. 8; 1 when the metadata is damaged: that says nothing against the pixels."""
    try:
        value = image.getexif().get(0x0112, 1)
    except Exception:  # parsing hostile metadata raises struct.error, SyntaxError, KeyError, ...
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _rgb(image: Image.Image) -> Image.Image:
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        white.alpha_composite(image.convert("RGBA"))
        image = white
    return image if image.mode == "RGB" else image.convert("RGB")


def _eight_bit(image: Image.Image) -> Image.Image:
    """Grey images of more than 8 bits, scaled by the range of their kind: 0..65535, else 0..1 or 0..255, else their own."""
    values = np.nan_to_num(np.asarray(image, dtype=np.float32), posinf=0.0, neginf=0.0)
    low, high = float(values.min()), float(values.max())
    if image.mode.startswith("I;16") or (image.mode == "I" and low >= 0 and 255 < high <= 65535):
        low, high = 0.0, 65535.0
    elif low >= 0 and high <= 255:
        low, high = 0.0, 1.0 if image.mode == "F" and high <= 1 else 255.0
    values -= low  # in place: such an image may have 10^8 pixels
    values *= 255.0 / (high - low) if high > low else 0.0
    return Image.fromarray(np.clip(np.rint(values, out=values), 0, 255, out=values).astype(np.uint8))


def measure(data: bytes) -> tuple[dict[str, Any], bytes]:
    """The columns of ImageRecord that come from the pixels, and the thumbnail's JPEG bytes. One decode.

    Raises UnreadableImage.
    """
    decoded = decode(data, least_side=SCALED_SIDE)
    halved = _halved(decoded.pixels)
    small = thumbnail(halved)
    phash, phash_mirror = perceptual_hashes(halved)
    columns = {"pixel_hash": pixel_hash(decoded), "phash": phash, "phash_mirror": phash_mirror, "width": decoded.width,
               "height": decoded.height, "format": decoded.format, "mode": decoded.mode, "decoded": decoded.decoded}
    return columns | tones(small), simplejpeg.encode_jpeg(small, 85, "RGB", "420")


def _halved(pixels: Pixels) -> Pixels:
    """Halved, once for all that follows, as often as thumbnail and tones allow. Bilinear halving is the mean of four pixels."""
    height, width = pixels.shape[:2]
    while min(height, width) >= 2 * MEASURED_SIDE and max(height, width) >= 2 * THUMBNAIL_SIDE:
        height, width = height // 2, width // 2
        pixels = _resized(pixels, width, height)
    return pixels


def _resized(pixels: npt.NDArray[np.uint8], width: int, height: int) -> npt.NDArray[np.uint8]:
    return np.asarray(cv2.resize(pixels, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)


def thumbnail(pixels: Pixels) -> Pixels:
    """The image with a long side of 256 px, or as it is where it is smaller."""
    height, width = pixels.shape[:2]
    long = max(height, width)
    while long > THUMBNAIL_SIDE:
        shrink = max(THUMBNAIL_SIDE / long, 0.5)
        pixels = _resized(pixels, max(1, round(pixels.shape[1] * shrink)), max(1, round(pixels.shape[0] * shrink)))
        long = max(pixels.shape[:2])
    return np.ascontiguousarray(pixels)


def pixel_hash(decoded: Decoded) -> str:
    """XXH3 (128 bits, hex) of the full size, how it was decoded, and the pixels."""
    state = xxhash.xxh3_128(f"{decoded.width}x{decoded.height} {decoded.decoded} ".encode())
    state.update(np.ascontiguousarray(decoded.pixels).data)
    return state.hexdigest()


def perceptual_hashes(pixels: Pixels) -> tuple[int, int]:
    """imagehash.phash of the image and of its mirror image, as signed 64-bit integers (view as uint64 for distances).

    Mirroring negates the odd columns of the cosine transform, so that the second hash costs no second resize. Large images
    are first halved, each side for itself, to three times 32 px or more: that changes at most 2 bits for 99 % of photos.
    """
    grey = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), np.uint8)
    while max(grey.shape) >= HASHED_SIDE:
        height, width = (side // 2 if side >= HASHED_SIDE else side for side in grey.shape)
        grey = _resized(grey, width, height)
    grey = grey.astype(np.float32)
    across = _eight_bits(grey @ _lanczos(grey.shape[1]).T)
    small = _eight_bits(_lanczos(grey.shape[0]) @ across)
    low = _COSINES @ small @ _COSINES.T
    mirrored = low * np.where(np.arange(8) % 2, -1.0, 1.0)
    return _bits(low), _bits(mirrored)


def _eight_bits(grey: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Rounded and cut off, as Pillow does after each of its two passes."""
    return np.asarray(np.clip(np.rint(grey), 0, 255), np.float32)


@lru_cache(HASHED_SIDE)
def _lanczos(size: int) -> npt.NDArray[np.float32]:
    """Pillow's Lanczos weights (32, size) from a line of pixels to 32. Pillow works them out for every image, which takes four
    times as long as applying them.
    """
    scale = size / 32
    offset = (np.arange(size) + 0.5 - (np.arange(32)[:, None] + 0.5) * scale) / max(scale, 1.0)
    weights = np.where(np.abs(offset) < 3, np.sinc(offset) * np.sinc(offset / 3), 0.0)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), np.float32)


# Rows 0 .. 7 of the cosine transform (DCT-II) of 32 values, as scipy.fftpack.dct scales it.
_COSINES = 2 * np.cos(np.pi * np.arange(8)[:, None] * (2 * np.arange(32) + 1) / 64)


def _bits(coefficients: npt.NDArray[np.float64]) -> int:
    bits = np.packbits(coefficients > np.median(coefficients))
    return int.from_bytes(bits.tobytes(), "big", signed=True)


def tones(pixels: Pixels) -> dict[str, float]:
    """Brightness, spread, entropy, sharpness and colourfulness, measured at a short side of 128 px (never enlarged)."""
    height, width = pixels.shape[:2]
    shrink = min(1.0, MEASURED_SIDE / min(height, width))
    if shrink < 1:
        pixels = _resized(pixels, max(1, round(width * shrink)), max(1, round(height * shrink)))
    grey = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), np.uint8)
    shares = np.asarray(cv2.calcHist([grey], [0], None, [256], [0, 256])[:, 0], np.float64) / grey.size
    cumulative, levels = np.cumsum(shares), np.arange(256) / 255
    brightness = float(shares @ levels)
    present: npt.NDArray[np.float64] = shares[shares > 0]
    red, green, blue = cv2.split(pixels)
    chroma = cv2.subtract(cv2.max(cv2.max(red, green), blue), cv2.min(cv2.min(red, green), blue))
    return {
        "brightness": brightness,
        "luma_p05": float(levels[np.searchsorted(cumulative, 0.05)]),
        "luma_p95": float(levels[np.searchsorted(cumulative, 0.95)]),
        "contrast": float(shares @ (levels - brightness) ** 2) ** 0.5,
        "entropy": float(max(0.0, -(present * np.log2(present)).sum())),
        "sharpness": laplacian_deviation(grey.astype(np.float32) / 255),
        "colorfulness": cv2.mean(chroma)[0] / 255,
    }


def laplacian_deviation(luma: npt.NDArray[np.floating[Any]]) -> float:
    """Standard deviation of the 4-neighbour Laplacian (Pech-Pacheco et al., 2000) of luma 0 .. 1 (H, W); 0 below 3 x 3."""
    if min(luma.shape) < 3:
        return 0.0
    return float(cv2.meanStdDev(cv2.Laplacian(luma, cv2.CV_32F)[1:-1, 1:-1])[1][0, 0])


@dataclass(frozen=True)
class Outcome:
    """What reading one file came to. `reason` is '' for an image; `columns` and `thumbnail` are empty when unreadable."""

    reason: str
    sha256: str
    columns: dict[str, Any]
    thumbnail: bytes


def examine(path: str) -> Outcome:
    """Read a file once: hash its bytes, decode and measure it. Every file has an outcome."""
    sha256 = ""
    try:
        data = read_bytes(path)
        sha256 = hashlib.sha256(data).hexdigest()
        columns, thumbnail = measure(data)
    except UnreadableImage as error:
        return Outcome(str(error), sha256, {}, b"")
    return Outcome("", sha256, columns, thumbnail)
