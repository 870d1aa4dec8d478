"""Django's settings, derived from ``platform.settings``; nothing here is meant to be edited."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

import django_stubs_ext

from tocsin.platform import settings as platform_settings

django_stubs_ext.monkeypatch()

TOCSIN = platform_settings.get()
TOCSIN_REACTIONS = "tocsin.project.reactions.react"
TOCSIN_API_ROUTERS = [
    "tocsin.project.config.api.router",
    "tocsin.project.ledger.api.router",
    "tocsin.project.history.api.router",
    "tocsin.project.importing.api.router",
]
PACKAGE = Path(__file__).resolve().parent.parent

SECRET_KEY = TOCSIN.key()
DEBUG = TOCSIN.debug
ALLOWED_HOSTS = TOCSIN.allowed_hosts
ROOT_URLCONF = "tocsin.project.urls"
ASGI_APPLICATION = "tocsin.project.asgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
AUTH_USER_MODEL = "people.User"
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en-gb"
USE_I18N = True
APPEND_SLASH = False  # a redirect loses a sender's body; both forms are served where it matters

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "django_htmx",
    "tocsin.people",  # before allauth: its templates go before allauth's
    "ninja",  # serves the files of the API's documentation page
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "tocsin.platform",
    "tocsin.catalogue",
    "tocsin.intake",
    "tocsin.triage",
    "tocsin.incidents",
    "tocsin.oncall",
    "tocsin.escalation",
    "tocsin.delivery",
    "tocsin.web",
    "tocsin.api",
    "tocsin.project.importing",
]

MIDDLEWARE = [
    "tocsin.web.middleware.ForwardedMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "tocsin.web.middleware.StaticMiddleware",
    "tocsin.web.middleware.CompressMiddleware",
    "tocsin.web.middleware.ContentSecurityMiddleware",
    "tocsin.web.middleware.LiveMiddleware",
    "tocsin.api.pagerduty.views.PagerDutyMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "tocsin.web.middleware.ActorMiddleware",
    "tocsin.api.middleware.ApiMiddleware",
    "tocsin.web.middleware.TroubleMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "tocsin.web.context.shell",
            ],
            "builtins": ["tocsin.web.templatetags.tocsin"],
        },
    }
]


def _database(url: str | None) -> dict[str, object]:
    """Django's description of a postgresql:// URL. Unix sockets: ``postgresql:///name?host=/folder``."""
    parts = urlsplit(url or "postgresql:///tocsin?host=/nonexistent")
    query = dict(item.split("=", 1) for item in parts.query.split("&") if "=" in item)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")) or "tocsin",
        "USER": unquote(parts.username or query.pop("user", "") or "postgres"),
        "PASSWORD": unquote(parts.password or query.pop("password", "")),
        "HOST": parts.hostname or unquote(query.pop("host", "")),
        "PORT": str(parts.port or query.pop("port", "")),
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {"application_name": "tocsin", "connect_timeout": 5} | query,
    }


DATABASES = {"default": _database(TOCSIN.database_url)}

AUTHENTICATION_BACKENDS = [
    "allauth.account.auth_backends.AuthenticationBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "/sign-in/"
LOGIN_REDIRECT_URL = "/"
ACCOUNT_ADAPTER = "tocsin.people.adapter.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_USER_MODEL_EMAIL_FIELD = "email"
ACCOUNT_EMAIL_VERIFICATION = "none"  # accounts are made by administrators; contact methods are verified apart
ACCOUNT_PREVENT_ENUMERATION = True
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]

SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = TOCSIN.public_url.startswith("https://")
CSRF_COOKIE_SECURE = SESSION_COOKIE_SECURE
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_FAILURE_VIEW = "tocsin.web.pages.csrf_failure"
CSRF_TRUSTED_ORIGINS = [TOCSIN.public_url]
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_HSTS_SECONDS = TOCSIN.hsts_s
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_MEMORY_SIZE = 8 * 1024 * 1024

STATIC_URL = "/static/"
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = DEBUG
WHITENOISE_IMMUTABLE_FILE_TEST = r"^/static/dist/.+-[0-9A-Za-z]{8}\.\w+$"

LOGGING_CONFIG = None
