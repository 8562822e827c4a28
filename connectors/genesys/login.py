"""Logging in to Genesys Cloud with the grant of an OAuth client for itself.

https://developer.genesys.cloud/authorization/platform-auth/use-client-credentials; the address is where
https://github.com/MyPureCloud/platform-client-sdk-python (`api_client.py`) has it: `login.` of the same region.
"""

from __future__ import annotations

import re
from typing import Any

from gateway.sdk.http import Api
from gateway.sdk.login import ClientLogin


def login_url(api_url: str) -> str:
    """Where to log in for the interface at an address."""
    return re.sub(r"//api\.", "//login.", api_url, count=1)


def login_to(api_url: str, client_id: str, client_secret: str, **more: Any) -> ClientLogin:
    """Who we are to one region; `more` as for `ClientLogin`."""
    api, form = Api(login_url(api_url)), {"grant_type": "client_credentials"}
    return ClientLogin(api, "oauth/token", form, client_id=client_id, client_secret=client_secret, **more)
