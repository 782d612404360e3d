"""The project's settings as tests see them. pytest-django reads settings before any conftest is imported."""

import os

os.environ.update(
    AXIOM_SECRET_KEY="tests-only",
    AXIOM_KEYS="test:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
    AXIOM_METRICS_TOKEN="tests-only-metrics-token",
    AXIOM_EGRESS_ALLOW="127.0.0.0/8",
)

from axiom.settings import *  # noqa: F403  (a settings module is the names it holds)
