"""The field mappings that ship with the gateway, as data: `importlib.resources.files("mappings")`."""
