"""From a drawing to the bytes of its files: JPEG as a camera writes it, copies, damaged files and unusual formats."""

from __future__ import annotations

import io
import unicodedata
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont, ImageOps

from hai_core.demo.picture import picture
from hai_core.demo.plan import Drawing, File
from hai_core.demo.vehicles import VEHICLES

CARDS = ("NO IMAGE AVAILABLE", "PHOTO COMING SOON", "SOLD - THANK YOU", "CALL FOR PRICE")


def write(job: tuple[Drawing, str]) -> int:
    """Draw one picture and write its files below an image root; returns how many."""
    drawing, images = job
    rng = np.random.default_rng([*drawing.seed, 7])
    original = b""
    for file in drawing.files:
        content = original
        if file.kind != "exact_duplicate":
            content = encode(drawing, file, original, rng)
        original = original or content
        folder, name = file.path.split("/")
        target = Path(images) / folder / (unicodedata.normalize("NFD", name) if file.detail == "nfd" else name)
        target.write_bytes(content)
    return len(drawing.files)


def encode(drawing: Drawing, file: File, original: bytes, rng: np.random.Generator) -> bytes:
    """The bytes of one file; `original` are those of the drawing's first file, which near-duplicates are made from."""
    if file.kind == "unreadable" and file.detail != "truncated":
        return b"" if file.detail == "empty" else b"This is not an image.\n"
    if file.kind == "junk":
        return _jpeg(_junk(file.detail, drawing.seed[1], rng), 88)
    if file.kind == "near_duplicate":
        with Image.open(io.BytesIO(original)) as source:
            return _jpeg(_variant(source.convert("RGB"), file.detail, rng), int(rng.integers(50, 72)))
    image = picture(VEHICLES[drawing.vehicle], drawing.seed)
    if file.kind == "format":
        return _unusual(image, file.detail)
    if file.kind == "dark":
        image = ImageEnhance.Brightness(image).enhance(0.04)
    if file.kind == "blurry":
        image = image.filter(ImageFilter.GaussianBlur(min(image.size) / 28))
    content = _jpeg(image, int(rng.choice([52, 66, 78, 86, 92], p=[0.08, 0.14, 0.3, 0.3, 0.18])))
    return content[: len(content) // 3] if file.kind == "unreadable" else content


def _jpeg(image: Image.Image, quality: int) -> bytes:
    return _saved(image, "JPEG", quality=quality)


def _saved(image: Image.Image, form: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def _variant(image: Image.Image, kind: str, rng: np.random.Generator) -> Image.Image:
    """A near-duplicate of the named kind."""
    width, height = image.size
    if kind == "resize":
        scale = rng.uniform(0.5, 0.8)
        return image.resize((int(width * scale), int(height * scale)), Image.Resampling.LANCZOS)
    if kind == "crop":
        cut = rng.uniform(0.03, 0.08)
        left, top = rng.uniform(0, cut) * width, rng.uniform(0, cut) * height
        return image.crop((int(left), int(top), int(left + (1 - cut) * width), int(top + (1 - cut) * height)))
    if kind == "flip":
        return ImageOps.mirror(image)
    if kind == "colour":
        image = ImageEnhance.Brightness(image).enhance(rng.uniform(0.78, 1.25))
        return ImageEnhance.Color(image).enhance(rng.uniform(0.5, 1.5))
    if kind == "watermark":
        layer = Image.new("L", image.size)
        pen, font = ImageDraw.Draw(layer), ImageFont.load_default(height // 12)
        for row in range(height // 8, height, height // 3):
            pen.text((rng.uniform(0, width / 2), row), "USED CARS 24", fill=150, font=font)
        image.paste((255, 255, 255), mask=layer)
        return image
    if kind == "border":
        return ImageOps.expand(image, border=int(0.05 * height), fill=(0, 0, 0))
    if kind == "grey":
        return ImageOps.grayscale(image).convert("RGB")
    return image  # "jpeg": only encoded once more


def _junk(kind: str, number: int, rng: np.random.Generator) -> Image.Image:
    if kind == "uniform":
        r, g, b = rng.integers(30, 230, 3).tolist()
        return Image.new("RGB", (320, 240), (r, g, b))
    if kind == "noise":
        return Image.fromarray(rng.integers(0, 256, (240, 320, 3), dtype=np.uint8))
    card = Image.new("RGB", (320, 240), (246, 246, 244))
    pen = ImageDraw.Draw(card)
    pen.rounded_rectangle((124, 70, 196, 116), 8, outline=(170, 174, 180), width=4)
    pen.ellipse((146, 79, 174, 107), outline=(170, 174, 180), width=4)
    pen.text((160, 150), CARDS[number % len(CARDS)], fill=(120, 124, 130), font=ImageFont.load_default(18), anchor="mm")
    return card


def _unusual(image: Image.Image, kind: str) -> bytes:
    """A valid image in a form that careless programs trip over."""
    if kind == "cmyk":
        return _saved(image.convert("CMYK"), "JPEG", quality=90)
    if kind == "exif":
        exif = Image.Exif()
        exif[0x0112] = 6
        return _saved(image.rotate(90, expand=True), "JPEG", quality=90, exif=exif)
    if kind == "png16":
        return _saved(Image.fromarray(np.asarray(image.convert("L"), np.uint16) * 257), "PNG")
    if kind == "palette":
        return _saved(image.quantize(128), "PNG")
    if kind == "nfd":
        return _jpeg(image, 90)
    return _saved(image, kind.upper())
