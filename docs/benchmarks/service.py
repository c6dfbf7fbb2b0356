"""Latency of the example service at a fixed rate of requests, over real HTTP on the loopback address.

SKLEARN_MF_DATA=folder python docs/benchmarks/service.py [--seconds 60] [--rate 100] [--only small|large]

The server is one process on one core, and the client runs on another. Requests are sent at fixed times,
whether earlier ones were answered or not, and a latency counts from the time at which the request was due.
Nine requests of ten ask for the list of a user, and one sends the ratings of a newcomer.

small: MFRecommender() on ml-latest-small. large: 10^5 users and 10^5 items, 64 dimensions, fitted by one
sweep on 10^6 synthetic ratings, since the number of sweeps does not matter here. The models are stored in
SKLEARN_MF_SCRATCH, or below the temporary folder, and taken from there by a second run.
"""

import argparse
import asyncio
import gc
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.request import urlopen

import numpy as np
import pandas as pd
import skops.io
from data import environment, ml_latest_small

from sklearn_mf import MFRecommender
from sklearn_mf.datasets import make_ratings
from sklearn_mf.recommenders._workers_command import free_ports

ROOT = Path(__file__).parents[2]
SERVICE = ROOT / "examples" / "service"
SCRATCH = Path(os.environ.get("SKLEARN_MF_SCRATCH", Path(tempfile.gettempdir()) / "sklearn_mf_service"))
N_RATED = 10  # ratings of a newcomer
NEWCOMERS = 10  # one request in so many
KINDS = ("list of a user", "list of a newcomer")


def small() -> MFRecommender:
    """Fitted on all ratings of ml-latest-small."""
    return MFRecommender(random_state=0).fit(pd.concat(ml_latest_small()))


def large() -> MFRecommender:
    """Fitted on synthetic ratings."""
    ratings = make_ratings(100_000, 100_000, 1_000_000, random_state=0)
    return MFRecommender(64, max_iter=1, random_state=0).fit(ratings)


MODELS = {"small": small, "large": large}


def stored(name: str) -> Path:
    """File of a model, written by the first run; a process of its own, so that this one has no TensorFlow."""
    path = SCRATCH / f"{name}.skops"
    if not path.exists():
        SCRATCH.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        code = f"import service; service.skops.io.dump(service.MODELS[{name!r}](), {str(part)!r})"
        subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parent, check=True)
        part.replace(path)  # a run that is stopped leaves no half of a file
    return path


def requests(path: Path, n: int) -> list[tuple[int, bytes]]:
    """Kind and bytes of n requests about random users and items."""
    model = skops.io.load(path, trusted=skops.io.get_untrusted_types(file=path))
    rng = random.Random(0)
    users, items = model.user_ids_.tolist(), model.item_ids_.tolist()
    made = []
    for number in range(n):
        if number % NEWCOMERS:
            text = f"GET /recommend/{rng.choice(users)}?n=10 HTTP/1.1\r\nHost: localhost\r\n\r\n"
            made.append((0, text.encode()))
            continue
        rated = [{"item": item, "rating": rng.randint(1, 5)} for item in rng.sample(items, N_RATED)]
        body = json.dumps(rated)
        head = f"Host: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        made.append((1, f"POST /recommend?n=10 HTTP/1.1\r\n{head}{body}".encode()))
    return made


class Client:
    """Connections that are kept open, as many as requests are under way at one time."""

    def __init__(self, port: int) -> None:
        self.port, self.free = port, []

    async def latency(self, request: bytes, due: float) -> float:
        """Seconds from the time at which a request is due to its answer; infinite for an error."""
        await asyncio.sleep(due - time.perf_counter())
        try:
            reader, writer = self.free.pop() if self.free else await self.connect()
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            await reader.readexactly(int(head.split("content-length: ")[1].split("\r\n")[0]))
        except (OSError, asyncio.IncompleteReadError):
            return np.inf
        self.free.append((reader, writer))
        return time.perf_counter() - due if " 200 " in head.split("\r\n")[0] else np.inf

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open one more connection."""
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def latencies(self, made: list[tuple[int, bytes]], rate: float) -> np.ndarray:
        """Latencies of requests sent at a rate."""
        start = time.perf_counter() + 1  # all calls are waiting before the first request is due
        calls = (self.latency(request, start + n / rate) for n, (_, request) in enumerate(made))
        return np.array(await asyncio.gather(*calls))


def cpu_seconds(process: int) -> float:
    """Seconds of CPU that a process has used (Linux)."""
    fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def started(path: Path, port: int) -> subprocess.Popen[bytes]:
    """The service with a model, on the first core."""
    environ = os.environ | {"MODEL_FILE": str(path), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "uvicorn", "service:app", "--port", str(port), "--no-access-log"]
    command += ["--timeout-keep-alive", "60"]  # the client reuses connections after longer pauses
    server = subprocess.Popen([*command, "--log-level", "error"], cwd=SERVICE, env=environ)
    os.sched_setaffinity(server.pid, {0})
    while server.poll() is None:
        time.sleep(0.1)
        try:
            urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5).close()
        except OSError:
            continue
        return server
    raise SystemExit("the service did not start")


def print_pauses(seconds: float, rate: float) -> None:
    """Print how long a Python loop takes on the core of the server, started as often as requests are sent."""
    os.sched_setaffinity(0, {0})
    start, found = time.perf_counter(), []
    for number in range(int(seconds * rate)):
        time.sleep(max(0.0, start + number / rate - time.perf_counter()))
        begin = time.perf_counter()
        sum(range(100_000))  # about as long as a request
        found.append(1000 * (time.perf_counter() - begin))
    middle, high = np.percentile(found, [50, 99])
    print(
        f"a loop on this core alone: p50 {middle:.1f}, p99 {high:.1f}, most {max(found):.1f} ms", flush=True
    )


def measure(name: str, seconds: float, rate: float) -> None:
    """Print the latencies of a model."""
    path, (port,) = stored(name), free_ports(1)
    made = requests(path, int(seconds * rate))
    server = started(path, port)
    try:
        client = Client(port)
        gc.collect()
        gc.freeze()  # a full collection in the client would count as latency
        asyncio.run(client.latencies(made[: int(rate)], rate))  # the first second is for connections
        client.free.clear()
        before = cpu_seconds(server.pid)
        found = asyncio.run(client.latencies(made, rate))
        cpu = (cpu_seconds(server.pid) - before) / len(made)
    finally:
        server.terminate()
        server.wait()
    of_kind = np.array([kind for kind, _ in made])
    for label, chosen in [("all", of_kind >= 0), *((label, of_kind == k) for k, label in enumerate(KINDS))]:
        latency = found[chosen] * 1000
        middle, high = np.percentile(latency, [50, 99])
        print(
            f"{name}, {label}: {len(latency)} requests, {np.isinf(latency).sum()} errors, "
            f"p50 {middle:.1f}, p99 {high:.1f}, most {latency.max():.1f} ms",
            flush=True,
        )
    size = path.stat().st_size / 1e6
    print(f"{name}: {1000 * cpu:.2f} ms of the server's CPU a request; file of {size:.0f} MB", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--rate", type=float, default=100)
    parser.add_argument("--only", choices=MODELS)
    options = parser.parse_args()
    cores = os.sched_getaffinity(0)
    print(environment("fastapi", "uvicorn", "uvloop", "httptools", "skops"))
    print_pauses(20, options.rate)
    os.sched_setaffinity(0, cores - {0} or {0})
    print(f"{options.rate:g} requests a second for {options.seconds:g} s, one core for the server alone")
    for name in MODELS if options.only is None else [options.only]:
        measure(name, options.seconds, options.rate)
