"""What of a database URL may stand in a declaration, which the registry stores for anyone to read."""

from itertools import count
from urllib.parse import parse_qsl

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from storekeeper.errors import DefinitionError, listing
from storekeeper.settings import REFERENCE

# Options of SQLAlchemy's dialects and of the drivers below them, and of the warehouses' dialects, whose values are
# names, numbers, switches or paths. Any other may carry a credential, whatever it is called.
HARMLESS_OPTIONS = frozenset(
    {
        "application_name", "applicationintent", "authenticator", "autocommit", "cache", "catalog", "charset",
        "client_encoding", "connect_timeout", "driver", "encrypt", "host", "http_path", "immutable", "mode", "plugin",
        "port", "read_timeout", "role", "schema", "service_name", "sslmode", "sslrootcert", "ssl_ca", "ssl_mode",
        "target_session_attrs", "timeout", "timezone", "trusted_connection", "trustservercertificate", "unix_socket",
        "uri", "warehouse",
    }
)  # fmt: skip
# One value that holds several, as an ODBC connection string or a URL does.
_NESTED = frozenset(";=@&")
_ADVICE = "Put the URL in an environment variable and declare url='${NAME}', or only the secret: 'password=${NAME}'."


def refuse_secrets(source: str, url: str) -> None:
    """Refuse a URL that spells out a password, or an option that may be one; no part of it is repeated.

    What `${NAME}` stands for is not looked at, for it is not stored; the default in `${NAME:-default}` is.

    Raises
    ------
    DefinitionError
        Also where it can't be read as a URL.
    """
    unknown = _unknown(url)
    plain = REFERENCE.sub(lambda match: match.group(2) or unknown, url)
    parsed = _parsed(source, plain, unknown)
    if str(parsed.password or "").replace(unknown, ""):
        raise DefinitionError(f"Source '{source}' has a password in its URL, which the registry would store. {_ADVICE}")
    # One without a value is kept too: SQLAlchemy passes over it, the registry doesn't.
    for name, value in parse_qsl(plain.partition("?")[2], keep_blank_values=True):
        told = (value or name).replace(unknown, "")
        if told and (name.lower() not in HARMLESS_OPTIONS or _NESTED & set(value)):
            raise DefinitionError(
                f"Source '{source}' has an option in its URL that may be a secret, which the registry would store. "
                f"Spelled out there may be: {listing(HARMLESS_OPTIONS)}; and none of them with a value that holds one "
                f"of {listing(_NESTED)}. {_ADVICE}"
            )


def secret_options(url: URL) -> list[str]:
    """Values of a URL's options that may be secrets, for messages to leave them out."""
    found = url.normalized_query.items()
    return [value for name, values in found for value in values if name.lower() not in HARMLESS_OPTIONS]


def _unknown(url: str) -> str:
    """Stands for what a variable may hold, a port too, and is not part of the URL itself."""
    return next(str(number) for number in count(48151) if str(number) not in url)


def _parsed(source: str, plain: str, unknown: str) -> URL:
    """The URL; where a reference may stand for its beginning, what follows it as that of some URL."""
    readings = [plain, f"any://{plain}"] if plain.startswith(unknown) else [plain]
    for reading in readings:
        try:
            return make_url(reading)
        except (ArgumentError, ValueError):
            continue
    raise DefinitionError(
        f"Source '{source}' needs a SQLAlchemy URL such as 'sqlite:///data/shop.db' or a reference such as "
        f"'${{STOREKEEPER_DATABASE_URL}}'."
    )
