"""The use cases: what the gateway does, told in terms of ports and the domain."""
