"""The product's ingress with TLS ended by granian itself; the product leaves it to who is in front.

Only the benchmark needs it: to say what TLS costs if no other machine takes it.
"""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path

from granian.server.embed import Server

from streams.config import load_settings
from streams.ingress import server


def main() -> int:
    certificate = Path(os.environ["BENCH_CERTIFICATE"])
    server.Server = partial(Server, ssl_cert=certificate, ssl_key=certificate)  # type: ignore[assignment,attr-defined]
    return server.serve(load_settings())


if __name__ == "__main__":
    sys.exit(main())
