"""Acme's connector is held to what every connector must do; tests of its own facts follow here."""

from acme import AcmeConnector
from gateway.sdk.testing import suite_of

TestAcme = suite_of(AcmeConnector)
