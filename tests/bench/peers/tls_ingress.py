"""The product's ingress with TLS ended by itself; the product leaves it to who is in front.

Only the benchmark needs it: to say what TLS costs if no other machine takes it.
"""

from __future__ import annotations

import os
import ssl
import sys

from streams.config import load_settings
from streams.ingress.server import serve


def main() -> int:
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(os.environ["BENCH_CERTIFICATE"])
    return serve(load_settings(), tls)


if __name__ == "__main__":
    sys.exit(main())
