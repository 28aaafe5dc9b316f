"""Reading what a request sends, no more than is allowed."""

from __future__ import annotations

import json
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request


async def read_body(request: Request, longest: int) -> bytes:
    """Return the body. Raises HTTPException 413 for more than `longest` bytes."""
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > longest:
            raise HTTPException(413, f"at most {longest} bytes are taken")
    return body


async def read_json(request: Request, longest: int) -> Any:
    """Return the body's JSON. Raises HTTPException 415 for another type, 400 for what is no JSON, 413 for too much."""
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise HTTPException(415, "application/json is needed")
    try:
        return json.loads(await read_body(request, longest))
    except (ValueError, RecursionError) as error:
        raise HTTPException(400, f"not JSON: {error}") from error
