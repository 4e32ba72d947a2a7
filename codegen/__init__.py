"""Makes `deluge_sync/sdk/<provider>/` from `schemas/<provider>.yaml`. A tool of the repository, not of the package.

`python -m codegen` is its door. The way of a schema through it:

    schemas/x.yaml -> document (read, refuse) -> opening (pure) -> models, endpoints (text) -> package (files, check)

`provider`, `naming` and `text` serve the two that write text. `drift` takes another way: it compares the schema, before
it is opened, with what the provider publishes; `judges` and `aws` find that, `shape` reads it.
"""
