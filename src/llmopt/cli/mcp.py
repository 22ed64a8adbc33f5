"""``llmopt mcp``."""

from __future__ import annotations

import click

from llmopt.cli.options import store_option


@click.command()
@store_option
def mcp(store: str | None) -> None:
    """Serve coding agents by the Model Context Protocol, on standard input and output."""
    from llmopt.integrations.mcp_server import server

    server(store).run("stdio")
