"""Serve `tests.front.app` as `./run serve` serves the product: python -m tests.front.serve PORT [WORKERS]"""

import sys

from mydevices.cli import web

if __name__ == "__main__":
    web.serve(
        target="tests.front.app:application",
        address="127.0.0.1",
        port=int(sys.argv[1]),
        workers=int(sys.argv[2]) if len(sys.argv) > 2 else 1,
    )
