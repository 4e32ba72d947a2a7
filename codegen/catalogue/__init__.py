"""Makes the catalogue of models: the numbers from a table, everything else from `schemas/vendors.yaml`.

`python -m codegen.catalogue MODELS.csv` is its only door. The way of a row through it:

    MODELS.csv -> table (a row's cells -> fields of Model) -> rules (vendors.yaml sets the rest) -> names (ids, aliases)
               -> files (JSON, written or compared)

Nothing here goes into the package but the files it writes.
"""
