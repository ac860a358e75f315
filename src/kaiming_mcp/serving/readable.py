"""What comes before the SDK's transport: it sees only messages that it can read, and streams that it can open."""

from __future__ import annotations

import mcp_types as types
from starlette.types import ASGIApp, Receive, Scope, Send

from kaiming_mcp.serving.admission import replayed
from kaiming_mcp.serving.messages import Unserved, is_message, messages, unserved
from kaiming_mcp.serving.refusals import Refusal, refuse


class Readable:
    """Answers what is no message, as on stdio; bodies arrive whole, by Admission."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on: as it came, or mended where that costs no more than a character."""
        if scope["method"] == "POST":
            body: bytes = (await receive())["body"]
            if not is_message(body):
                item = next(messages(body), unserved(None, types.INVALID_REQUEST, "A batch of nothing."))
                if isinstance(item, Unserved):
                    error = item.answer.error
                    await refuse(scope, send, Refusal(400, "message", error.message, code=error.code))
                    return
                body = item.model_dump_json(by_alias=True, exclude_unset=True).encode()
            receive = replayed(body, receive)
        else:
            # No event is kept that could be sent again: where one is asked for, the SDK would fail.
            scope["headers"] = [header for header in scope["headers"] if header[0] != b"last-event-id"]
        await self.app(scope, receive, send)
