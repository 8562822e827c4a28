"""Speeds and memory of the gateway, each beside its yardstick measured in the same run: `python -m tests.bench`."""
