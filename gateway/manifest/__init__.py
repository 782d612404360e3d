"""Configuration as code: the YAML that `manage.py apply` takes and `manage.py export` writes.

`reading` turns a file into entries with line numbers and `values` reads single values; one module for each
noun says what an entry holds and how it is applied and exported; `run` keeps the plan; `document` is the
whole file.
"""
