"""simple-salesforce's client, reading JSON faster. It takes 20 MB: imported only where an org is talked to."""

from __future__ import annotations

from typing import Any

import orjson
import requests
from simple_salesforce.api import Salesforce


class Client(Salesforce):
    """Makes the calls of one login."""

    def parse_result_to_json(self, result: requests.Response) -> Any:
        """The answer's value; what is no JSON is refused as simple-salesforce does."""
        try:
            return orjson.loads(result.content)
        except orjson.JSONDecodeError:
            return super().parse_result_to_json(result)
