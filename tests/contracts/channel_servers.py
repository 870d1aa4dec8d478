"""Servers on the loopback that behave well and badly, for the channels' conformance suite."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from tocsin.testing.servers import ANSWERS, Seen, answer, http_server, reset

__all__ = ["ANSWERS", "GATEWAY", "TELNYX", "TWILIO", "Seen", "answer", "http_server", "smtp_server"]

# what the providers of SMS and calls say; the rest is as everywhere
TWILIO = ANSWERS | {
    "well": answer("201 Created", '{"sid": "SM1", "status": "queued"}'),
    "bad-number": answer("400 Bad Request", '{"code": 21211, "message": "not a valid phone number", "status": 400}'),
    "stopped": answer("400 Bad Request", '{"code": 21610, "message": "unsubscribed recipient", "status": 400}'),
    "no-sender": answer("400 Bad Request", '{"code": 21606, "message": "From is not yours", "status": 400}'),
    "limited": answer("429 Too Many Requests", '{"code": 20429, "message": "slow down"}', "Retry-After: 7\r\n"),
    "not-theirs": answer("200 OK", "[]"),
    "html": b"HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n<html>no</html>",
}
TELNYX = ANSWERS | {
    "well": answer("200 OK", '{"data": {"id": "SM1", "sid": "SM1", "status": "queued"}}'),
    "bad-number": answer("400 Bad Request", '{"errors": [{"code": "40310", "title": "Invalid \'to\' address"}]}'),
    "stopped": answer("400 Bad Request", '{"errors": [{"code": "40300", "title": "Blocked due to STOP message"}]}'),
    "no-sender": answer("400 Bad Request", '{"errors": [{"code": "40305", "title": "Invalid \'from\' address"}]}'),
    "limited": answer("429 Too Many Requests", '{"errors": [{"code": "10011"}]}', "Retry-After: 7\r\n"),
    "not-theirs": answer("200 OK", "[]"),
    "html": b"HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n<html>no</html>",
}
GATEWAY = ANSWERS | {
    "well": answer("200 OK", '{"ref": "SM1"}'),
    "bad-number": answer("422 Unprocessable Content", '{"problem": "number", "detail": "no such subscriber"}'),
    "stopped": answer("422 Unprocessable Content", '{"problem": "number", "detail": "barred there"}'),
    "no-sender": answer("409 Conflict", '{"problem": "account", "detail": "the SIM asks for its PUK"}'),
    "limited": answer("503 Service Unavailable", '{"problem": "later", "detail": "no network"}', "Retry-After: 7\r\n"),
    "not-theirs": answer("200 OK", "[]"),
    "html": b"HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n<html>no</html>",
}


@asynccontextmanager
async def smtp_server(answer: Callable[[str], str | None], lines: list[str] | None = None) -> AsyncIterator[Seen]:
    """An SMTP server of few words. ``answer(command)``: what to say instead of the usual; ``None``: the usual;
    ``"silent"``: nothing; ``"reset"``: hang up hard. ``lines`` gets the commands as they came."""
    seen = Seen()
    writers: list[asyncio.StreamWriter] = []
    usual = {"EHLO": "250 local", "HELO": "250 local", "DATA": "354 go on", "QUIT": "221 bye"}

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)

        async def say(command: str, default: str) -> bool:
            said = answer(command) or default
            if said == "silent":
                await asyncio.sleep(60)
            if said == "reset":
                reset(writer)
                return False
            writer.write(said.encode("latin-1") + b"\r\n")
            await writer.drain()
            return True

        try:
            alive = await say("CONNECT", "220 local")
            while alive and (line := await reader.readline()):
                command = line.decode("latin-1").split()[0].upper()
                if lines is not None:
                    lines.append(line.decode("latin-1").strip())
                alive = await say(command, usual.get(command, "250 ok"))
                if command == "DATA" and alive and answer("DATA") is None:
                    body = await reader.readuntil(b"\r\n.\r\n")
                    seen.requests.append(("DATA", {}, body[:-3]))
                    alive = await say("BODY", "250 kept")
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    seen.port = server.sockets[0].getsockname()[1]
    try:
        yield seen
    finally:
        server.close()
        for writer in writers:
            writer.transport.abort()
        await asyncio.sleep(0.01)
