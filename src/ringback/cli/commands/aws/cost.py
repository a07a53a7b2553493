"""``ringback aws cost``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ringback.cli import options

if TYPE_CHECKING:
    from ringback.awscost import PriceList


def cost(
    users: Annotated[int, typer.Option(help="Users.", metavar="N")] = 1000,
    hours: Annotated[
        float, typer.Option(help="Hours a day that each has the page open.", metavar="N")
    ] = 8,
    days: Annotated[float, typer.Option(help="Days a month.", metavar="N")] = 30,
    messages: Annotated[
        int, typer.Option(help="Messages a month, of all together.", metavar="N")
    ] = 750_000,
    fanout: Annotated[int, typer.Option(help="Users that each goes to.", metavar="N")] = 1,
    size: Annotated[int, typer.Option(help="Bytes of each.", metavar="N")] = 1024,
    job_seconds: Annotated[
        float,
        typer.Option(help="Seconds that a job takes, whose end a message tells.", metavar="N"),
    ] = 10,
    poll: Annotated[float, typer.Option(help="Seconds between polls.", metavar="N")] = 5,
    hold: Annotated[float, typer.Option(help="Seconds of a long poll.", metavar="N")] = 20,
    memory: Annotated[int, typer.Option(help="MB of a function.", metavar="N")] = 128,
    milliseconds: Annotated[
        float, typer.Option(help="What a function takes that waits for nothing.", metavar="N")
    ] = 50,
    qos: Annotated[int, typer.Option(help="Of IoT Core: 0 or 1.", metavar="N")] = 0,
    pings: Annotated[
        bool,
        typer.Option(
            "--pings", help="Clients of the WebSocket API ping, lest they be cut off as idle."
        ),
    ] = False,
    region: Annotated[str, typer.Option(help="Whose prices.", metavar="REGION")] = "us-east-1",
    free_tier: Annotated[
        bool, typer.Option("--free-tier", help="Take off what is free each month.")
    ] = False,
    way: Annotated[
        str | None,
        typer.Option(help="The items of one way only: polling, sse, …", metavar="NAME"),
    ] = None,
    prices: Annotated[
        Path | None, typer.Option(help="A file of prices instead.", metavar="FILE")
    ] = None,
    show_prices: Annotated[
        bool, typer.Option("--show-prices", help="Print the file of prices, to begin one from.")
    ] = False,
    svg: Annotated[
        Path | None, typer.Option(help="Write the chart there as well.", metavar="FILE")
    ] = None,
    json: options.Json = False,
) -> None:
    """Say what each way of telling the user costs a month on AWS.

    Polling, long polling, SSE, WebSocket API, AppSync subscriptions, AppSync Events, IoT Core: all
    the time, and only while a job runs. Which is the cheapest, and from where on that changes.
    """
    from ringback.awscost import Workload
    from ringback.cli import costs
    from ringback.cli.terminal import note, out_json
    from ringback.cli.texts import write_text

    if show_prices:
        from importlib import resources

        source = resources.files("ringback.awscost").joinpath("prices.toml")
        write_text(source.read_text("utf-8") if prices is None else _read(prices))
        return
    workload = Workload(
        users=users,
        hours=hours,
        days=days,
        messages=messages,
        fanout=fanout,
        size=size,
        job_seconds=job_seconds,
        poll=poll,
        hold=hold,
        memory=memory,
        milliseconds=milliseconds,
        qos=qos,
        pings=pings,
    )
    report = costs.Report(
        workload=workload, prices=_list(prices).region(region), free_tier=free_tier
    )
    chosen = costs.way(way) if way is not None else None
    if svg is not None:
        _write(svg, report.svg())
    if json:
        out_json(report.plain(chosen))
    elif chosen is not None:
        report.show_way(chosen)
    else:
        report.show()
    if svg is not None:
        note(f"{svg} is written.")


def _list(path: Path | None) -> PriceList:
    from ringback.awscost import PriceList

    return PriceList.packaged() if path is None else PriceList.parse(_read(path), str(path))


def _read(path: Path) -> str:
    from ringback.errors import ConfigurationError

    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"The file of prices {path} cannot be read: {error}. Make one with "
            "`ringback aws cost --show-prices > prices.toml`."
        ) from error


def _write(path: Path, text: str) -> None:
    from ringback.errors import ConfigurationError

    try:
        path.write_text(text, "utf-8", newline="\n")
    except OSError as error:
        raise ConfigurationError(
            f"{path} cannot be written: {error}. Give --svg a file in a folder that is there."
        ) from error
