"""Settings as in production: no debugging, connections that last, no middleware without use."""

import os

SECRET_KEY = os.environ["PEER_SECRET_KEY"]
DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1"]
# The second for its classes of index operators.
INSTALLED_APPS = ["clinic", "django.contrib.postgres"]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "clinic.access.TokenMiddleware",
]
ROOT_URLCONF = "peer.urls"
WSGI_APPLICATION = "peer.wsgi.application"
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": os.environ["PEER_DATABASE"],
        "USER": os.environ["PEER_DATABASE_USER"],
        "PASSWORD": os.environ["PEER_DATABASE_PASSWORD"],
        "HOST": os.environ["PEER_DATABASE_HOST"],
        "CONN_MAX_AGE": None,
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
TIME_ZONE = "UTC"
REDIS_URL = os.environ["PEER_REDIS_URL"]
MODEL_DIR = os.environ["PEER_MODEL_DIR"]
LOGGING = {
    "version": 1,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
}
