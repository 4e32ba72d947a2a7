"""The models we know, what they can do and what they cost.

`registry` maps ids to `Model`s, `get_model` finds one or suggests the nearest, `register_model` adds one,
`Model.for_base_url` stands for an OpenAI-compatible endpoint that needs no registration.
"""

from __future__ import annotations

from deluge_sync.models.lookup import Registry, get_model, register_model, registry
from deluge_sync.models.model import API_SPECS, ApiSpec, Model
from deluge_sync.models.pricing import cost_usd

__all__ = ["API_SPECS", "ApiSpec", "Model", "Registry", "cost_usd", "get_model", "register_model", "registry"]
