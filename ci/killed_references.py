"""What SIGKILL and SIGTERM leave of usage, in both references, seen from outside: by callers, by the AI Gateway, and in the files.

Never reaches into a program: it is started, asked over a socket, and ended by a signal.
"""

import argparse
import asyncio
import base64
import contextlib
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

CALLERS = 16
CHATS_OF_A_CONVERSATION = 6
AUDIENCE = "audience-tag"
MODEL = "gpt-4o-mini"
# The development seed's key of alice, which is no secret.
KEY = "mpk_alice_development_key_which_is_no_secret_AA"


class Loss(Exception):
    """Something is there that must not be, or is gone."""


def demand(holds: bool, what: str) -> None:
    if not holds:
        raise Loss(what)


async def read_message(reader: asyncio.StreamReader) -> tuple[str, bytes] | None:
    """First line and body of a request or an answer; None at the end of the connection."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    length = 0
    lines = head.decode("latin-1").split("\r\n")
    for line in lines[1:]:
        name, _, value = line.partition(":")
        if name.lower() == "content-length":
            length = int(value)
    try:
        body = await reader.readexactly(length)
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    return lines[0], body


class Surroundings:
    """AI Gateway and team domain. A chat's number is its last message; its tokens are that number and twice as many."""

    def __init__(self) -> None:
        self.called: set[int] = set()
        self.team = TeamKey()
        self.origin = ""

    async def start(self) -> None:
        server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        self.origin = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while (message := await read_message(reader)) is not None:
                line, body = message
                answer = self.team.key_set if line.startswith("GET") else self.complete(json.loads(body))
                text = json.dumps(answer).encode()
                head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(text)}\r\n\r\n"
                writer.write(head.encode() + text)
                await writer.drain()
        writer.close()

    def complete(self, chat: dict) -> dict:
        number = int(chat["messages"][-1]["content"])
        self.called.add(number)
        message = {"role": "assistant", "content": f"answer {number}"}
        usage = {"prompt_tokens": number, "completion_tokens": 2 * number}
        return {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}], "usage": usage}


class TeamKey:
    """An RSA key, and tokens by it: by the openssl program, for Python has no RSA of its own."""

    def __init__(self) -> None:
        self.pem = subprocess.run(["openssl", "genrsa", "2048"], check=True, capture_output=True).stdout
        told = self.openssl("rsa", "-noout", "-modulus").decode().strip()
        modulus = bytes.fromhex(told.removeprefix("Modulus="))
        key = {"kid": "key-1", "kty": "RSA", "alg": "RS256", "use": "sig", "n": encoded(modulus), "e": "AQAB"}
        self.key_set = {"keys": [key]}

    def openssl(self, *words: str) -> bytes:
        return subprocess.run(["openssl", *words], input=self.pem, check=True, capture_output=True).stdout

    def token(self, issuer: str) -> str:
        claims = {"aud": [AUDIENCE], "iss": issuer, "exp": 4_000_000_000, "type": "app", "email": "ops@example.test"}
        parts = [encoded(json.dumps(part).encode()) for part in ({"alg": "RS256", "kid": "key-1"}, claims)]
        text = ".".join(parts)
        with tempfile.NamedTemporaryFile() as file:
            file.write(self.pem)
            file.flush()
            command = ["openssl", "dgst", "-sha256", "-sign", file.name]
            signature = subprocess.run(command, input=text.encode(), check=True, capture_output=True).stdout
        return f"{text}.{encoded(signature)}"


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Reference:
    """One program with its files. What differs between the two is in the classes below."""

    name = ""
    # Whether the row of an answered chat is there before the answer is.
    is_written_first = False

    def __init__(self, command: list[str], folder: Path, around: Surroundings) -> None:
        self.command, self.folder, self.around = command, folder, around
        self.answered: set[int] = set()
        self.seen: set[int] = set()
        self.number = 0
        self.port = 0
        self.process: subprocess.Popen | None = None

    def variables(self) -> dict[str, str]:
        return {
            "CF_ACCESS_TEAM_DOMAIN": self.around.origin,
            "CF_ACCESS_AUD": AUDIENCE,
            "AI_GATEWAY_BASE_URL": f"{self.around.origin}/v1/account/gateway",
            "CLOUDFLARE_AI_GATEWAY_API_KEY": "gateway-key-0815",
        }

    def start(self) -> None:
        environment = {"PATH": os.environ["PATH"], **self.variables()}
        command = [*self.command, "--listen", "127.0.0.1:0"]
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=log, text=True)
        line = self.process.stdout.readline()
        demand("http://" in line, f"{self.name} did not start: {line!r}")
        self.port = int(line.rsplit(":", 1)[1])

    async def ask(self, line: str, headers: dict[str, str], body: object) -> tuple[int, bytes]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            return await exchange(reader, writer, line, headers, body)
        finally:
            writer.close()

    def connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self.folder / "db", timeout=10)

    def rows(self) -> list[tuple[int, int]]:
        raise NotImplementedError

    def check(self, answered: set[int]) -> None:
        """All that must be true of the file, whatever came before."""
        rows = self.rows()
        numbers = [number for number, _ in rows]
        demand(all(twice == 2 * number for number, twice in rows), "a half row")
        demand(len(numbers) == len(set(numbers)), "a doubled row")
        demand(set(numbers) <= self.around.called, "a row of a chat that nobody was asked for")
        demand(self.seen <= set(numbers), "a row is gone that a reader had seen")
        lost = answered - set(numbers)
        demand(not lost, f"answered, and no row: {sorted(lost)[:5]}")
        with contextlib.closing(self.connect()) as database:
            demand(database.execute("PRAGMA integrity_check").fetchall() == [("ok",)], "the file is damaged")
            demand(database.execute("PRAGMA foreign_key_check").fetchall() == [], "a reference leads nowhere")
        self.seen = set(numbers)

    async def call(self) -> None:
        """One caller, until its connection breaks."""
        with contextlib.suppress(ConnectionError, EOFError):
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            try:
                while True:
                    async for headers, body in self.chats(reader, writer):
                        self.number += 1
                        number = self.number
                        body["messages"] = [{"role": "user", "content": str(number)}]
                        status, _ = await exchange(reader, writer, "POST /v1/chat/completions", headers, body)
                        if status == 200:
                            self.answered.add(number)
                        else:
                            demand(status == 503, f"{self.name} answered {status}")
            finally:
                writer.close()

    def chats(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
        raise NotImplementedError


async def exchange(reader, writer, line: str, headers: dict[str, str], body: object) -> tuple[int, bytes]:
    text = json.dumps(body).encode()
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    writer.write(f"{line} HTTP/1.1\r\nContent-Length: {len(text)}\r\n{head}\r\n".encode() + text)
    await writer.drain()
    answer = await read_message(reader)
    if answer is None:
        raise EOFError
    return int(answer[0].split()[1]), answer[1]


class Core(Reference):
    name = "core"

    def variables(self) -> dict[str, str]:
        at = lambda name: str(self.folder / name)  # noqa: E731
        stores = {"TENANT_DB": at("db"), "TENANT_KV": at("kv"), "MOLTBOT_BUCKET": at("bucket")}
        return {**super().variables(), **stores, "APP_DOMAIN": "app.test", "PUBLIC_RATE_LIMIT_MAX": "1000000"}

    async def prepare(self) -> None:
        self.start()
        token = self.around.team.token(self.around.origin)
        headers = {"Host": "ops.test", "Cf-Access-Jwt-Assertion": token}
        status, body = await self.ask("POST /api/admin/tenants", headers, {"slug": "acme"})
        demand(status == 201, f"no tenant: {status} {body!r}")

    async def chats(self, _reader, _writer):
        for _ in range(CHATS_OF_A_CONVERSATION):
            yield {"Host": "acme.app.test"}, {}

    def rows(self) -> list[tuple[int, int]]:
        with contextlib.closing(self.connect()) as database:
            return database.execute("SELECT tokens_in, tokens_out FROM usage").fetchall()


class ApiWorker(Reference):
    name = "API worker"
    is_written_first = True

    def variables(self) -> dict[str, str]:
        return {**super().variables(), "API_DB": str(self.folder / "db"), "ENVIRONMENT": "development"}

    async def prepare(self) -> None:
        environment = {"PATH": os.environ["PATH"], **self.variables()}
        subprocess.run([self.command[0], "seed-development"], env=environment, check=True, capture_output=True)
        limits = [
            (scope, subject, f"rate_limit.{kind}.{window}")
            for scope, subject, kind in (("user", "alice", "user"), ("environment", "development", "ip"))
            for window in ("minute", "hour", "day")
        ]
        with contextlib.closing(self.connect()) as database, database:
            database.executemany(
                "INSERT INTO user_preferences VALUES (?, ?, ?, '1000000000', 0, 0) "
                "ON CONFLICT DO UPDATE SET value = excluded.value",
                limits,
            )
        self.start()

    async def chats(self, reader, writer):
        """Half of them in conversations, which keep two messages of each."""
        headers = {"Host": "api.test", "Authorization": f"Bearer {KEY}"}
        status, body = await exchange(reader, writer, "POST /v1/conversations", headers, {})
        demand(status in (201, 503), f"no conversation: {status}")
        conversation = json.loads(body).get("id")
        for _ in range(CHATS_OF_A_CONVERSATION):
            yield headers, {"model": MODEL, **({"conversation_id": conversation} if conversation else {})}
            yield headers, {"model": MODEL}

    # Rows of the seed have no request of ours.
    OWN = "created_at > (SELECT max(applied_at) FROM schema_metadata)"

    def rows(self) -> list[tuple[int, int]]:
        with contextlib.closing(self.connect()) as database:
            return database.execute(f"SELECT input_tokens, output_tokens FROM usage_logs WHERE {self.OWN}").fetchall()

    def check(self, answered: set[int]) -> None:
        super().check(answered)
        with contextlib.closing(self.connect()) as database:
            cost = "(input_tokens * 150000 + output_tokens * 600000 + 500000) / 1000000"
            wrong = f"SELECT count(*) FROM usage_logs WHERE {self.OWN} AND cost_micros IS NOT {cost}"
            demand(database.execute(wrong).fetchone() == (0,), "usage without its cost")
            torn = f"""SELECT count(*) FROM conversations WHERE {self.OWN} AND 2 * (
                SELECT count(*) FROM usage_logs WHERE conversation_id = conversations.id
              ) <> (SELECT count(*) FROM messages WHERE conversation_id = conversations.id)"""
            demand(database.execute(torn).fetchone() == (0,), "messages without their usage, or usage without its messages")


async def under_load(reference: Reference, writes: int, deal: signal.Signals) -> None:
    """Has callers write this many rows, give or take, and then sends the signal."""
    callers = [asyncio.create_task(reference.call()) for _ in range(CALLERS)]
    goal = reference.number + writes
    while reference.number < goal:
        failed = [task.exception() for task in callers if task.done() and task.exception()]
        if failed:
            raise failed[0]
        demand(not all(task.done() for task in callers), f"{reference.name} stopped answering")
        if random.random() < 0.1:
            reference.seen |= {number for number, _ in reference.rows()}
        await asyncio.sleep(0.002)
    reference.process.send_signal(deal)
    await asyncio.gather(*callers)
    code = await asyncio.to_thread(reference.process.wait, 30)
    expected = 0 if deal == signal.SIGTERM else -signal.SIGKILL
    demand(code == expected, f"{reference.name} ended with {code} after {deal.name}")


async def measure(kind: type[Reference], program: str, options: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as folder:
        around = Surroundings()
        await around.start()
        reference = kind([program, "serve"] if kind is ApiWorker else [program], Path(folder), around)
        try:
            await reference.prepare()
            for _ in range(options.kills):
                share = options.writes // options.kills
                await under_load(reference, random.randint(share // 2, share * 3 // 2), signal.SIGKILL)
                reference.check(reference.answered if reference.is_written_first else set())
                reference.start()
            rows = len(reference.rows())
            print(
                f"{reference.name}: SIGKILL {options.kills} times in {reference.number} chats, {len(reference.answered)} of them "
                f"answered, {rows} rows: 0 half, 0 doubled, 0 gone that were seen"
                + (", 0 missing of answered chats" if reference.is_written_first else ""),
                flush=True,
            )
            before = len(reference.answered)
            ended: set[int] = set()
            for _ in range(options.ends):
                known = set(reference.answered)
                await under_load(reference, random.randint(200, 600), signal.SIGTERM)
                ended |= reference.answered - known
                reference.check(ended)
                reference.start()
            answered = len(reference.answered) - before
            print(f"{reference.name}: SIGTERM {options.ends} times under load, {answered} chats answered: 0 lost, 0 doubled", flush=True)
        finally:
            if reference.process is not None:
                reference.process.kill()
                reference.process.wait()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--core", required=True)
    parser.add_argument("--api", required=True)
    parser.add_argument("--writes", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--ends", type=int, default=5)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    options = parser.parse_args()
    random.seed(options.seed)
    print(f"seed {options.seed}", flush=True)
    try:
        for kind, program in ((Core, options.core), (ApiWorker, options.api)):
            asyncio.run(measure(kind, program, options))
    except Loss as loss:
        print(f"seed {options.seed}: {loss}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
