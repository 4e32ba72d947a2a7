"""What the generated packages are made of: base classes, an endpoint, a provider, and an `Api` that calls it.

Written by hand; everything a provider has of its own is data that `codegen` writes. Called by the adapters, which use
`Endpoint` and the models, and by users, who use `Api`. A call is one HTTP exchange: no retry and no limit.

    _api (provider, key, calling) > _endpoint (one operation, pure) > _form (uploads) > _model (base classes)
"""

from __future__ import annotations

from deluge_sync.sdk._api import Api, BaseUrlVariable, Exchange, KeyHeader, Provider
from deluge_sync.sdk._endpoint import Endpoint, Param, ParamValue
from deluge_sync.sdk._model import Model, RequestModel, Upload

__all__ = [
    "Api",
    "BaseUrlVariable",
    "Endpoint",
    "Exchange",
    "KeyHeader",
    "Model",
    "Param",
    "ParamValue",
    "Provider",
    "RequestModel",
    "Upload",
]
