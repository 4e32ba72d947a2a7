from __future__ import annotations

import base64
import copy
import io
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as Pillow

from deluge_sync.errors import ConfigError
from deluge_sync.prompt import File, Image

Draw = Callable[..., bytes]


def opened(image: Image) -> Pillow.Image:
    return Pillow.open(io.BytesIO(image.data))


def test_every_way_to_give_the_same_picture_is_the_same_to_the_provider(picture: Draw, tmp_path: Path) -> None:
    content = picture()
    path = tmp_path / "a.jpg"  # the name lies
    path.write_bytes(content)
    encoded = base64.b64encode(content).decode()
    given: list[Any] = [content, io.BytesIO(content), encoded, f"data:image/gif;base64,{encoded}", path, str(path)]
    images = [Image(data) for data in given]
    assert {image.data_url for image in images} == {f"data:image/png;base64,{encoded}"}
    assert {image.fingerprint for image in images} == {images[0].fingerprint}
    assert {image.size for image in images} == {(30, 20)}
    assert images[0] == images[1] == images[2] == images[3] != images[4]


def test_it_is_sent_byte_by_byte(picture: Draw) -> None:
    for fmt in ("PNG", "JPEG", "GIF", "WEBP"):
        content = picture(fmt=fmt)
        assert Image(content).resize(30).data == content
        assert Image(content).media_type == f"image/{fmt.lower()}"


def test_a_larger_one_is_made_smaller_in_its_own_type(picture: Draw) -> None:
    image = Image(picture((301, 201)), detail="low").resize(100)
    assert (image.size, image.media_type, image.detail) == ((100, 67), "image/png", "low")
    assert (opened(image).size, opened(image).format) == ((100, 67), "PNG")
    assert image.resize(200).max_size == 100
    assert Image(picture((301, 201), "GIF"), max_size=9).media_type == "image/png"


def test_size_and_fingerprint_are_right_after_a_change(picture: Draw, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(picture((30, 20)))
    image = Image(path)
    assert image.size == (30, 20)
    before = image.fingerprint
    path.write_bytes(picture((50, 20)))
    assert image.size == (50, 20)
    assert image.fingerprint != before
    assert image.fingerprint == Image(path.read_bytes()).fingerprint
    path.write_bytes(picture((50, 20), "JPEG"))
    assert image.media_type == "image/jpeg"


def test_facts_of_a_file_are_found_once(picture: Draw, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(picture())
    image = Image(path)
    facts = (image.size, image.fingerprint, image.media_type)

    def refuse(*_: object) -> bytes:
        raise AssertionError("read again")

    monkeypatch.setattr("deluge_sync.prompt.source.LocalFile.read", refuse)
    assert (image.size, image.fingerprint, image.media_type) == facts


def test_the_fingerprint_covers_all_content_and_every_option(picture: Draw) -> None:
    content = picture((600, 400))
    other = content[:-20] + bytes([content[-20] ^ 1]) + content[-19:]
    images = [
        Image(content),
        Image(other),  # far behind everything that a header or a thumbnail shows
        Image(content, detail="low"),
        Image(content, max_size=100),
        Image(content, extra={"anthropic": {"cache_control": {"type": "ephemeral"}}}),
        Image("https://example.com/a.png"),
        Image("https://example.com/b.png"),
        Image(file_id="f", provider="openai"),
        Image(file_id="f", provider="anthropic"),
        File(content),
    ]
    assert len({image.fingerprint for image in images}) == len(images)
    assert len(set(images)) == len(images)


def test_nothing_is_read_before_it_is_asked_for(tmp_path: Path) -> None:
    image = Image(tmp_path / "later.png").resize(10).with_detail("low")
    assert "later.png" in repr(image)
    assert image == Image(tmp_path / "later.png", detail="low", max_size=10)
    for ask in ("data", "base64", "data_url", "media_type", "size", "fingerprint"):
        with pytest.raises(ConfigError, match=r"later.png' cannot be read: No such file"):
            getattr(image, ask)


def test_what_is_elsewhere_says_so() -> None:
    linked = Image("https://example.com/dir/a%20b.webp?key=secret")
    assert (linked.name, linked.media_type, linked.has_content) == ("a b.webp", "image/webp", False)
    assert Image("https://example.com/").media_type is None
    with pytest.raises(ConfigError, match="has to be fetched first") as caught:
        _ = linked.data
    assert "secret" not in str(caught.value) + repr(linked) + str(linked)
    uploaded = Image(file_id="f1", provider="google", media_type="image/PNG")
    assert (uploaded.file_id, uploaded.provider, uploaded.media_type) == ("f1", "gemini", "image/png")
    assert uploaded.file_id_for("gemini") == "f1"
    assert linked.file_id_for("gemini") is None
    with pytest.raises(ConfigError, match="file 'f1' at gemini is not known to openai"):
        uploaded.file_id_for("openai")
    with pytest.raises(ConfigError, match="only gemini can be sent it"):
        _ = uploaded.data_url


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"\0\0\0\x18ftypheic....", "HEIC.*save it as JPEG"),
        (b"\0\0\0\x18ftypmif1....", "HEIF.*save it as JPEG"),
        (b"<svg></svg>", "SVG.*render it as PNG"),
        (b"%PDF-1.7", "no image that we know but application/pdf"),
        (b"hello", "no image that we know"),
        (b"", "no image that we know"),
    ],
)
def test_what_no_provider_takes_is_refused_with_what_to_do(content: bytes, told: str) -> None:
    for ask in ("data", "media_type", "data_url"):
        with pytest.raises(ConfigError, match=told):
            getattr(Image(content), ask)


@pytest.mark.parametrize("fmt", ["BMP", "TIFF", "AVIF"])
def test_a_type_that_providers_do_not_take_is_sent_as_png(picture: Draw, fmt: str) -> None:
    image = Image(picture((30, 20), fmt, mode="RGB", color=(255, 0, 0)))
    assert image.media_type == "image/png"
    assert (opened(image).format, opened(image).size) == ("PNG", (30, 20))
    red, green, blue = opened(image).convert("RGB").getpixel((5, 5))  # type: ignore[misc]  # a tuple for RGB
    assert red > 245
    assert max(green, blue) < 10


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "L", "P", "1", "CMYK", "I;16", "F"])
def test_a_picture_of_any_mode_becomes_jpeg(picture: Draw, mode: str) -> None:
    content = picture((30, 20), "TIFF", mode=mode) if mode in ("CMYK", "F") else picture((30, 20), mode=mode)
    image = Image(content, detail="high").to_jpeg()
    assert (image.media_type, image.size, image.detail) == ("image/jpeg", (30, 20), "high")
    assert opened(Image(content, max_size=10)).size == (10, 7)


def test_what_is_transparent_becomes_white(picture: Draw) -> None:
    clear = Image(picture(mode="RGBA", color=(255, 0, 0, 0)))
    assert opened(clear.to_jpeg()).getpixel((5, 5)) == (255, 255, 255)
    palette = Image(picture(mode="P", transparency=0))
    assert opened(palette.to_jpeg()).getpixel((5, 5)) == (255, 255, 255)


def test_an_image_stays_upright_when_it_is_made_smaller() -> None:
    stored = Pillow.new("RGB", (40, 20), "blue")
    stored.paste("red", (0, 0, 20, 20))
    exif = Pillow.Exif()
    exif[0x0112] = 6  # shown turned a quarter clockwise: what is stored left is on top
    out = io.BytesIO()
    stored.save(out, "JPEG", exif=exif, quality=95)
    image = Image(out)
    assert image.size == (20, 40)
    small = image.resize(20)
    assert small.size == opened(small).size == (10, 20)
    top, bottom = (opened(small).getpixel((5, y)) for y in (2, 17))
    assert top[0] > 200 > 50 > top[2]  # type: ignore[index]  # a tuple for RGB
    assert bottom[2] > 200 > 50 > bottom[0]  # type: ignore[index]  # as above


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak of memory from /proc")
def test_a_bomb_is_refused_in_little_memory_and_passes_as_it_is() -> None:
    script = """
import io, resource
from pathlib import Path
from PIL import Image as Pillow
from deluge_sync import Image
out = io.BytesIO()
Pillow.new("1", (12_000, 12_000)).save(out, "PNG")
image = Image(out)
print(len(image.data), image.size)
resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
try:
    image.resize(100).data
except ValueError as error:
    print(error)
status = Path("/proc/self/status").read_text()  # getrusage would tell the peak of the process that started this one
print(int(status.partition("VmHWM:")[2].split()[0]) < 200_000)
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, timeout=60)
    first, told, is_small = done.stdout.splitlines()
    assert first == "17557 (12000, 12000)"
    assert "12,000 x 12,000 pixels" in told
    assert is_small == "True"
    assert done.stderr == ""


def test_a_broken_picture_is_told(picture: Draw) -> None:
    content = picture((300, 200))
    with pytest.raises(ConfigError, match="cannot be decoded"):
        _ = Image(content[: len(content) // 2], max_size=10).data
    with pytest.raises(ConfigError, match="has no size that we can read"):
        _ = Image(b"\x89PNG\r\n\x1a\n", max_size=10).data


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"detail": "sharp"}, "detail is one of auto, low, high; got 'sharp'"),
        ({"max_size": 0}, "max_size is a positive number of pixels; got 0"),
        ({"max_size": "9"}, "got '9'"),
        ({"max_size": True}, "got True"),
        ({"media_type": "png"}, "media_type is a text like 'image/png'; got 'png'"),
    ],
)
def test_options_that_cannot_work_are_named(options: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        Image(b"x", **options)


def test_of_takes_an_image_or_makes_one(picture: Draw) -> None:
    image = Image(picture(), detail="low", max_size=50)
    assert Image.of(image) is image
    assert Image.of(image, detail="high", max_size=20) == Image(picture(), detail="high", max_size=20)
    assert Image.of("a.png", max_size=20) == Image("a.png", max_size=20)


def test_copies_and_pickles_are_equal(picture: Draw) -> None:
    image = Image(picture(), detail="low", extra={"d": {"x": 1}})
    for other in (copy.deepcopy(image), pickle.loads(pickle.dumps(image))):
        assert other == image
        assert other.fingerprint == image.fingerprint
        assert other.extra == {"d": {"x": 1}}


def test_its_repr_does_not_spill_its_content(picture: Draw) -> None:
    assert repr(Image(picture(), detail="low")) == (
        f"Image(<{len(picture())} bytes>, media_type='image/png', detail='low')"
    )
