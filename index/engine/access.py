"""How every verb reaches a search engine: its hosts, and credentials and certificates from the environment."""

from __future__ import annotations

import base64
import os
import ssl
from dataclasses import dataclass
from urllib.parse import urlsplit

from relsearch.core.errors import ConfigError, SearchEngineError
from relsearch.core.ids import shown

API_KEY = "RELSEARCH_ES_API_KEY"
USER, PASSWORD = "RELSEARCH_ES_USER", "RELSEARCH_ES_PASSWORD"
CA_CERT = "RELSEARCH_ES_CA_CERT"
CLIENT_CERT, CLIENT_KEY = "RELSEARCH_ES_CLIENT_CERT", "RELSEARCH_ES_CLIENT_KEY"
CREDENTIALS = f"{API_KEY}, or {USER} and {PASSWORD}"
_CHECK_URL = "check that it runs there, or give another address"
_UNAUTHORIZED, _FORBIDDEN = 401, 403


@dataclass(frozen=True, slots=True)
class Access:
    """What reaches an engine: one or more hosts, an API key or a user and password, and what TLS is checked by."""

    hosts: tuple[str, ...]
    api_key: str | None
    login: tuple[str, str] | None
    certificates: ssl.SSLContext | None


def access(name: str, url: str) -> Access:
    """Return how the engine at a URL, or at several that commas separate, is reached.

    Raise ConfigError for what is no URL or holds a password, and for variables that contradict each other.
    """
    hosts = checked_hosts(f"{name} at", url)
    key, user, password = _credentials()
    if key and user:
        raise ConfigError(f"{API_KEY} and {USER} are both set; unset one of them")
    if bool(user) != bool(password):
        raise ConfigError(f"{PASSWORD if user else USER} is not set; {USER} and {PASSWORD} go together")
    if not (key.isascii() and key.isprintable() and " " not in key):
        raise ConfigError(f"{API_KEY} has characters that no API key has; set its encoded form")
    encrypted = any(host.startswith("https:") for host in hosts)
    return Access(hosts, key or None, (user, password) if user else None, tls_context() if encrypted else None)


def checked_hosts(what: str, url: str) -> tuple[str, ...]:
    """Return the URLs that commas separate; raise ConfigError where one is none, or holds a user or password."""
    if "@" in url:  # not shown: it may hold a password
        raise ConfigError(f"{what} a URL with credentials: leave them out, and set {CREDENTIALS}")
    hosts = tuple(host.strip().rstrip("/") for host in url.split(","))
    if not all(map(_is_url, hosts)):
        raise ConfigError(f"{what} {shown(url)}: no URL of a server; write http://HOST:PORT")
    return hosts


def tls_context() -> ssl.SSLContext | None:
    """Return what the named authority and client certificate make; None where the environment names none.

    Raise ConfigError for a file that cannot be read as what it should be.
    """
    authority, certificate, key = (os.environ.get(each) or None for each in (CA_CERT, CLIENT_CERT, CLIENT_KEY))
    if key and not certificate:
        raise ConfigError(f"{CLIENT_CERT} is not set; {CLIENT_KEY} goes with it")
    if not (authority or certificate):
        return None
    try:
        context = ssl.create_default_context(cafile=authority)
    except OSError as exc:
        raise ConfigError(f"{CA_CERT}: {authority}: {exc.strerror or exc}; name a PEM file of certificates") from exc
    if certificate:
        try:
            context.load_cert_chain(certificate, key, password="")
        except OSError as exc:
            files = f"{CLIENT_CERT}: {certificate}" + (f", {CLIENT_KEY}: {key}" if key else "")
            raise ConfigError(f"{files}: {exc.strerror or exc}; name PEM files, the key not encrypted") from exc
    return context


def unreachable(name: str, url: str, message: str, *, tls: bool) -> SearchEngineError:
    """Return the error of an engine that gave no answer, by what the client said."""
    text = without_secrets(message)
    if tls:
        return SearchEngineError(f"{name} at {url}: TLS failed: {text}; {tls_advice(text)}")
    closed = "http:" in url and any(word in text.lower() for word in ("closed", "aborted", "reset", "disconnected"))
    return SearchEngineError(f"{name} at {url}: {text}; {_CHECK_URL}" + ("; with TLS write https://" if closed else ""))


def tls_advice(message: str) -> str:
    """Return what to do about a failure of TLS, by what OpenSSL said."""
    lower = message.lower()
    if "mismatch" in lower or "doesn't match" in lower:
        return "use the host name that its certificate is for"
    if "wrong_version_number" in lower or "record layer" in lower:
        return "the server does not speak TLS there; write http://"
    if "verify_failed" in lower or "verify failed" in lower:
        return f"name the authority that signed its certificate: --ca-cert, or {CA_CERT}"
    return f"it may ask for a client certificate: --client-cert and --client-key, or {CLIENT_CERT} and {CLIENT_KEY}"


def permission_advice(status: int, message: str) -> str:
    """Return what to set after a 401 or 403, with the `; ` before it; nothing for what no credentials would help."""
    given = next((each for each in (API_KEY, USER) if os.environ.get(each)), None)
    if status == _UNAUTHORIZED:
        return f"; the server does not accept {given}" if given else f"; set {CREDENTIALS}"
    if status == _FORBIDDEN and "license" not in message:
        return f"; {given} lacks the privilege" if given else f"; set {CREDENTIALS}"
    return ""


def without_secrets(text: str) -> str:
    """Return a message without the key and the password, should another program have put them there."""
    key, user, password = _credentials()
    token = base64.b64encode(f"{user}:{password}".encode()).decode() if user else ""
    for secret, name in ((key, API_KEY), (token, PASSWORD), (password, PASSWORD)):
        text = text.replace(secret, f"<{name}>") if secret else text
    return text


def _credentials() -> list[str]:
    return [os.environ.get(each, "").strip() for each in (API_KEY, USER, PASSWORD)]


def _is_url(host: str) -> bool:
    try:
        parts = urlsplit(host)
        return bool(
            parts.scheme in ("http", "https") and parts.hostname and parts.hostname.encode("idna") and parts.port != 0
        )
    except ValueError:  # no IPv6 address, no port number, no host name
        return False
