from __future__ import annotations

from typing import Any

from codegen.provider import render_provider


def test_a_provider_with_a_region_and_two_kinds_of_key(toy: dict[str, Any]) -> None:
    toy["servers"] = [
        {
            "url": "https://toy.{region}.example",
            "variables": {"region": {"default": "us-1", "x-env": ["TOY_REGION"]}, "stage": {"default": "live"}},
        }
    ]
    toy["x-base-url-env-path"] = "/v1"
    toy["security"] = [{"key": []}, {"token": []}]
    toy["components"]["securitySchemes"]["token"] = {"type": "http", "scheme": "bearer", "x-key-env": ["TOY_TOKEN"]}
    assert (
        "\n".join(render_provider(toy, "toy"))
        == """\
provider = Provider(
    name="toy",
    base_url="https://toy.{region}.example",
    base_url_env=("TOY_URL",),
    key_env=("TOY_KEY", "TOY_OLD_KEY"),
    key_header="x-toy-key",
    key_prefix="",
    headers={"toy-version": "2"},
    base_url_env_path="/v1",
    base_url_variables=(BaseUrlVariable("region", "us-1", ("TOY_REGION",)), BaseUrlVariable("stage", "live"),),
    other_keys=(KeyHeader(("TOY_TOKEN",), "Authorization", "Bearer "),),
)"""
    )
