from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from deluge_sync.cli.pictures import add_images, images_in
from deluge_sync.errors import ConfigError
from deluge_sync.prompt import Conversation, Message

DOT = base64.b64encode(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x02\0\0\0").decode()
URL = "https://example.com/a.png"

CELLS = [
    (URL, (URL,)),
    ("", ()),
    (None, ()),
    ([URL, f"data:image/png;base64,{DOT}"], (URL, f"data:image/png;base64,{DOT}")),
    (f'["{URL}"]', (URL,)),
    ([], ()),
]


@pytest.mark.parametrize(("cell", "images"), CELLS, ids=[repr(cell)[:30] for cell, _ in CELLS])
def test_a_cell_holds_one_image_or_several_or_none(cell: Any, images: tuple[str, ...]) -> None:
    assert images_in(cell, allow_local_files=False) == images


REFUSED = [
    ("cat.jpg", "'cat.jpg' is no http(s) or data URL; a local image is sent only with --allow-local-files"),
    (3, "an image is a path or a URL, not 3"),
    ('["a', "an image list that is no JSON: Unterminated string starting at: line 1 column 2 (char 1)"),
    ([URL, " "], "an image is a path or a URL, not ' '"),
]


@pytest.mark.parametrize(("cell", "reason"), REFUSED, ids=[reason for _, reason in REFUSED])
def test_what_cannot_be_sent_is_refused(cell: Any, reason: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011  (the whole message is compared)
        images_in(cell, allow_local_files=False)
    assert str(caught.value) == reason


def test_a_local_image_has_to_be_there(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no such file"):
        images_in(str(tmp_path / "none.png"), allow_local_files=True)
    (tmp_path / "a.png").write_bytes(base64.b64decode(DOT))
    assert images_in(str(tmp_path / "a.png"), allow_local_files=True) == (str(tmp_path / "a.png"),)


def test_images_come_behind_the_text_of_the_last_user_message() -> None:
    conversation = Conversation.user("first").ai("ho").user("what is it?")
    add_images(conversation, (URL,))
    assert [len(message.images) for message in conversation] == [0, 0, 1]
    with pytest.raises(ConfigError, match="no user message"):
        add_images(Conversation([Message.system("x")]), (URL,))
