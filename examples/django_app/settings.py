"""As little as Django needs. In your own project only `llm`, `connections` and `views` are of interest."""

from __future__ import annotations

import os
from pathlib import Path

SECRET_KEY = os.environ.get("DJANGO_SECRET_KEY", "only-for-trying-out")
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
ROOT_URLCONF = "django_app.urls"
INSTALLED_APPS = ["django_app"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("DJANGO_DATABASE", str(Path.cwd() / "django_app.sqlite3")),
        "OPTIONS": {"timeout": 30},  # SQLite lets one write at a time: the others wait for it
    }
}
