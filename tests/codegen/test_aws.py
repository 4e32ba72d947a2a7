from __future__ import annotations

import sys

import pytest

from codegen.aws import shapes_as_schemas
from codegen.document import SchemaError


def test_shapes_become_schemas() -> None:
    shapes = shapes_as_schemas("bedrock-runtime")["$defs"]
    request = shapes["ConverseRequest"]
    # modelId stands in the path, so it is no part of the body.
    assert "modelId" not in request["properties"]
    assert request["required"] == []
    assert request["properties"]["messages"] == {"$ref": "#/$defs/Messages"}
    assert shapes["Messages"] == {"type": "array", "items": {"$ref": "#/$defs/Message"}}
    assert shapes["Message"]["required"] == ["role", "content"]
    assert shapes["ConversationRole"]["enum"][:2] == ["user", "assistant"]
    assert shapes["ToolInputSchema"]["properties"]["json"] == {"$ref": "#/$defs/Document"}
    assert shapes["Document"] == {}
    assert shapes["TokenUsage"]["properties"]["inputTokens"]["$ref"] == "#/$defs/TokenUsageInputTokensInteger"
    assert shapes["TokenUsageInputTokensInteger"] == {"type": "integer"}


def test_an_unknown_service_and_a_missing_botocore_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SchemaError, match="botocore's model of no-such-service cannot be loaded"):
        shapes_as_schemas("no-such-service")
    monkeypatch.setitem(sys.modules, "botocore.loaders", None)
    with pytest.raises(SchemaError, match="botocore's model of bedrock-runtime cannot be loaded: import of botocore"):
        shapes_as_schemas("bedrock-runtime")
