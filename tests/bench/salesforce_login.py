"""How the yardsticks reach the local org: logged in once, over connections that stay open."""

from __future__ import annotations

import requests
from simple_salesforce import Salesforce

from gateway.salesforce.transport import allow_plain, http_session

VERSION = "62.0"
_LIMITS = (5.0, 60.0)


def session() -> requests.Session:
    return http_session(_LIMITS)


def token(org_url: str) -> str:
    form = {"grant_type": "client_credentials", "client_id": "devorg-client", "client_secret": "devorg-secret"}
    answer = requests.post(f"{org_url}/services/oauth2/token", data=form, timeout=60)
    answer.raise_for_status()
    return str(answer.json()["access_token"])


def log_in(org_url: str) -> Salesforce:
    http = session()
    allow_plain(http, org_url, _LIMITS)  # simple-salesforce says https whatever the address
    return Salesforce(session_id=token(org_url), instance_url=org_url, session=http, version=VERSION)
