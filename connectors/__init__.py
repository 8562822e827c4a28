"""One folder per platform; each exports one connector class, registered as an entry point in `pyproject.toml`."""
