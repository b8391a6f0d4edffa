"""The least that the web server can do, to see what the load generator itself reaches: `python -m tests.bench.bare
PORT WORKERS`."""

import sys
from typing import Any

from mydevices.cli import web

_TYPE = [("content-type", "text/plain")]


async def application(_scope: Any, exchange: Any) -> None:
    exchange.response_bytes(200, _TYPE, b"bare\n")


if __name__ == "__main__":
    web.serve(
        target="tests.bench.bare:application", address="127.0.0.1", port=int(sys.argv[1]), workers=int(sys.argv[2])
    )
