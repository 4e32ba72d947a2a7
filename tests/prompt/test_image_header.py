"""Sizes as Pillow wrote them: it is the judge of the reader."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Pillow

from deluge_sync.prompt.image_header import fit, read_size


@pytest.mark.parametrize(
    ("fmt", "options"),
    [
        ("PNG", {}),
        ("JPEG", {}),
        ("JPEG", {"progressive": True, "icc_profile": b"x" * 70_000, "comment": b"\xff\xff"}),
        ("GIF", {}),
        ("BMP", {}),
        ("TIFF", {}),
        ("WEBP", {}),
        ("WEBP", {"lossless": True}),
        ("WEBP", {"exif": b"Exif\0\0MM\0*\0\0\0\x08\0\0"}),
        ("AVIF", {}),
    ],
)
@pytest.mark.parametrize("size", [(1, 1), (301, 77), (16, 1023)])
def test_the_size_is_that_of_the_picture(
    picture: Callable[..., bytes], fmt: str, options: dict[str, object], size: tuple[int, int]
) -> None:
    assert read_size(f"image/{fmt.lower()}", picture(size, fmt, **options)) == size


@pytest.mark.parametrize("fmt", ["JPEG", "TIFF"])
@pytest.mark.parametrize(("orientation", "size"), [(1, (30, 20)), (3, (30, 20)), (5, (20, 30)), (8, (20, 30))])
def test_a_picture_that_is_shown_turned_has_the_size_it_is_shown_in(
    picture: Callable[..., bytes], fmt: str, orientation: int, size: tuple[int, int]
) -> None:
    exif = Pillow.Exif()
    exif[0x0112] = orientation
    assert read_size(f"image/{fmt.lower()}", picture((30, 20), fmt, exif=exif)) == size


@given(st.sampled_from(["png", "jpeg", "gif", "bmp", "tiff", "webp", "avif", "odd"]), st.binary(max_size=200))
def test_any_bytes_give_a_size_or_none(kind: str, content: bytes) -> None:
    for head in (content, b"\xff\xd8" + content, b"II*\0" + content, b"RIFF....WEBPVP8X" + content):
        size = read_size(f"image/{kind}", head)
        assert size is None or min(size) > 0


def test_a_cut_header_tells_nothing(picture: Callable[..., bytes]) -> None:
    for fmt in ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP"):
        assert read_size(f"image/{fmt.lower()}", picture(fmt=fmt)[:9]) is None


def test_a_picture_keeps_its_shape_when_it_is_made_to_fit() -> None:
    assert fit((3000, 2000), 1500) == (1500, 1000)
    assert fit((2000, 3000), 1500) == (1000, 1500)
    assert fit((10_000, 3), 1000) == (1000, 1)
    assert fit((800, 600), 1500) == fit((800, 600), None) == (800, 600)
