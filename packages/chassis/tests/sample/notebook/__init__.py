"""A small product that the tests of chassis serve."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import Depends, FastAPI, HTTPException, Query, Request
from fastapi.responses import HTMLResponse, Response, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field, field_validator
from sqlalchemy import text

from chassis import problems
from chassis.events import Channel
from chassis.pages import environment
from chassis.problem_types import ProblemType
from chassis.problems import Problem
from chassis.product import Context, Fact, Product
from chassis.rights import Principal, ProductRole, Role
from chassis.stopping import Stopping
from ifmatch import Conflict, ETag, Missing, Outcome, Verdict, canonical, state_tag

LIFE: list[str] = []
ROWS = {"tea": 12, "<b>cake</b>": 1234}
PASSWORD = "hunter2"


class Circle(BaseModel):
    kind: Literal["circle"]
    radius: int


class Square(BaseModel):
    kind: Literal["square"]
    side: int


class Order(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str = Field(max_length=5)
    shapes: list[Annotated[Circle | Square, Field(discriminator="kind")]] = []
    password: int | None = None

    @field_validator("name")
    @classmethod
    def no_spaces(cls, value: str) -> str:
        if " " in value:
            raise ValueError("It has a space. Use a name without.")
        return value


def create(context: Context) -> FastAPI:
    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[dict[str, Any]]:
        LIFE.append("start")
        yield {"greeting": "hello"}
        LIFE.append("stop")

    app = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None)
    problems.install(app)
    writer = context.authenticate.require(Role.WRITE)

    @app.get("/")
    def home() -> HTMLResponse:
        page = environment().get_template("base.html")
        return HTMLResponse(page.render(prefix=context.settings.prefix))

    @app.get("/whoami")
    def whoami(request: Request) -> dict[str, Any]:
        return {"owner": context.authenticate(request).owner, "greeting": request.state.greeting}

    @app.get("/awaited")
    async def awaited(request: Request) -> dict[str, Any]:
        return {"owner": (await context.authenticate.awaited(request)).owner}

    @app.get("/page")
    def page(request: Request) -> HTMLResponse:
        return HTMLResponse(context.authenticate.page(request).owner)

    @app.get("/where")
    def where(request: Request) -> dict[str, Any]:
        return {"path": request.url.path, "url": context.url("/x", request)}

    @app.get("/asked-by")
    def asked_by(request: Request) -> dict[str, Any]:
        client = request.client.host if request.client else None
        return {"client": client, "scheme": request.url.scheme}

    @app.get("/notes")
    def notes() -> list[str]:
        with context.database.reading() as connection:
            return list(connection.execute(text("SELECT text FROM note ORDER BY text")).scalars())

    @app.put("/notes/{name}", dependencies=[Depends(writer)])
    def put(name: str) -> dict[str, str]:
        with context.database.writing() as connection:
            connection.execute(text("INSERT INTO note VALUES (:text)"), {"text": name})
        return {"text": name}

    @app.post("/jot/{name}", dependencies=[Depends(context.authenticate.require("jot"))])
    def jot(name: str) -> dict[str, str]:
        return put(name)

    @app.delete("/notes/{name}", dependencies=[Depends(writer)])
    def delete(name: str) -> None:
        raise Missing(name)

    @app.post("/orders")
    def order(order: Order, limit: Annotated[int, Query(le=10)] = 5) -> dict[str, str]:
        return {"name": order.name, "limit": str(limit)}

    @app.get("/components")
    def components() -> HTMLResponse:
        page = environment(Path(__file__).parent / "templates").get_template("components.html")
        html = page.render(prefix=context.settings.prefix, here=context.prefix, rows=ROWS)
        return HTMLResponse(html)

    @app.get("/rows")
    def rows(request: Request) -> Response:
        items = [{"name": name, "cups": cups, "left": 50 - cups} for name, cups in ROWS.items()]
        etag = str(state_tag(items))
        if request.headers.get("if-none-match") == etag:
            return Response(status_code=304, headers={"ETag": etag})
        body = canonical({"items": items})
        return Response(body, headers={"ETag": etag}, media_type="application/json")

    @app.put("/rows/{name}")
    def change_row(name: str, cups: int) -> None:
        ROWS[name] = cups

    @app.delete("/rows/{name}")
    def remove_row(name: str) -> None:
        del ROWS[name]

    @app.put("/fail/{how}")
    @app.get("/fail/{how}")
    def fail(how: str) -> None:
        if how == "problem":
            raise Problem(409, "cannot-now", "Not now. Try later.", until="noon")
        if how == "teapot":
            raise HTTPException(418, headers={"X-Pot": "short"})
        if how == "conflict":
            raise Conflict(ETag("now", weak=True), Verdict(Outcome.PRECONDITION_FAILED, "If-Match"))
        if how == "database":
            with context.database.reading() as connection:
                connection.execute(text("SELECT * FROM nowhere WHERE a = :a"), {"a": PASSWORD})
        raise RuntimeError(f"the password is {PASSWORD}")

    @app.get("/half")
    async def half() -> StreamingResponse:
        async def chunks() -> AsyncIterator[bytes]:
            yield b"half"
            raise RuntimeError("broken")

        return StreamingResponse(chunks())

    told, deaf = Channel(context.stopping), Channel(Stopping())

    @app.api_route("/events", methods=["GET", "HEAD"])
    async def events(request: Request) -> Response:
        return await told.listen(request, context.authenticate.awaited)

    @app.get("/deaf")
    async def never_stopping(request: Request) -> Response:
        """The same stream, which hears of no stop."""
        return await deaf.listen(request, context.authenticate.awaited)

    @app.post("/events")
    def publish(body: str) -> dict[str, int]:
        return {"listeners": told.listeners, "length": len(told.publish(body).data)}

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        async def events() -> AsyncIterator[bytes]:
            waiting = asyncio.create_task(context.stopping.wait())
            while not waiting.done():
                yield b"data: tick\n\n"
                await asyncio.wait({waiting}, timeout=0.1)

        return StreamingResponse(events(), media_type="text/event-stream")

    return app


def demo(context: Context) -> None:
    with context.database.writing() as connection:
        if connection.execute(text("SELECT count(*) FROM note")).scalar_one() == 0:
            connection.execute(text("INSERT INTO note VALUES ('sample')"))


def state(context: Context, _principal: Principal) -> list[Fact]:
    with context.database.reading() as connection:
        count = connection.execute(text("SELECT count(*) FROM note")).scalar_one()
    return [Fact("Notes", count, by="Ada <b>\u202e")]


PROBLEMS = (
    ProblemType(
        "cannot-now",
        (409,),
        "It is not the time for that.",
        "Try later.",
        "Not now. Try later.",
        {"until": ("when it is the time", "noon")},
    ),
    ProblemType("no-bin", (404,), "No bin.", "Make one.", "No bin.", {"bin": ("which", "x")}),
)
PRODUCT = Product(
    name="notebook",
    title="Notebook",
    tagline="Keeps notes",
    create=create,
    migrations="notebook.migrations",
    demo=demo,
    roles=(ProductRole("jot", "adds notes, and does nothing else"),),
    state=state,
    first_step="Write a note.",
    problems=PROBLEMS,
)
SECOND = Product(
    "second", "Second", "Another one", create, "notebook.migrations", problems=PROBLEMS
)
