"""The usual Python ingress: FastAPI on uvicorn (uvloop, httptools), PyJWT, aiokafka."""

from __future__ import annotations

import json
import os
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jwt
import uvicorn
from aiokafka import AIOKafkaProducer
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

TOPIC = os.environ["BENCH_SOURCE"]
KEY = Path(os.environ["BENCH_KEY"]).read_text()


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    producer = AIOKafkaProducer(
        bootstrap_servers=os.environ["BENCH_BOOTSTRAP"],
        acks="all",
        enable_idempotence=True,
        linger_ms=2,
        max_batch_size=262_144,
        compression_type="lz4",
    )
    await producer.start()
    app.state.producer = producer
    yield
    await producer.stop()


app = FastAPI(lifespan=lifespan)


@app.get("/readyz")
async def ready() -> dict[str, str]:
    return {}


@app.post("/webhooks/wix")
async def webhook(request: Request) -> Response:
    token = await request.body()
    try:
        claims: dict[str, Any] = jwt.decode(
            token, KEY, algorithms=["RS256"], options={"verify_aud": False, "verify_iat": False}
        )
    except jwt.InvalidTokenError:
        return JSONResponse({}, 401)
    envelope = json.loads(claims["data"])
    event = json.loads(envelope["data"])
    await app.state.producer.send_and_wait(
        TOPIC,
        envelope["data"].encode(),
        key=event["entityId"].encode(),
        headers=[
            ("ce_id", event["id"].encode()),
            ("ce_type", envelope["eventType"].encode()),
            ("ce_instanceid", envelope["instanceId"].encode()),
            ("content-type", b"application/json"),
        ],
    )
    return JSONResponse({})


if __name__ == "__main__":
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=int(os.environ["BENCH_PORT"]),
        loop="uvloop",
        http="httptools",
        log_level="warning",
        access_log=False,
        backlog=4096,
    )
