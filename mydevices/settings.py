"""Django's settings, all derived from `environment.py`. Nothing here is edited by an operator."""

import os
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import dj_database_url
from csp.constants import NONE, SELF

from mydevices import environment
from mydevices.vault import keys as vault_keys

ENVIRONMENT = environment.read()
BASE = Path(__file__).resolve().parent
DATA: Path = ENVIRONMENT.data

# Neither the folder nor the keys are made here: `cli.start` does, when all else is well. Until then there are none.
SECRET_KEY, *SECRET_KEY_FALLBACKS = vault_keys.secret_keys(ENVIRONMENT.secret_key, DATA / "secret-key") or [""]
MASTER_KEYS = vault_keys.load(ENVIRONMENT.master_key, DATA / "master-key")
DEBUG = ENVIRONMENT.debug

PUBLIC_URL = ENVIRONMENT.public_url or f"http://localhost:{ENVIRONMENT.port}"
_public = urlsplit(PUBLIC_URL)
_secure = _public.scheme == "https"
ALLOWED_HOSTS = [str(_public.hostname), "localhost", "127.0.0.1", "[::1]", *ENVIRONMENT.allowed_hosts]
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]

INSTALLED_APPS = [
    "mydevices.vault",
    "mydevices.outbox",
    "mydevices.audit",
    "mydevices.organisation",
    "mydevices.accounts",
    "mydevices.devices",
    "mydevices.policies",
    "mydevices.commands",
    "mydevices.certificates",
    "mydevices.applications",
    "mydevices.location",
    "mydevices.configurations",
    "mydevices.registration",
    *(f"mydevices.platforms.{app.parent.name}" for app in sorted((BASE / "platforms").glob("*/apps.py"))),
    "mydevices.portal",
    "mydevices.console",
    "mydevices.cli",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "allauth.socialaccount",  # its tables alone, from which `accounts` took the links of earlier versions
    "csp",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
]

MIDDLEWARE = [
    "mydevices.portal.middleware.NotKept",
    "mydevices.portal.middleware.Readable",
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",  # before the next, which answers by itself
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "mydevices.portal.middleware.Sessions",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "mydevices.portal.middleware.Limited",
    "mydevices.portal.middleware.SignedIn",
    "mydevices.portal.middleware.SecondFactor",
    "mydevices.portal.middleware.Confirmed",
    "mydevices.portal.middleware.Preferences",
    "mydevices.portal.middleware.TranslateErrors",
]

ROOT_URLCONF = "mydevices.urls"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
SILENCED_SYSTEM_CHECKS = ["auth.W004"]  # addresses are unique by their key, whatever their capital letters

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "mydevices.organisation.context.organisation",
                "mydevices.accounts.context.sign_in",
                "mydevices.portal.context.help_place",
                "mydevices.portal.context.limited_session",
                "mydevices.portal.context.session_lasts",
                "mydevices.portal.context.factor_due",
                "mydevices.console.navigation.context",
            ],
        },
    }
]

if ENVIRONMENT.database_url:
    DATABASES = {"default": dj_database_url.parse(ENVIRONMENT.database_url, conn_max_age=None, conn_health_checks=True)}
else:
    DATABASES = {
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": str(DATA / "db.sqlite3"),
            "CONN_MAX_AGE": None,
            "OPTIONS": {
                # IMMEDIATE: a transaction that will write takes its lock at once, so that two never wait for each
                # other.
                "transaction_mode": "IMMEDIATE",
                "timeout": 20,
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON;",
            },
            # A file, so that the threads of a test see one database.
            "TEST": {"NAME": os.environ.get("MYDEVICES_TEST_SQLITE") or None},
        }
    }

CACHES = {
    # In the database, because rate limits must be counted across processes.
    "default": {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "cache",
        # Never reached: a full cache forgets a third of itself, whoever's attempts it counts. `accounts.tasks` clears
        # what has expired.
        "OPTIONS": {"MAX_ENTRIES": 1_000_000},
    },
}

AUTH_USER_MODEL = "accounts.Person"
AUTHENTICATION_BACKENDS = ["mydevices.accounts.backends.Passwords"]
PASSWORD_HASHERS = ["mydevices.accounts.hashers.Argon2id"]
AUTH_PASSWORD_VALIDATORS = [{"NAME": "mydevices.accounts.passwords.Rules"}]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "portal:devices"
ACCOUNT_ADAPTER = "mydevices.accounts.adapter.Adapter"
ACCOUNT_FORMS = {
    "login": "mydevices.accounts.forms.SignIn",
    "change_password": "mydevices.accounts.forms.ChangePassword",
}
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_EMAIL_VERIFICATION = "none"  # addresses are confirmed by invitation
ACCOUNT_LOGOUT_ON_PASSWORD_CHANGE = False
PASSWORD_RESET_TIMEOUT = int(timedelta(hours=1).total_seconds())
ACCOUNT_REAUTHENTICATION_TIMEOUT = 300
ACCOUNT_REAUTHENTICATION_REQUIRED = False
ACCOUNT_SESSION_REMEMBER = False
ACCOUNT_RATE_LIMITS = {
    "login": "60/m/ip",
    "login_failed": None,  # `accounts.attempts` counts, so that nobody can lock somebody else out
    "reauthenticate": "10/m/user",
}
MFA_ADAPTER = "mydevices.accounts.factors.Factors"
MFA_REAUTHENTICATION_REQUIRED = False  # our own guard asks, and keeps no suspended form in the session
MFA_TOTP_TOLERANCE = 0  # `accounts.codes` checks, and takes the code of the step before as well
MFA_SUPPORTED_TYPES = ["webauthn", "totp"]  # recovery codes are ours: the library keeps what they are made from
MFA_FORMS = {
    "authenticate": "mydevices.accounts.forms.SecondStepCode",  # counts, for `login_failed` is switched off
    "reauthenticate": "mydevices.accounts.forms.AgainCode",
    "activate_totp": "mydevices.accounts.forms.AppForm",
    "add_webauthn": "mydevices.accounts.passkeys.AddForm",
    "login_webauthn": "mydevices.accounts.passkeys.SignInForm",
    "authenticate_webauthn": "mydevices.accounts.passkeys.SecondStepForm",
    "reauthenticate_webauthn": "mydevices.accounts.passkeys.AgainForm",
}
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = not _secure  # http://localhost, where browsers allow it too
MFA_ALLOW_UNVERIFIED_EMAIL = True  # the library's own table of addresses is not used
PROVIDER_SECONDS = 2.0  # for each request to a sign-in provider, whole: a thread waits

SESSION_ENGINE = "django.contrib.sessions.backends.db"  # the cache is in the same database
SESSION_COOKIE_AGE = int(timedelta(days=14).total_seconds())
SESSION_COOKIE_SECURE = _secure
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_NAME = "__Host-session" if _secure else "session"
CSRF_COOKIE_SECURE = _secure
CSRF_COOKIE_NAME = "__Host-csrf" if _secure else "csrf"
CSRF_COOKIE_HTTPONLY = True
SECURE_SSL_REDIRECT = False  # the reverse proxy's work; plain http listens on loopback only
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if ENVIRONMENT.trusted_proxies else None
SECURE_HSTS_SECONDS = int(timedelta(days=365).total_seconds()) if _secure else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = _secure and ENVIRONMENT.hsts_subdomains
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:", *filter(None, [ENVIRONMENT.map_origin])],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "object-src": [NONE],
        "frame-ancestors": [NONE],
        "manifest-src": [SELF],
    }
}

MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"
LANGUAGE_CODE = "en-gb"
# Each in its own words. One more is offered when its catalogue is whole (tests/messages.py).
LANGUAGES = [("en-gb", "English"), ("de", "Deutsch"), ("ar", "العربية")]
LOCALE_PATHS = [BASE / "locale"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"

STATIC_URL = "static/"
STATIC_ROOT = DATA / "static"  # filled at each start (`collectstatic`), compressed and named after its content
STATICFILES_DIRS = [BASE / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024
TEST_RUNNER = "django.test.runner.DiscoverRunner"

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"class": "mydevices.logs.Line", "format": "{asctime} {levelname} {name} {message}", "style": "{"}
    },
    "filters": {"mask_paths": {"()": "mydevices.logs.MaskPaths"}},
    "handlers": {"terminal": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["mask_paths"]}},
    "root": {"handlers": ["terminal"], "level": "INFO"},
    "loggers": {
        "httpx2": {"level": "WARNING"},
        "django": {"level": "INFO"},  # and none of Django's own handlers, which would write the lines unmasked
        "django.request": {"level": "ERROR"},
    },
}
