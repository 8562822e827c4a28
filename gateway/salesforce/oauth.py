"""OAuth 2.0 against `<login_url>/services/oauth2/token`: one answer, one token; nothing is kept here.

The flows: https://help.salesforce.com/s/articleView?id=sf.remoteaccess_oauth_jwt_flow.htm (JWT bearer),
…remoteaccess_oauth_client_credentials_flow.htm, …remoteaccess_oauth_refresh_token_flow.htm.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

import requests
import structlog

from gateway.errors import ConfigError, GatewayError, RetryableError
from gateway.salesforce.errors import not_an_answer, redirected, wait_asked, without_personal_data
from gateway.salesforce.settings import Flow, OrgSettings, is_safe_origin
from gateway.salesforce.transport import seconds_ahead

_JWT_SECONDS = 180
"""Salesforce refuses assertions that expire more than five minutes ahead of its own clock."""

MOST_SKEW = 120
"""Seconds that the two clocks may differ, so that an assertion is still one of the next five minutes."""

_log = structlog.get_logger(__name__)


class LoginRefusedError(ConfigError):
    """The org refused the credentials and `answered` so; `fix` says what is wrong and what to do in Setup."""

    def __init__(self, where: str, fix: str, answered: str) -> None:
        super().__init__(f"{where}: {fix} Salesforce answered {answered}.")
        self.fix = fix
        self.answered = answered


@dataclass(frozen=True, slots=True)
class Token:
    """An access token, where it is good for, and whose it is; `refresh` is the refresh token to use next time."""

    access: str
    instance_url: str
    refresh: str | None = None
    user_id: str | None = None

    def __repr__(self) -> str:
        return f"Token(instance_url={self.instance_url!r})"


def fetch_token(http: requests.Session, settings: OrgSettings, now: float, refresh: str | None = None) -> Token:
    """Log in. `refresh` replaces the configured refresh token where the org rotated it.

    LoginRefusedError, ConfigError: a person must change something. RetryableError: the org could not be asked.
    """
    if refresh:
        settings = replace(settings, refresh_token=refresh)
    url = f"{settings.login_url.rstrip('/')}/services/oauth2/token"
    try:
        answer = http.post(url, data=_grant(settings, now), allow_redirects=False)
    except requests.RequestException as error:
        raise RetryableError(f"Org {settings.name!r}: the login did not answer ({type(error).__name__}).") from None
    if answer.status_code != requests.codes.ok:
        raise _refusal(answer, settings, now)
    return _token_of(answer, settings)


def _grant(settings: OrgSettings, now: float) -> dict[str, str]:
    form = {"grant_type": settings.flow.value, "client_id": settings.client_id}
    if settings.flow is Flow.JWT_BEARER:
        return {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": _assertion(settings, now)}
    if settings.client_secret:
        form["client_secret"] = settings.client_secret
    if settings.flow is Flow.REFRESH_TOKEN:
        form["refresh_token"] = settings.refresh_token or ""
    return form


def _assertion(settings: OrgSettings, now: float) -> str:
    import jwt  # noqa: PLC0415 (brings 10 MB of cryptography, needed by this flow only)

    claims = {
        "iss": settings.client_id,
        "sub": settings.username,
        "aud": _audience(settings.login_url),
        "exp": int(now) + _JWT_SECONDS,
    }
    try:
        return jwt.encode(claims, settings.private_key or "", algorithm="RS256")
    except (ValueError, TypeError, jwt.PyJWTError):
        raise ConfigError(
            f"Org {settings.name!r}: auth.private_key is not an unencrypted RSA private key in PEM form."
        ) from None


def _audience(login_url: str) -> str:
    """Salesforce accepts its shared login hosts, also for a login sent to the org's own domain, and a site's address.

    The names of sandboxes' own domains have two hyphens, with and without enhanced domains.
    """
    host = urlsplit(login_url).hostname or ""
    if not host.endswith(".salesforce.com"):
        return login_url.rstrip("/")
    is_sandbox = host == "test.salesforce.com" or host.endswith(".sandbox.my.salesforce.com") or "--" in host
    return f"https://{'test' if is_sandbox else 'login'}.salesforce.com"


def _token_of(answer: requests.Response, settings: OrgSettings) -> Token:
    told = _json(answer)
    access, instance_url = told.get("access_token"), told.get("instance_url")
    if not isinstance(access, str) or not isinstance(instance_url, str):
        raise not_an_answer(f"Org {settings.name!r}: login_url")
    if not is_safe_origin(instance_url):
        raise ConfigError(f"Org {settings.name!r}: the login named an instance without https; the token was not used.")
    refresh = told.get("refresh_token") or settings.refresh_token
    if refresh != settings.refresh_token:
        _log.warning("salesforce.refresh_token_rotated", org=settings.name, fix=_NO_ROTATION)
    # The identity URL ends in the ids of the org and of the user.
    user_id = str(told.get("id") or "").rpartition("/")[2] or None
    return Token(access, instance_url.rstrip("/"), refresh, user_id)


def _json(answer: requests.Response) -> dict[str, Any]:
    try:
        told = answer.json()
    except requests.JSONDecodeError:
        return {}
    return told if isinstance(told, dict) else {}


# --- refusals ------------------------------------------------------------------------------------------------------

_NO_ROTATION = (
    "The app replaces its refresh token at every use, and the new one is lost when the gateway ends: switch Refresh"
    " Token Rotation off in the app's policies, or use the flow client_credentials or jwt_bearer."
)
_APP = "Setup → External Client App Manager → the gateway's app"
_PRE_AUTHORISE = (
    f"the user may not use the app: {_APP} → Policies → Permitted Users = Admin approved users are pre-authorized, and"
    " select a permission set or profile that the integration user has."
)
_FIXES = {
    "invalid_client_id": "client_id is not known to this org: copy the app's Consumer Key; a new app is known after"
    " some minutes, and a sandbox has apps of its own.",
    "no client credentials user": f"no user is set to run as: {_APP} → Policies → Client Credentials Flow → Run As.",
    "invalid client credentials": "client_secret is wrong: copy the app's Consumer Secret.",
    "invalid_client": "client_id or client_secret is wrong: copy the app's Consumer Key and Secret.",
    "not supported on this domain": "this flow needs the org's own domain as login_url: copy it from Setup →"
    " My Domain.",
    "hasn't approved": _PRE_AUTHORISE,
    "not admin approved": _PRE_AUTHORISE,
    "invalid_app_access": _PRE_AUTHORISE,
    "audience": "the assertion was made out to another host: let login_url be https://test.salesforce.com for a"
    " sandbox, https://login.salesforce.com or the org's own domain for any other org.",
    "expired authorization code": "the assertion had expired: set this machine's clock by NTP.",
    "invalid assertion": "the assertion was not accepted: upload the certificate that belongs to auth.private_key in"
    f" {_APP}, and check client_id and auth.username.",
    "expired access/refresh token": "the refresh token was revoked, has expired or was replaced: authorise the app"
    " again and put the new token into auth.refresh_token. Rotating tokens and policies other than “valid until"
    " revoked” end it: prefer the flow client_credentials or jwt_bearer.",
    "inactive": "the integration user is not active: Setup → Users → the user → Edit → Active; an org that was"
    " closed or locked says the same.",
    "ip restricted": f"this machine's address is not allowed: {_APP} → Policies → IP Relaxation, or Login IP Ranges in"
    " the user's profile.",
    "unsupported_grant_type": f"the flow is not enabled: {_APP} → Settings → Flow Enablement; or login_url is not the"
    " host of a login.",
    "unauthorized_client": f"the app may not use this flow: {_APP} → Settings → Flow Enablement.",
    "invalid_grant": "the org refused the login: Setup → Users → the integration user → Login History names the"
    " reason.",
}
"""By a piece of Salesforce's `error: error_description`, the most telling first.

https://help.salesforce.com/s/articleView?id=xcloud.remoteaccess_oauth_flow_errors.htm has the codes and some of the
descriptions; the others are as clients of this API report them.
"""


def _refusal(answer: requests.Response, settings: OrgSettings, now: float) -> GatewayError:
    where, status = f"Org {settings.name!r}, login by {settings.flow.value}", answer.status_code
    if status < 400:
        return redirected(where, status, answer.headers)
    told = _json(answer)
    code, detail = str(told.get("error") or "no error code"), str(told.get("error_description") or "")
    if status >= 500 or status in {408, 420, 429} or code in _PASSING:
        return RetryableError(f"{where}: the login service answered {status} {code}.", after=wait_asked(answer.headers))
    if "login rate" in detail:
        return RetryableError(f"{where}: logins come too fast.", after=60)
    said = without_personal_data(detail)
    skewed = _skew(answer, now) if settings.flow is Flow.JWT_BEARER and code == "invalid_grant" else None
    fix = skewed or _fix(f"{code}: {detail}".lower())
    return LoginRefusedError(where, fix, f"{status} {code}" + (f" ({said})" if said else ""))


_PASSING = frozenset({"server_error", "temporarily_unavailable", "unknown_error"})


def _fix(said: str) -> str:
    return next((fix for sign, fix in _FIXES.items() if sign in said), "check login_url and the auth settings.")


def _skew(answer: requests.Response, now: float) -> str | None:
    """What is wrong with our clock, by the one of the org."""
    ahead = seconds_ahead(answer, now) or 0
    if abs(ahead) <= MOST_SKEW:
        return None
    side = "ahead of" if ahead > 0 else "behind"
    return f"this machine's clock is {abs(ahead)} s {side} the org's, so that assertions are refused: set it by NTP."
