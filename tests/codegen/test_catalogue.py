"""The catalogue's command on a table of a few rows; expected values are worked out by hand from the rows' cells."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from codegen.catalogue.__main__ import main
from codegen.catalogue.table import COLUMNS

VENDORS = """
    dropped_before: 2026-01-01
    vendors:
      maker:
        csv: maker
        owns_names: true
        fields: {provider: maker, api_base: "https://api.maker.example/v1", api_key_env_var: MAKER_KEY}
        leave_out: [{model: 'song-.*'}]
        free: [gift]
        rules:
          - when: {mode: chat, reasoning: '1'}
            set: {accepts_sampling: false}
          - when: {model: 'old-.*'}
            set: {accepts_sampling: null}
        aliases:
          - {match: '(.+)-latest', to: ['\\1']}
          - {match: '(.+)-\\d{4}', to: ['\\1']}
      host:
        csv: host
        owns_names: false
        fields: {provider: host, api_base: "https://api.host.example/v1"}
        rules:
          - when: {model: '(?P<maker>[a-z]+)/.*'}
            set: {maker: '\\g<maker>'}
        aliases: []
      other:
        csv: other
        owns_names: false
        fields: {provider: other, api_base: "https://api.other.example/v1"}
        rules: []
        aliases: []
    prefixes:
      local: {provider: local, api_base: "http://localhost:1/v1"}
"""

ROWS: list[dict[str, str]] = [
    {"provider": "host", "model": "maker/shared"},
    {"provider": "host", "model": "alone"},
    {"provider": "maker", "model": "m-2601", "input_usd_per_mtok": "0.5", "output_usd_per_mtok": "2.0"},
    {"provider": "other", "model": "maker/shared"},
]


def row(**cells: str) -> dict[str, str]:
    return dict.fromkeys(COLUMNS, "") | {"mode": "chat"} | cells


@pytest.fixture
def run(tmp_path: Path) -> Any:
    """Runs the command on rows and vendors, and gives the files it made."""
    folder = tmp_path / "catalogue"
    folder.mkdir()

    def run(*rows: dict[str, str], vendors: str = VENDORS, check: bool = False) -> tuple[int, dict[str, Any]]:
        table, source = tmp_path / "models.csv", tmp_path / "vendors.yaml"
        source.write_text(dedent(vendors), encoding="utf-8")
        with table.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, sorted(COLUMNS))
            writer.writeheader()
            writer.writerows(row(**cells) for cells in [*ROWS, *rows])
        status = main([str(table), *(["--check"] if check else [])], folder=folder, source=source)
        return status, {path.stem: json.loads(path.read_text("utf-8")) for path in folder.glob("*.json")}

    return run


def made(run: Any, **cells: str) -> dict[str, Any]:
    """The maker's fields of one model of these cells."""
    status, files = run({"provider": "maker", **cells})
    assert status == 0
    fields: dict[str, Any] = files["maker"]["models"][cells["model"]]
    return fields


def test_a_row_says_what_its_cells_say(run: Any) -> None:
    fields = made(
        run,
        model="x",
        context="1000",
        max_output="100",
        input_usd_per_mtok="2.0",
        cached_input_usd_per_mtok="0.25",
        cache_write_usd_per_mtok="2.5",
        cache_write_1h_usd_per_mtok="4.0",
        output_usd_per_mtok="8.0",
        batch_input_usd_per_mtok="1.0",
        batch_output_usd_per_mtok="4.0",
        priority_input_usd_per_mtok="3.5",
        vision="1",
        json_schema="1",
        pdf="0",
        reasoning="1",
        tools="0",
        endpoints="/v1/chat/completions /v1/responses",
        deprecation_date="2027-01-31",
    )
    assert fields == {
        "input_cost": 2,
        "cached_input_cost": 0.25,
        "cache_write_cost": 2.5,
        "cache_write_1h_cost": 4,
        "output_cost": 8,
        "tier_costs": {"batch": [1, 4], "priority": [3.5, None]},
        "supports_json": True,
        "supports_schema": True,
        "supports_images": True,
        "supports_responses": True,
        "supports_tools": False,
        "reasoning_model": True,
        "accepts_sampling": False,
        "context_tokens": 1000,
        "max_output_tokens": 100,
        "deprecation_date": "2027-01-31",
    }


def test_an_empty_cell_says_nothing(run: Any) -> None:
    assert made(run, model="x") == {}


@pytest.mark.parametrize(
    ("name", "prices"), [("x", {}), ("gift", {"input_cost": 0, "cached_input_cost": 0, "output_cost": 0})]
)
def test_a_price_of_0_is_believed_only_where_it_is_known_to_be_meant(
    name: str, prices: dict[str, int], run: Any
) -> None:
    cells = dict.fromkeys(["input_usd_per_mtok", "cached_input_usd_per_mtok", "output_usd_per_mtok"], "0.0")
    assert made(run, model=name, **cells) == prices


def test_batches_cost_a_share_of_the_plain_price_where_the_table_tells_none(run: Any) -> None:
    prices = {"input_usd_per_mtok": "0.3", "output_usd_per_mtok": "2"}
    told = {**prices, "batch_input_usd_per_mtok": "0.1", "batch_output_usd_per_mtok": "1.5"}
    rows = [("plain", prices), ("told", told), ("unknown", {}), ("vector", {**prices, "mode": "embedding"})]
    status, files = run(
        *({"provider": "maker", "model": name, **cells} for name, cells in rows),
        vendors=VENDORS.replace("free: [gift]", "batch_share: 0.5"),
    )
    assert status == 0
    tiers = {name: fields.get("tier_costs") for name, fields in files["maker"]["models"].items()}
    assert tiers["plain"] == {"batch": [0.15, 1]}
    assert tiers["told"] == {"batch": [0.1, 1.5]}
    assert tiers["unknown"] is None
    assert tiers["vector"] == {"batch": [0.15, None]}
    assert all("tier_costs" not in fields for fields in files["host"]["models"].values())


@pytest.mark.parametrize("mode", ["embedding", "rerank"])
def test_what_has_no_output_has_no_price_for_it(mode: str, run: Any) -> None:
    fields = made(run, model="x", mode=mode, input_usd_per_mtok="0.1", output_usd_per_mtok="0.0")
    assert fields == {"mode": mode, "input_cost": 0.1}


@pytest.mark.parametrize(
    ("cells", "spec"),
    [
        ({"mode": "responses"}, "openai-responses"),
        ({"endpoints": "/v1/responses /v1/batch"}, "openai-responses"),
        ({"endpoints": "/v1/chat/completions /v1/responses"}, None),
    ],
)
def test_only_what_the_responses_api_alone_answers_is_asked_there(
    cells: dict[str, str], spec: str | None, run: Any
) -> None:
    assert made(run, model="x", **cells).get("api_spec") == spec


def test_a_later_rule_takes_back_what_an_earlier_one_set(run: Any) -> None:
    assert made(run, model="new-1", reasoning="1") == {"reasoning_model": True, "accepts_sampling": False}
    assert made(run, model="old-1", reasoning="1") == {"reasoning_model": True}


def test_a_rule_can_say_what_its_pattern_found(run: Any) -> None:
    _, files = run()
    assert files["host"]["models"]["host:maker/shared"]["maker"] == "maker"


def test_what_is_left_out_or_was_shut_down_is_not_there(run: Any) -> None:
    _, files = run(
        {"provider": "maker", "model": "song-1"},
        {"provider": "maker", "model": "gone", "deprecation_date": "2025-12-31"},
        {"provider": "maker", "model": "going", "deprecation_date": "2026-01-01"},
        {"provider": "somebody", "model": "else"},
    )
    assert sorted(files["maker"]["models"]) == ["going", "m-2601"]


def test_a_name_that_two_hosts_share_is_nobody_s_and_one_with_a_single_host_is_its_own(run: Any) -> None:
    _, files = run()
    assert {name: list(files[name]["models"]) for name in ("host", "other")} == {
        "host": ["alone", "host:maker/shared"],
        "other": ["other:maker/shared"],
    }
    assert files["other"]["models"]["other:maker/shared"] == {"name": "maker/shared"}


def test_a_maker_s_name_is_the_maker_s_and_its_host_s_has_a_prefix(run: Any) -> None:
    _, files = run({"provider": "host", "model": "m-2601"})
    assert "m-2601" in files["maker"]["models"]
    assert "host:m-2601" in files["host"]["models"]


@pytest.mark.parametrize(
    ("more", "aliases"),
    [
        ([], {"m": "m-2601"}),
        (["m-latest"], {"m": "m-latest"}),  # the earlier rule goes before
        (["m-2602"], {}),  # two of the same rule
        (["m"], {}),  # a model's own name
    ],
)
def test_an_alias_belongs_to_one_model(more: list[str], aliases: dict[str, str], run: Any) -> None:
    _, files = run(*({"provider": "maker", "model": name} for name in more))
    assert files["maker"]["aliases"] == aliases


def test_a_check_succeeds_after_a_run_and_shows_what_changed(run: Any, capsys: pytest.CaptureFixture[str]) -> None:
    run()
    assert run(check=True)[0] == 0
    assert capsys.readouterr().out == ""

    status, files = run({"provider": "maker", "model": "n"}, check=True)

    assert status == 1
    assert '+    "n": {}' in capsys.readouterr().out
    assert "n" not in files["maker"]["models"]


def test_a_vendor_s_file_goes_with_the_vendor(run: Any, tmp_path: Path) -> None:
    stale = tmp_path / "catalogue" / "gone.json"
    stale.write_text("{}", "utf-8")
    assert run(check=True)[0] == 1
    run()
    assert not stale.exists()


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("accepts_sampling: false", "takes_sampling: false", "a model has no field 'takes_sampling'"),
        ("accepts_sampling: false", "api_spec: soap", "api_spec='soap'"),
        ("mode: chat, reasoning", "colour: red, reasoning", "the table has no column 'colour'"),
        ("'old-.*'", "'old-('", "error: missing )"),
        ("free: [gift]", "gratis: [gift]", "unknown key 'gratis'"),
        ("csv: other", "csv: nobody", "vendor other: the table has no model of it"),
        ("owns_names: false\n        fields: {provider: other", "fields: {provider: other", "KeyError: 'owns_names'"),
    ],
)
def test_vendors_that_cannot_be_meant_are_refused_by_name(
    old: str, new: str, told: str, run: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert old in VENDORS
    status, files = run({"provider": "maker", "model": "x", "reasoning": "1"}, vendors=VENDORS.replace(old, new))
    assert (status, files) == (2, {})
    assert told in capsys.readouterr().err


def test_two_makers_of_one_name_are_refused(run: Any, capsys: pytest.CaptureFixture[str]) -> None:
    status, _ = run(
        {"provider": "host", "model": "m-2601"}, vendors=VENDORS.replace("owns_names: false", "owns_names: true")
    )
    assert status == 2
    assert "would be the id of two models" in capsys.readouterr().err


def test_a_table_without_a_column_or_a_file_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = tmp_path / "models.csv"
    assert main([str(table)]) == 2
    table.write_text("provider,model\nmaker,x\n", "utf-8")
    assert main([str(table)]) == 2
    assert "no column 'batch_input_usd_per_mtok'" in capsys.readouterr().err


@pytest.mark.skipif(
    "DELUGE_SYNC_MODELS_CSV" not in os.environ, reason="needs the table of numbers: DELUGE_SYNC_MODELS_CSV=MODELS.csv"
)
def test_the_catalogue_is_what_the_table_and_the_vendors_give(capsys: pytest.CaptureFixture[str]) -> None:
    status = main([os.environ["DELUGE_SYNC_MODELS_CSV"], "--check"])
    assert (status, capsys.readouterr().out) == (0, "")
