"""The models we know, what they can do and what they cost.

`registry` maps ids to `Model`s, `get_model` finds one or suggests the nearest, `find_models` finds those that fit,
`register_model` adds one. `vendor:name` and `Model.for_base_url` stand for models that need no registration.
"""

from __future__ import annotations

from deluge_sync.models.lookup import Registry, get_model, register_model, registry
from deluge_sync.models.model import API_SPECS, ApiSpec, Model
from deluge_sync.models.pricing import cost_usd
from deluge_sync.models.search import find_models

__all__ = [
    "API_SPECS",
    "ApiSpec",
    "Model",
    "Registry",
    "cost_usd",
    "find_models",
    "get_model",
    "register_model",
    "registry",
]
