"""A recommendation service in one file: FastAPI answers from a stored model, without TensorFlow.

    pip install fastapi 'uvicorn[standard]' skops
    MODEL_FILE=model.skops uvicorn service:app --workers 2

Each worker process loads the file, and looks once a second whether there is another one under its name. It
loads that beside the old model, and then answers from the new one. To publish a model, write it beside the
old file and rename it:

    skops.io.dump(model, "model.new")
    os.replace("model.new", "model.skops")

A file whose name ends in .joblib is mapped into memory, which the workers share. But such a file can contain
code, which runs when it is loaded; a .skops file cannot. Prefer skops.

Ids may be numbers or text.
"""

import asyncio
import contextlib
import gc
import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # read when NumPy starts: a worker uses one core

import joblib
import pandas as pd
import skops.io
from fastapi import Body, FastAPI, HTTPException, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, FiniteFloat

TRUSTED = [
    "sklearn_mf.recommenders._mf.MFRecommender",
    "sklearn_mf.recommenders._implicit.ImplicitMFRecommender",
    "sklearn_mf.recommenders._bayesian.BayesianMFRecommender",
]
SECONDS_BETWEEN_LOOKS = 1.0

Id = int | float | str
Length = Annotated[int, Query(ge=1, le=1000, description="Items in the list.")]


class Rating(BaseModel):
    """A rating of a newcomer; where the model learnt from interactions, the strength of one."""

    item: Id
    rating: FiniteFloat


class Recommendation(BaseModel):
    """An item of a list; scores can be compared within a list."""

    item: Id
    score: float


class Answer(BaseModel):
    """A list, best first: `known` is false where it is the list of the average user."""

    user: Id | None
    known: bool
    items: list[Recommendation]
    unknown_items: list[Id] = []


class Loaded:
    """A model with its ids."""

    def __init__(self, path: Path) -> None:
        if path.suffix == ".joblib":
            self.model = joblib.load(path, mmap_mode="r")
        else:
            self.model = skops.io.load(path, trusted=TRUSTED)
        self.users, self.items = pd.Index(self.model.user_ids_), pd.Index(self.model.item_ids_)
        self.has_names = hasattr(self.model, "feature_names_in_")
        self.names = list(self.model.feature_names_in_) if self.has_names else ["user", "item"]
        self.at = datetime.now(UTC)
        # A model that cannot answer is refused here, and the first requests do not wait for what it keeps.
        self.recommend(1, users=self.users[0])
        self.recommend(1, ratings=self.table_of([self.items[0]], [1.0]))

    def recommend(self, n: int, **query: object) -> list[dict[str, Id]]:
        """List that the model gives; its errors are sentences, which the caller gets."""
        try:
            table = self.model.recommend(n=n, **query)
        except (ValueError, TypeError) as error:
            raise HTTPException(422, str(error)) from None
        rows = zip(table[self.names[1]].tolist(), table["score"].tolist(), strict=True)
        return [{"item": item, "score": score} for item, score in rows]

    def table_of(self, items: list[Id], ratings: list[float]) -> pd.DataFrame | list[list[Id]]:
        """Ratings of one person, whose id plays no role, in the form of those of fit."""
        if self.has_names:
            return pd.DataFrame({self.names[0]: 0, self.names[1]: items, "rating": ratings})
        return [[0, item, rating] for item, rating in zip(items, ratings, strict=True)]


class Served:
    """The model that answers, and the file that the next one comes from."""

    def __init__(self, path: Path) -> None:
        self.path, self.error = path, None
        self.stamp, self.now = stamp_of(path), Loaded(path)

    def refresh(self) -> None:
        """Load the file if it is another one; where that fails the old model stays."""
        stamp = stamp_of(self.path)
        if stamp == self.stamp:
            return
        self.stamp = stamp
        try:
            self.now = Loaded(self.path)  # one assignment: each request has one model
            self.error = None
        except Exception as error:
            self.error = f"{self.path.name} was not loaded: {error}"


def stamp_of(path: Path) -> tuple[int, int, int] | None:
    """Numbers that differ between two files of one name; None where there is no file."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_ino, stat.st_mtime_ns, stat.st_size


def as_id(value: Id, known: pd.Index) -> Id:
    """Text, which all ids in an address are, as an id of the model's type; other values stay."""
    if not isinstance(value, str) or known.dtype.kind not in "iuf":
        return value
    try:
        return known.dtype.type(value).item()
    except (ValueError, OverflowError):
        raise HTTPException(422, f"Ids of the model are {known.dtype}, got {value!r}.") from None


def answer(
    user: Id | None, known: bool, items: list[dict[str, Id]], unknown_items: list[Id] | tuple[()] = ()
) -> JSONResponse:
    """An `Answer` as JSON."""
    return JSONResponse({"user": user, "known": known, "items": items, "unknown_items": unknown_items})


async def look_for_models(served: Served) -> None:
    """Refresh the model once a second, for ever; a thread loads it, and requests go on meanwhile."""
    while True:
        await asyncio.sleep(SECONDS_BETWEEN_LOOKS)
        await asyncio.to_thread(served.refresh)


@contextlib.asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Load the model before the first request; without one the service does not start."""
    app.state.served = Served(Path(os.environ.get("MODEL_FILE", "model.skops")))
    gc.collect()
    gc.freeze()  # a full collection would go through all libraries, and stop the service for 0.1 s and more
    looking = asyncio.create_task(look_for_models(app.state.served))
    yield
    looking.cancel()


app = FastAPI(title="Recommendations", lifespan=lifespan)


@app.exception_handler(RequestValidationError)
async def refuse(_: Request, error: RequestValidationError) -> JSONResponse:
    """Say in one sentence what is wrong with a request."""
    first = error.errors()[0]
    place, value = ".".join(map(str, first["loc"])), repr(first.get("input"))
    return JSONResponse({"detail": f"{place}: {first['msg']}, got {value[:60]}."}, 422)


# The functions are `async`, so that one list follows the other: each takes a few milliseconds of CPU, and
# threads would only take turns. More cores need more workers. FastAPI sends a `JSONResponse` as it is:
# `response_model` is for the documentation, and the answers are not checked against it.


@app.get("/recommend/{user:path}", response_model=Answer)
async def recommend(request: Request, user: str, n: Length = 10) -> JSONResponse:
    """List of a user; of an unknown one, that of the average user."""
    now: Loaded = request.app.state.served.now
    wanted = as_id(user, now.users)
    return answer(wanted, wanted in now.users, now.recommend(n, users=wanted))


@app.post("/recommend", response_model=Answer)
async def recommend_to_newcomer(
    request: Request, ratings: Annotated[list[Rating], Body(min_length=1, max_length=10_000)], n: Length = 10
) -> JSONResponse:
    """List that follows from some ratings; unknown items are left out, unless handle_unknown="error"."""
    now: Loaded = request.app.state.served.now
    items = [as_id(rating.item, now.items) for rating in ratings]
    unknown = [item for item in items if item not in now.items]
    table = now.table_of(items, [rating.rating for rating in ratings])
    return answer(None, False, now.recommend(n, ratings=table), unknown)


@app.get("/healthz")
async def healthz(request: Request) -> dict[str, str | int | None]:
    """Which model answers, and why a newer file does not."""
    served: Served = request.app.state.served
    return {
        "status": "ok" if served.error is None else "old model",
        "error": served.error,
        "loaded": served.now.at.isoformat(),
        "users": len(served.now.users),
        "items": len(served.now.items),
    }
