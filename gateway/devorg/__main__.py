"""``python -m gateway.devorg --port 8090 [--seed FILE]``."""

from __future__ import annotations

import argparse
import sys

from gateway.devorg import create_server


def main() -> None:
    """Serve an org and say where."""
    parser = argparse.ArgumentParser(
        prog="python -m gateway.devorg", description="A strict local Salesforce org, in memory."
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8090)
    parser.add_argument("--seed", help="YAML file of records; default: the one in the package")
    parser.add_argument("--log", action="store_true", help="one line per request on standard error")
    arguments = parser.parse_args()
    with create_server(arguments.host, arguments.port, arguments.seed, log_requests=arguments.log) as server:
        sys.stdout.write(f"{server.url}\n")
        sys.stdout.flush()
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return


if __name__ == "__main__":
    main()
