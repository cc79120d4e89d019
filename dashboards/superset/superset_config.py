"""Superset's settings. Read by Superset itself, in its own environment; nothing of ours can be imported here.

What belongs here: what differs from Superset's defaults, and why. Addresses and secrets come from the environment that
`energy-assets dashboards` gives; none has a default.
"""

import hashlib
import hmac
import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

from superset.config import TALISMAN_CONFIG, THEME_DEFAULT

STATE = Path(os.environ["ENERGY_SUPERSET_STATE"])

SECRET_KEY = os.environ["ENERGY_SUPERSET_SECRET_KEY"]
# Superset's own values of these stand in its source for everybody to read. Nothing here uses them yet; what will, finds a secret.
GUEST_TOKEN_JWT_SECRET, GLOBAL_ASYNC_QUERIES_JWT_SECRET = (
    hmac.digest(SECRET_KEY.encode(), purpose, hashlib.sha256).hex()
    for purpose in (b"guest tokens", b"asynchronous queries")
)
SQLALCHEMY_DATABASE_URI = os.environ["ENERGY_SUPERSET_DATABASE_URL"]
# Connections that went away with a restarted Postgres are noticed instead of failing a page.
SQLALCHEMY_ENGINE_OPTIONS = {"pool_pre_ping": True}

# A reader may choose the other language of Superset's own buttons; the pages are in this one.
BABEL_DEFAULT_LOCALE = os.environ["ENERGY_SUPERSET_LANGUAGE"]
LANGUAGES = {"en": {"flag": "us", "name": "English"}, "fr": {"flag": "fr", "name": "Français"}}
if BABEL_DEFAULT_LOCALE == "fr":
    D3_FORMAT = {"decimal": ",", "thousands": "\u202f", "grouping": [3], "currency": ["", "\u202f€"]}
    D3_TIME_FORMAT = {
        "dateTime": "%A %e %B %Y à %X",
        "date": "%d/%m/%Y",
        "time": "%H:%M:%S",
        "periods": ["", ""],
        "days": ["dimanche", "lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi"],
        "shortDays": ["dim.", "lun.", "mar.", "mer.", "jeu.", "ven.", "sam."],
        "months": [
            *("janvier", "février", "mars", "avril", "mai", "juin"),
            *("juillet", "août", "septembre", "octobre", "novembre", "décembre"),
        ],
        "shortMonths": [
            *("janv.", "févr.", "mars", "avr.", "mai", "juin"),
            *("juil.", "août", "sept.", "oct.", "nov.", "déc."),
        ],
    }

APP_NAME = "Energy Assets"
THEME_DEFAULT = {**THEME_DEFAULT, "token": {**THEME_DEFAULT["token"], "brandAppName": APP_NAME}}
# A browser sends cookies to every port of a host: two homes, or another program on this machine, must not share one.
SESSION_COOKIE_NAME = f"energy_superset_{os.environ['ENERGY_SUPERSET_PORT']}"

# Days are swapped whole, when they are ready: what is a minute old is as good as new, and a page opened twice asks once.
REDIS = os.environ.get("ENERGY_SUPERSET_REDIS_URL")
FILES = {"CACHE_TYPE": "FileSystemCache", "CACHE_DIR": str(STATE / "cache"), "CACHE_THRESHOLD": 1000}
SHARED = {"CACHE_TYPE": "RedisCache", "CACHE_REDIS_URL": f"{REDIS}/0", "CACHE_KEY_PREFIX": "superset_"}
DATA_CACHE_CONFIG = {**(SHARED if REDIS else FILES), "CACHE_DEFAULT_TIMEOUT": 60}
CACHE_CONFIG = DATA_CACHE_CONFIG


class CeleryConfig:
    """Workers, where there is a Redis to give them work: long questions of SQL Lab go on when the reader's browser is closed."""

    broker_url = f"{REDIS}/1"
    result_backend = f"{REDIS}/2"
    imports = ("superset.sql_lab", "superset.tasks.scheduler")
    worker_prefetch_multiplier = 1
    task_acks_late = True
    broker_connection_retry_on_startup = True


CELERY_CONFIG = CeleryConfig if REDIS else None
if REDIS:
    from flask_caching.backends.rediscache import RedisCache

    _address = urlsplit(REDIS)
    RESULTS_BACKEND = RedisCache(
        host=_address.hostname,
        port=_address.port or 6379,
        password=unquote(_address.password) if _address.password else None,
        db=3,
        key_prefix="superset_results_",
    )

# Off in Superset too, but no newer version shall switch it on: templates in the SQL of whoever may write SQL run in this process.
FEATURE_FLAGS = {
    "ENABLE_TEMPLATE_PROCESSING": False,
    "ALLOW_ADHOC_SUBQUERY": False,
    "EMBEDDED_SUPERSET": False,
    "GLOBAL_ASYNC_QUERIES": False,
}
# Superset lets two hosts of maps read its answers; no map of ours is drawn there.
ENABLE_CORS = False

# Everything that a page needs is served from here; its counting pixel, its maps and its fonts elsewhere are not asked for.
_POLICY = TALISMAN_CONFIG["content_security_policy"]
TALISMAN_CONFIG = {
    **TALISMAN_CONFIG,
    "content_security_policy": {
        **_POLICY,
        "img-src": ["'self'", "blob:", "data:"],
        "connect-src": ["'self'"],
        "style-src": ["'self'", "'unsafe-inline'"],
        "font-src": ["'self'"],
    },
}

# A question that takes longer has lost its reader.
SQLLAB_TIMEOUT = 60
SUPERSET_WEBSERVER_TIMEOUT = 60
