"""`gateway.yaml` and the environment, read into typed settings; every problem is listed at once, with its line."""

from gateway.config.document import EXAMPLE
from gateway.config.matching import load_match_policy
from gateway.config.pairs import mapping_path
from gateway.config.reading import OVERRIDES, load
from gateway.config.settings import (
    Auth,
    ClientCredentials,
    Config,
    ConnectionConfig,
    ContactColumns,
    JwtBearer,
    OrgConfig,
    PairConfig,
    RefreshToken,
    SecretText,
)

__all__ = [
    "EXAMPLE",
    "OVERRIDES",
    "Auth",
    "ClientCredentials",
    "Config",
    "ConnectionConfig",
    "ContactColumns",
    "JwtBearer",
    "OrgConfig",
    "PairConfig",
    "RefreshToken",
    "SecretText",
    "load",
    "load_match_policy",
    "mapping_path",
]
