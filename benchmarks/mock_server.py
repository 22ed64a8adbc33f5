"""An OpenAI-compatible server that only waits and answers: for measuring clients.

    python benchmarks/mock_server.py --latency 0.05

It speaks just enough HTTP/1.1 (keep-alive, Content-Length) to serve more than 10,000 requests
a second on one core. Every chat gets a new instruction between ``<INS>`` tags if it asks for
one, and else one of two labels. It prints its port, and stops when its input is closed; then it
prints when each request arrived and was answered (seconds of the machine's monotonic clock), and
whether it asked for an instruction. With ``--refuse 0.01`` it refuses one request in a hundred, at
random, with a status of 429 that asks to wait as long as a reply takes. With ``--allow 600`` it
refuses in the same way what comes after 600 requests in the last minute, and prints in the end, on
standard error, how many it has refused.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import math
import random
import sys
from collections import deque
from typing import cast

NUMBERS = itertools.count()
REFUSED = b"HTTP/1.1 429 Too Many Requests\r\nretry-after-ms: %d\r\nContent-Length: 2\r\n\r\n{}"
SERVED: list[tuple[float, float, bool]] = []
MINUTE = 60.0  # seconds


class Allowance:
    """Lets so many requests pass in any minute.

    Attributes:
        refused: How many it did not let pass.
    """

    def __init__(self, most: int) -> None:
        self.most, self.refused = most, 0
        self.passed: deque[float] = deque()

    def passes(self, now: float) -> bool:
        """Say whether a request that comes now is answered."""
        while self.passed and self.passed[0] <= now - MINUTE:
            self.passed.popleft()
        if self.most and len(self.passed) >= self.most:
            self.refused += 1
            return False
        self.passed.append(now)
        return True


class Connection(asyncio.Protocol):
    """One kept-alive connection: requests are answered in their order."""

    def __init__(self, given: argparse.Namespace, allowance: Allowance, rng: random.Random) -> None:
        self.latency, self.spread, self.refuse = given.latency, given.spread, given.refuse
        self.allowance, self.rng = allowance, rng
        self.buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Answer every whole request in the buffer after its latency, or refuse it at once."""
        self.buffer += data
        while True:
            head, found, rest = self.buffer.partition(b"\r\n\r\n")
            if not found:
                return
            at = head.lower().find(b"content-length:")
            length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(rest) < length:
                return
            body, self.buffer = rest[:length], rest[length:]
            loop = asyncio.get_running_loop()
            passes = self.allowance.passes(loop.time())
            if not passes or (self.refuse and self.rng.random() < self.refuse):
                self.transport.write(REFUSED % (1000 * self.latency))
                continue
            loop.call_later(self.wait(), self.answer, body, loop.time())

    def wait(self) -> float:
        """Return the seconds of one reply: constant, or log-normal around the median."""
        if not self.spread:
            return self.latency
        return self.latency * math.exp(self.rng.gauss(0.0, self.spread))

    def answer(self, body: bytes, arrived: float) -> None:
        """Send one reply."""
        number = next(NUMBERS)
        asks = b"<INS> and </INS>" in body
        SERVED.append((arrived, asyncio.get_running_loop().time(), asks))
        text = f"<INS>Think of {number} and answer.</INS>" if asks else ("yes", "no")[number % 2]
        reply = json.dumps(
            {
                "choices": [{"message": {"content": text}, "finish_reason": "stop"}],
                "usage": {"prompt_tokens": 40, "completion_tokens": 2},
            }
        ).encode()
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        if not self.transport.is_closing():
            self.transport.write(head % len(reply) + reply)


async def serve(given: argparse.Namespace) -> None:
    """Serve until standard input is closed."""
    loop = asyncio.get_running_loop()
    rng, allowance = random.Random(0), Allowance(given.allow)
    server = await loop.create_server(
        lambda: Connection(given, allowance, rng), "127.0.0.1", 0, backlog=1024
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    server.close()
    print(json.dumps(SERVED), flush=True)
    if given.allow:
        print(allowance.refused, file=sys.stderr, flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--latency", type=float, default=0.05, help="seconds, the median")
    parser.add_argument("--spread", type=float, default=0.0, help="sigma of the log-normal")
    parser.add_argument("--refuse", type=float, default=0.0, help="share of requests, 0 to 1")
    parser.add_argument("--allow", type=int, default=0, help="requests a minute; 0: any number")
    asyncio.run(serve(parser.parse_args()))
