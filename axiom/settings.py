"""Every setting comes from the environment; this file names each one, its default and nothing else.

Documented in docs/configuration.md; wrong combinations are reported by the system checks of axiom.checks.
"""

from pathlib import Path
from typing import Any

import dj_database_url
from django.templatetags.static import static

from axiom.env import env_bool, env_int, env_list, env_seconds, env_secret, env_str

BASE_DIR = Path(__file__).resolve().parent.parent

# -- where this instance keeps its state, and how it is reached
AXIOM_VAR = Path(env_str("AXIOM_VAR", str(BASE_DIR / "var"))).absolute()
HOST = env_str("HOST", "127.0.0.1")
PORT = env_int("PORT", 8000, minimum=1)
WEB_CONCURRENCY = env_int("WEB_CONCURRENCY", 1, minimum=1)
AXIOM_REDIS_URL = env_secret("AXIOM_REDIS_URL") or ""

# -- secrets: NAME, else the file that NAME_FILE names, else what `make run` made in the state directory
SECRET_KEY = env_secret("AXIOM_SECRET_KEY", AXIOM_VAR / "secret_key") or ""
AXIOM_KEYS = env_secret("AXIOM_KEYS", AXIOM_VAR / "keys") or ""  # id:base64,..., newest first
AXIOM_METRICS_TOKEN = env_secret("AXIOM_METRICS_TOKEN", AXIOM_VAR / "metrics_token") or ""

# -- the data path's limits
AXIOM_EGRESS_ALLOW = env_list("AXIOM_EGRESS_ALLOW")  # CIDRs of private addresses that providers may live on
AXIOM_TOKEN_HOSTS = env_list("AXIOM_TOKEN_HOSTS")  # token_uri hosts of service accounts beside Google's
AXIOM_TOKEN_FILES = env_str("AXIOM_TOKEN_FILES", "")  # the directory that credentials' token files may be in
AXIOM_METADATA_SERVER = env_bool("AXIOM_METADATA_SERVER", default=False)
AXIOM_MAX_BODY_BYTES = env_int("AXIOM_MAX_BODY_BYTES", 10 * 1024 * 1024, minimum=1024)
AXIOM_MAX_UPLOAD_BYTES = env_int("AXIOM_MAX_UPLOAD_BYTES", 25 * 1024 * 1024, minimum=1024)
AXIOM_TIMEOUT_CONNECT = env_seconds("AXIOM_TIMEOUT_CONNECT", 5.0)
AXIOM_TIMEOUT_FIRST_BYTE = env_seconds("AXIOM_TIMEOUT_FIRST_BYTE", 120.0)
AXIOM_TIMEOUT_IDLE = env_seconds("AXIOM_TIMEOUT_IDLE", 60.0)
AXIOM_TIMEOUT_TOTAL = env_seconds("AXIOM_TIMEOUT_TOTAL", 600.0)

# -- Django
DEBUG = env_bool("AXIOM_DEBUG", default=False)
ALLOWED_HOSTS = env_list("AXIOM_ALLOWED_HOSTS", ("127.0.0.1", "localhost", "[::1]", HOST))
CSRF_TRUSTED_ORIGINS = env_list("AXIOM_TRUSTED_ORIGINS")
AXIOM_BEHIND_TLS = env_bool("AXIOM_BEHIND_TLS", default=False)

INSTALLED_APPS = [
    "daphne",
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "ninja",
    "axiom",
    "audit",
    "tenants",
    "credentials",
    "finops",
    "gateway",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "axiom.static_files.StaticFilesMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "tenants.middleware.access_middleware",
]
ROOT_URLCONF = "axiom.urls"
ASGI_APPLICATION = "axiom.asgi.application"
AUTH_USER_MODEL = "tenants.User"
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]


# A host that vanished must not hold a connection until the kernel gives up, a quarter of an hour later.
_POSTGRESQL_OPTIONS = {
    "connect_timeout": 5,  # seconds
    "tcp_user_timeout": 10_000,  # milliseconds
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
}


def _database() -> dict[str, Any]:
    """Return the one database: DATABASE_URL, else SQLite (WAL, writers queue) in the state directory."""
    url = env_secret("DATABASE_URL")
    if url and not url.startswith("sqlite"):
        parsed: dict[str, Any] = {**dj_database_url.parse(url)}
        parsed["OPTIONS"] = {**parsed.get("OPTIONS", {}), **_POSTGRESQL_OPTIONS}
        return parsed
    name = url.removeprefix("sqlite:///") if url else str(AXIOM_VAR / "axiom.sqlite3")
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": name,
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        },
    }


DATABASES = {"default": _database()}

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_TZ = True
STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = True  # straight from the packages: no collectstatic, no copy that can be stale
WHITENOISE_AUTOREFRESH = False

SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = AXIOM_BEHIND_TLS
SECURE_HSTS_SECONDS = 31536000 if AXIOM_BEHIND_TLS else 0
# HSTS for a whole domain and its preload list are the domain owner's choice, not the gateway's.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if AXIOM_BEHIND_TLS else None
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SESSION_COOKIE_AGE = 12 * 60 * 60

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"redact": {"()": "axiom.lib.logs.RedactingFilter"}},
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "filters": ["redact"], "formatter": "line"}},
    "root": {"handlers": ["console"], "level": "INFO"},
    "loggers": {
        "django.server": {"handlers": ["console"], "level": "WARNING", "propagate": False},
        "uvicorn": {"handlers": ["console"], "level": "WARNING", "propagate": False},
        "httpx": {"level": "WARNING"},
    },
}

PRIMARY_COLORS = {
    "50": "oklch(97% .014 240)",
    "100": "oklch(94% .03 240)",
    "200": "oklch(89% .06 241)",
    "300": "oklch(81% .1 243)",
    "400": "oklch(71% .14 246)",
    "500": "oklch(61% .16 249)",
    "600": "oklch(52% .16 253)",
    "700": "oklch(45% .14 255)",
    "800": "oklch(39% .11 256)",
    "900": "oklch(34% .09 258)",
    "950": "oklch(25% .07 260)",
}
UNFOLD = {
    "SITE_TITLE": "Axiom LLM Gateway",
    "SITE_HEADER": "Axiom LLM Gateway",
    "SITE_SYMBOL": "hub",
    "SITE_URL": None,
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("admin/favicon.svg")}
    ],
    "BORDER_RADIUS": "6px",
    "COLORS": {"primary": PRIMARY_COLORS},
    "STYLES": [lambda request: static("admin/axiom.css")],
    "SCRIPTS": [lambda request: static("admin/copy.js")],
    "SIDEBAR": {"navigation": "axiom.dashboard.navigation"},
    "DASHBOARD_CALLBACK": "axiom.dashboard.getting_started",
}

# Where several workers share their figures, as memory-mapped files (see gateway.server).
PROMETHEUS_DIR = Path(env_str("PROMETHEUS_MULTIPROC_DIR", str(AXIOM_VAR / "metrics")))
